package payments_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/stripepay"
	registered "patchbay/adapters/provider"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// atStripe is a payments.Service at Stripe's simulator, which hears of what happens there only when
// the test delivers it.
type atStripe struct {
	*payments.Service
	sim       *stripesim.Sim
	hook      registered.PaymentHook
	journal   *memjournal.Journal
	delivered map[string]bool

	mu      sync.Mutex
	reviews []string
}

const whsec = "whsec_till"

func openAtStripe(t *testing.T) *atStripe {
	t.Helper()
	tl := &atStripe{sim: stripesim.Start(t, stripesim.Options{}), journal: memjournal.New(clock.System{}), delivered: map[string]bool{}}
	g, err := stripepay.New(stripepay.Options{
		Name: "acme", SecretKey: tl.sim.Key(), HTTP: httpclient.Options{BaseURL: tl.sim.URL(), Timeout: 2 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if tl.hook, err = stripepay.NewHook(clock.System{}, registered.Account{Provider: "acme", Secrets: []string{whsec}}); err != nil {
		t.Fatal(err)
	}
	tl.Service = payments.New(payments.Options{
		Journal: tl.journal, Gateways: []ports.PaymentGateway{g}, Events: tl.hook, Clock: clock.System{}, IDs: ids.UUIDs{},
		Owner: "one", Log: slog.New(slog.DiscardHandler),
		Reviewed: func(provider, reason string) {
			tl.mu.Lock()
			defer tl.mu.Unlock()
			tl.reviews = append(tl.reviews, provider+" "+reason)
		},
	})
	return tl
}

// deliver hands over the events of these types that have not been yet, all of them where
// none is named.
func (tl *atStripe) deliver(t *testing.T, types ...string) {
	t.Helper()
	for _, e := range tl.sim.Events() {
		if tl.delivered[e.ID] || len(types) > 0 && !slices.Contains(types, e.Type) {
			continue
		}
		tl.delivered[e.ID] = true
		for range 2 { // each comes twice
			if _, err := tl.ApplyWebhook(t.Context(), tl.event(t, e)); err != nil {
				t.Fatalf("%s: %v", e.Type, err)
			}
		}
	}
}

// event is one as it comes over the wire.
func (tl *atStripe) event(t *testing.T, e stripesim.Event) (out webhook.Event) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		all, err := tl.hook.Verify(t.Context(), e.Body, r.Header.Get)
		if err != nil || len(all) != 1 {
			t.Errorf("%v", err)
			return
		}
		out = all[0]
	}))
	defer server.Close()
	if _, err := tl.sim.Send(t.Context(), e, server.URL, whsec); err != nil {
		t.Fatal(err)
	}
	return out
}

func (tl *atStripe) sale(t *testing.T, change ...func(*payments.CreateRequest)) payment.Payment {
	t.Helper()
	r := payments.CreateRequest{Amount: 1000, Currency: "usd", PaymentMethod: "pm_card_visa", Confirm: true}
	for _, c := range change {
		c(&r)
	}
	res, err := tl.Create(t.Context(), tenant, r, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Payment
}

func manual(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual }

func by(method string) func(*payments.CreateRequest) {
	return func(r *payments.CreateRequest) { r.PaymentMethod = method }
}

func (tl *atStripe) now(t *testing.T, id string) payment.Payment {
	t.Helper()
	p, err := tl.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// told are the types of the payment's events in the feed.
func (tl *atStripe) told(t *testing.T, id string) (types []string) {
	t.Helper()
	feed, err := tl.journal.Feed(t.Context(), tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range feed {
		if e.Subject == id {
			types = append(types, strings.TrimPrefix(e.Type, "payment."))
		}
	}
	return types
}
