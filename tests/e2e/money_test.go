package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/money"
	"patchbay/tests/gateway"
)

// oneStripe is a gateway with one Stripe account that accepts every currency.
func oneStripe(t testing.TB) (*gateway.Gateway, *stripesim.Sim) {
	t.Helper()
	sim := stripesim.Start(t, stripesim.Options{})
	all := strings.Trim(strings.ReplaceAll(fmt.Sprint(money.All()), " ", ", "), "[]")
	g := gateway.Configured(t, fmt.Sprintf(`
payments: {providers: [stripe], currencies: [%s]}
providers:
  stripe: {type: stripe, secret_key: "${FIRST_KEY}", publishable_key: pk_test_first, webhook_secrets: ["${FIRST_SECRET}"], account: %s, base_url: %q}
`, all, sim.Account(), sim.URL()), "FIRST_KEY="+sim.Key(), "FIRST_SECRET="+gateway.FirstSecret)
	g.Restart(t)
	return g, sim
}

// posted returns the forms that were sent to Stripe about payment intents, without refunds.
func posted(t testing.TB, sim *stripesim.Sim) (forms []url.Values) {
	t.Helper()
	for _, r := range sim.Requests() {
		if r.Method != "POST" || !strings.HasPrefix(r.Path, "/v1/payment_intents") {
			continue
		}
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, form)
	}
	return forms
}

func TestAnAmountIsTheSameHoweverStripeCounts(t *testing.T) {
	t.Parallel()
	g, sim := oneStripe(t)
	sim.Notify(g.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	for _, row := range []struct {
		currency        string
		amount, part    int64
		stripes, partly int64 // the same at Stripe
	}{
		{"jpy", 500, 200, 500, 200},
		{"kwd", 35_200, 10_010, 35_200, 10_010},
		{"isk", 500, 200, 50_000, 20_000},
		{"ugx", 5000, 1, 500_000, 100},
		{"mga", 500_000, 100, 5000, 1},
		{"huf", 17_550, 45, 17_550, 45},
		{"aed", 200, 1, 200, 1},
	} {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"amount": row.amount, "currency": row.currency}))
		if p.Status != 201 || p.Number("amount") != row.amount || p.Number("amountCaptured") != row.amount {
			t.Errorf("%s: got %d %s, want 201, amount %v, amountCaptured %v", row.currency, p.Status, p.Body, row.amount, row.amount)
			continue
		}
		r := g.Do(t, "POST", "/api/payments/"+p.Text("id")+"/refunds", object{"amount": row.part})
		if r.Status != 201 || r.Number("amount") != row.part || r.Text("status") != "succeeded" {
			t.Errorf("%s: got %d %s, want 201, amount %v, succeeded", row.currency, r.Status, r.Body, row.part)
		}
		// Checked now, and again after the account's events have arrived.
		gateway.Eventually(t, 10*time.Second, "the events are applied", func() bool {
			after := g.Do(t, "GET", "/api/payments/"+p.Text("id"), nil)
			return after.Number("amountCaptured") == row.amount && after.Number("amountRefunded") == row.part
		})
		if e := sim.Book()[0]; e.Captured != row.stripes || e.Refunded != row.partly {
			t.Errorf("%s: Stripe has captured %d and refunded %d, want %d and %d", row.currency, e.Captured, e.Refunded, row.stripes, row.partly)
		}
	}
}

func TestAnAmountThatStripeCannotTakeIsRefusedFirst(t *testing.T) {
	t.Parallel()
	g, sim := oneStripe(t)
	p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"amount": 35_201, "currency": "kwd"}))
	if p.Status != 400 || p.Code() != "amount_too_precise" || p.Text("error", "param") != "amount" {
		t.Errorf("got %d %s, want 400, code amount_too_precise, error.param amount", p.Status, p.Body)
	}
	if asked := posted(t, sim); len(asked) != 0 {
		t.Errorf("Stripe was asked for %v, want no asked", asked)
	}
}

func TestAPaymentForTheBuyersBrowser(t *testing.T) {
	t.Parallel()
	g, sim := oneStripe(t)
	create := func(more object) gateway.Answer {
		o := pay("pm_card_visa", object{"metadata": object{"ref": "4006381333023"}}, more)
		delete(o, "confirm")
		p := g.Do(t, "POST", "/api/payments", o)
		if p.Status != 201 || p.Text("status") != "requires_confirmation" || p.Text("publishableKey") != "pk_test_first" {
			t.Fatalf("got %d %s, want 201, requires_confirmation, publishableKey pk_test_first", p.Status, p.Body)
		}
		return p
	}
	redirects := func() string { return posted(t, sim)[0].Get("automatic_payment_methods[allow_redirects]") }

	p := create(object{})
	if p.Text("confirmation") != "client" || redirects() == "never" {
		t.Errorf("%s: Stripe is to redirect %q, want confirmation client, a return_url", p.Body, redirects())
	}
	before := len(sim.Requests())
	c := g.Do(t, "POST", "/api/payments/"+p.Text("id")+"/confirm", object{})
	if c.Status != 400 || c.Code() != "return_url_required" || c.Text("error", "param") != "returnUrl" || len(sim.Requests()) != before {
		t.Errorf("got %d %s, and %d requests to Stripe, want 400, code return_url_required, error.param returnUrl, %v requests", c.Status, c.Body, len(sim.Requests())-before, before)
	}
	c = g.Do(t, "POST", "/api/payments/"+p.Text("id")+"/confirm", object{"returnUrl": "https://shop.example/done"})
	if c.Status != 200 || c.Text("status") != "succeeded" {
		t.Errorf("got %d %s, want 200, succeeded", c.Status, c.Body)
	}

	p = create(object{"confirmation": "server"})
	c = g.Do(t, "POST", "/api/payments/"+p.Text("id")+"/confirm", object{})
	if c.Status != 200 || c.Text("status") != "succeeded" || c.Text("confirmation") != "server" {
		t.Errorf("got %d %s, want 200, succeeded, confirmation server", c.Status, c.Body)
	}

	p = g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"confirmation": "client"}))
	if p.Status != 400 || p.Text("error", "param") != "confirmation" {
		t.Errorf("got %d %s, want 400, error.param confirmation", p.Status, p.Body)
	}
}
