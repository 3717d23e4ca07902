package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"patchbay/tests/gateway"
)

// TestAPaymentIsApprovedOnItsPage checks that the next action of a payment at the mock leads to a page
// of the admin listener, and that a webhook tells what was chosen there.
func TestAPaymentIsApprovedOnItsPage(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	for verdict, want := range map[string]string{"approve": "succeeded", "fail": "requires_payment_method"} {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_authenticationRequired", object{"returnUrl": "https://shop.example.com/back"}))
		page := p.Text("nextAction", "url")
		if p.Status != 201 || p.Text("status") != "requires_action" || !strings.HasPrefix(page, g.Admin+"/mock/payments/mock/pi_mock_") {
			t.Fatalf("%d %s", p.Status, p.Body)
		}
		if a := ask(t, http.MethodGet, page, ""); a.Status != 401 {
			t.Errorf("without the operator's token: status = %d, want a refusal: %s", a.Status, a.Body)
		}
		a := ask(t, http.MethodGet, page, "", g.Operator(t))
		if a.Status != 200 || !strings.Contains(string(a.Body), p.Text("id")) || !strings.Contains(string(a.Body), "19.99") {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		a = ask(t, http.MethodPost, page, "verdict="+verdict, g.Operator(t), gateway.Header{"Origin": g.Admin})
		if a.Status != 200 || !strings.Contains(string(a.Body), "https://shop.example.com/back") { // after the redirect
			t.Errorf("%s: %d %s", verdict, a.Status, a.Body)
		}
		got := settled(t, g, p.Text("id"), want)
		if verdict == "fail" && got.Text("error", "type") != "card_error" {
			t.Errorf("error of type %q, want card_error: %s", got.Text("error", "type"), got.Body)
		}
		if want == "succeeded" && got.Number("amountCaptured") != 1999 {
			t.Errorf("%s", got.Body)
		}
		if charges := g.Charges(t)[p.Text("id")]; len(charges) != 1 || (charges[0].Captured == 1999) != (verdict == "approve") {
			t.Errorf("%s: charges %+v", verdict, charges)
		}
	}
}

func ask(t *testing.T, method, url, body string, headers ...gateway.Header) gateway.Answer {
	t.Helper()
	a, err := gateway.Send(t.Context(), method, url, []byte(body), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
