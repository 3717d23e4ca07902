package stripepay_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"patchbay/core/payment"
	"patchbay/tests/stripemock"
)

// Each request is as Stripe describes it: its own mock takes it, which refuses
// what is missing, unknown, or of another type.
func TestStripesOwnMockTakesEachRequest(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(stripemock.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var answers []string
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, r.Request.Method+" "+r.Request.URL.Path+" "+r.Status)
		return nil
	}
	g := served(t, proxy.ServeHTTP)
	_, _ = g.Create(t.Context(), payment.CreateRequest{
		Key: "full", Amount: 1999, Currency: "eur", Customer: "cus_1", PaymentMethod: "pm_card_visa", Description: "Order 7", Confirm: true,
		CaptureMethod: payment.CaptureManual, ReturnURL: "https://shop.example.com/back", Metadata: map[string]string{"order": "7"},
	})
	_, _ = g.Confirm(t.Context(), payment.ConfirmRequest{Key: "full", Reference: "pi_1", PaymentMethod: "pm_1", ReturnURL: "https://a.example"})
	_, _ = g.Capture(t.Context(), payment.CaptureRequest{Key: "part", Reference: "pi_1", Amount: 40, Currency: "usd"})
	_, _ = g.List(t.Context(), payment.ListRequest{Cursor: "pi_1", Limit: 100})
	for name, call := range operations { // with the least of each
		if err := call(t, g); err != nil {
			t.Logf("%s makes of the sample: %v", name, err)
		}
	}
	if len(answers) != 4+len(operations) {
		t.Fatalf("%d requests: %v", len(answers), answers)
	}
	for _, a := range answers {
		if a[len(a)-6:] != "200 OK" {
			t.Error(a)
		}
	}
}
