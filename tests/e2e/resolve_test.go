package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
)

// lost makes the outcome of every refund unknown for good.
func lost(sim *stripesim.Sim) {
	refunds := stripesim.On(payment.Refund)
	sim.Inject(faultserver.Fault{
		Standing: true, Mishap: stripesim.BadGateway(),
		Match: func(r *http.Request, body []byte) bool {
			return refunds(r, body) && r.Header.Get("Idempotency-Key") != ""
		},
	})
}

// verdict settles an operation as an operator does, as soon as no call is in progress.
func verdict(t *testing.T, g *gateway.Gateway, path string, body object) (last gateway.Answer) {
	t.Helper()
	gateway.Eventually(t, 20*time.Second, "no call is under way", func() bool {
		last = g.Do(t, "POST", path+"/resolve", body)
		return last.Code() != "operation_in_progress"
	})
	return last
}

func TestAnOperatorSettlesARefundWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	sim := stripesim.Start(t, stripesim.Options{})
	g := shopOn(t, sim, "")
	p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"expiresAt": time.Now().Add(time.Hour)}))
	if p.Status != 201 || p.Text("expiresAt") == "" {
		t.Fatalf("got %d %s, want 201, an expiresAt", p.Status, p.Body)
	}
	path := "/api/payments/" + p.Text("id")
	refund := func(amount int, key string) gateway.Answer {
		return g.Do(t, "POST", path+"/refunds", object{"amount": amount}, gateway.Key(key))
	}
	lost(sim)

	if r := refund(500, "first"); r.Status != 202 || r.Text("status") != "pending" {
		t.Fatalf("got %d %s, want 202, pending", r.Status, r.Body)
	}
	gateway.Eventually(t, 20*time.Second, "the payment has the time of the next look-up", func() bool { return g.Do(t, "GET", path, nil).Text("nextLookAt") != "" })
	elsewhere := sim.GiveBack(t, p.Text("providerReference"), 500)
	if a := verdict(t, g, path, object{"verdict": "executed", "reference": "re_other"}); a.Status != 400 || a.Code() != "no_such_refund" {
		t.Errorf("a verdict with an unknown refund: got %d %s, want 400, code no_such_refund", a.Status, a.Body)
	}
	executed := object{"verdict": "executed", "reference": elsewhere, "note": "made at the dashboard"}
	for range 2 {
		a := verdict(t, g, path, executed)
		if a.Status != 200 || a.Number("amountRefunded") != 500 || a.Text("nextLookAt") != "" || strings.Contains(string(a.Body), `"pending"`) {
			t.Fatalf("executed: got %d %s, want 200, amountRefunded 500, no nextLookAt, no \"pending\" in it", a.Status, a.Body)
		}
	}
	if again := refund(500, "first"); again.Status != 201 || again.Text("providerReference") != elsewhere {
		t.Errorf("repeat of the refund: got %d %s, want 201, providerReference %v", again.Status, again.Body, elsewhere)
	}

	second := refund(300, "second")
	if second.Status != 202 {
		t.Fatalf("got %d %s, want 202", second.Status, second.Body)
	}
	if a := verdict(t, g, path, object{"verdict": "not_executed", "note": "not in the dashboard"}); a.Status != 200 || a.Number("amountRefunded") != 500 ||
		!strings.Contains(string(a.Body), `"by":"local"`) {
		t.Fatalf("not executed: got %d %s, want 200, amountRefunded 500, \"by\":\"local\" in it", a.Status, a.Body)
	}
	sim.Heal()
	if again := refund(300, "second"); again.Status != 201 || again.Text("id") != second.Text("id") {
		t.Errorf("asked for again: got %d %s, want 201, id %v", again.Status, again.Body, second.Text("id"))
	}
	if entry := sim.Book()[0]; entry.Refunded != 800 {
		t.Errorf("%d were given back, want 800", entry.Refunded)
	}
	if a := verdict(t, g, path, object{"verdict": "executed"}); a.Status != 409 || a.Code() != "nothing_unknown" {
		t.Errorf("nothing is unknown: got %d %s, want 409, code nothing_unknown", a.Status, a.Body)
	}
}

// TestPaymentsAreReviewedAndResolvedFromTheCommandLine checks the review of payments whose provider
// name now belongs to another account, so that their account cannot be asked.
func TestPaymentsAreReviewedAndResolvedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	first := stripesim.Start(t, stripesim.Options{})
	second := first.Open(t, stripesim.Options{})
	g := shopOn(t, first, "")
	gateway.Eventually(t, 10*time.Second, "the account is known", func() bool { return strings.Contains(g.Log(), first.Account()) })
	var ids []string
	for range 2 {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"))
		if p.Status != 201 || p.Text("account") != first.Account() {
			t.Fatalf("got %d %s, want 201, account %v", p.Status, p.Body, first.Account())
		}
		ids = append(ids, p.Text("id"))
	}
	lost(first)
	for _, id := range ids {
		if r := g.Do(t, "POST", "/api/payments/"+id+"/refunds", object{"amount": 500}); r.Status != 202 {
			t.Fatalf("got %d %s, want 202", r.Status, r.Body)
		}
	}
	command := func(args ...string) (string, error) {
		out, err := g.Command(t, append(append([]string{"payments"}, args...), g.Args...)...).Output()
		return string(out), err
	}
	listed := func(id string) bool {
		out, err := command("review")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Contains(out, id) && strings.Contains(out, "other_account")
	}
	withKey(t, g, second.Key())
	gateway.Eventually(t, time.Minute, "a person is asked for", func() bool { return listed(ids[0]) && listed(ids[1]) })

	if out, err := command("resolve", ids[0], "--verdict", "executed", "--reference", "re_1"); err == nil {
		t.Errorf("of an account that cannot be asked: got %s, want an error", out)
	}
	if out, err := command("resolve", ids[0], "--verdict", "not_executed", "--note", "not in the dashboard"); err != nil || out != ids[0]+" is settled: succeeded\n" {
		t.Errorf("got %v, want %v:\n%s", err, ids[0]+" is settled: succeeded\n", out)
	}
	a := g.Do(t, "GET", "/api/payments/"+ids[0], nil)
	if !strings.Contains(string(a.Body), `"by":"operator"`) || strings.Contains(string(a.Body), `"needsReview"`) || listed(ids[0]) {
		t.Errorf("got %s, want it settled by the operator and no longer listed", a.Body)
	}

	// Without a gateway the command opens the store itself.
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if !listed(ids[1]) {
		t.Error("without a gateway: got no entry for the payment, want one")
	}
	if out, err := command("resolve", ids[1], "--verdict", "not_executed"); err != nil || listed(ids[1]) {
		t.Errorf("%v\n%s", err, out)
	}
}
