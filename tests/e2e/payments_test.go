package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

type object = map[string]any

func pay(method string, more ...object) object {
	o := object{"amount": 1999, "currency": "usd", "paymentMethod": method, "confirm": true}
	for _, m := range more {
		for k, v := range m {
			o[k] = v
		}
	}
	return o
}

func settled(t *testing.T, g *gateway.Gateway, id, status string) gateway.Answer {
	t.Helper()
	var last gateway.Answer
	gateway.Eventually(t, 20*time.Second, id+" becomes "+status, func() bool {
		last = g.Do(t, "GET", "/api/payments/"+id, nil)
		return last.Text("status") == status
	})
	return last
}

func TestPayment(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)

	t.Run("is taken, read, refunded and listed", func(t *testing.T) {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"metadata": object{"order": "17"}, "customerId": "usr_1"}))
		if p.Status != 201 || p.Text("status") != "succeeded" || p.Number("amountCaptured") != 1999 || p.Text("metadata", "order") != "17" {
			t.Fatalf("got %d %s, want 201, succeeded, amountCaptured 1999, metadata.order 17", p.Status, p.Body)
		}
		id := p.Text("id")
		r := g.Do(t, "POST", "/api/payments/"+id+"/refunds", object{"amount": 500}, gateway.Key("r"))
		if r.Status != 201 || r.Text("status") != "succeeded" || r.Number("amount") != 500 {
			t.Fatalf("got %d %s, want 201, succeeded, amount 500", r.Status, r.Body)
		}
		again := g.Do(t, "POST", "/api/payments/"+id+"/refunds", object{"amount": 500}, gateway.Key("r"))
		if again.Text("id") != r.Text("id") || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Fatalf("repeat: got %s, want id %v, Idempotency-Replayed true", again.Body, r.Text("id"))
		}
		rest := g.Do(t, "POST", "/api/payments/"+id+"/refunds", nil)
		if rest.Status != 201 || rest.Number("amount") != 1499 {
			t.Fatalf("got %d %s, want 201, amount 1499", rest.Status, rest.Body)
		}
		if more := g.Do(t, "POST", "/api/payments/"+id+"/refunds", object{"amount": 1}); more.Status != 409 || more.Code() != "unexpected_state" {
			t.Fatalf("beyond what is left: got %d %s, want 409, code unexpected_state", more.Status, more.Body)
		}
		if list := g.Do(t, "GET", "/api/payments/"+id+"/refunds", nil); len(list.Data()) != 2 {
			t.Fatalf("got %s, want 2 items", list.Body)
		}
		for _, query := range []string{"reference=" + p.Text("providerReference"), "customerId=usr_1", "status=succeeded&customerId=usr_1"} {
			if list := g.Do(t, "GET", "/api/payments?"+query, nil); len(list.Data()) != 1 || list.Data()[0]["id"] != id {
				t.Errorf("%s: got %s, want 1 item, id %v", query, list.Body, id)
			}
		}
	})

	t.Run("is declined with the issuer's reason", func(t *testing.T) {
		tests := map[string]string{
			"pm_card_chargeDeclined": "generic_decline", "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
			"pm_card_chargeDeclinedStolenCard": "generic_decline", // the buyer must not learn more
		}
		for method, reason := range tests {
			p := g.Do(t, "POST", "/api/payments", pay(method))
			if p.Status != 402 || p.Text("error", "type") != "card_error" || p.Text("error", "decline_code") != reason ||
				!strings.HasPrefix(p.Text("error", "payment_id"), "pay_") || strings.Contains(string(p.Body), "stolen") {
				t.Errorf("%s: got %d %s, want 402, error.type card_error, error.decline_code %v, error.payment_id beginning with pay_, no \"stolen\" in it", method, p.Status, p.Body, reason)
			}
			stored := g.Do(t, "GET", "/api/payments/"+p.Text("error", "payment_id"), nil)
			if stored.Text("status") != "requires_payment_method" || strings.Contains(string(stored.Body), "stolen") {
				t.Errorf("got %s, want requires_payment_method, no \"stolen\" in it", stored.Body)
			}
		}
	})

	t.Run("declined once is confirmed with another card", func(t *testing.T) {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_chargeDeclined"))
		done := g.Do(t, "POST", "/api/payments/"+p.Text("error", "payment_id")+"/confirm", object{"paymentMethod": "pm_card_visa"})
		if done.Status != 200 || done.Text("status") != "succeeded" {
			t.Fatalf("got %d %s, want 200, succeeded", done.Status, done.Body)
		}
	})

	t.Run("asks the buyer to act", func(t *testing.T) {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_authenticationRequired"))
		if p.Status != 201 || p.Text("status") != "requires_action" || p.Text("nextAction", "type") == "" {
			t.Fatalf("got %d %s, want 201, requires_action, a nextAction.type", p.Status, p.Body)
		}
		if c := g.Do(t, "POST", "/api/payments/"+p.Text("id")+"/cancel", nil); c.Status != 200 || c.Text("status") != "canceled" {
			t.Fatalf("got %d %s, want 200, canceled", c.Status, c.Body)
		}
	})

	t.Run("is authorised and captured in part", func(t *testing.T) {
		p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"captureMethod": "manual"}))
		if p.Text("status") != "requires_capture" || p.Number("amountCapturable") != 1999 {
			t.Fatalf("got %s, want requires_capture, amountCapturable 1999", p.Body)
		}
		path := "/api/payments/" + p.Text("id") + "/capture"
		if c := g.Do(t, "POST", path, object{"amount": 2000}); c.Status != 400 || c.Text("error", "param") != "amount" {
			t.Fatalf("too much: got %d %s, want 400, error.param amount", c.Status, c.Body)
		}
		if c := g.Do(t, "POST", path, object{"amount": 700}); c.Status != 200 || c.Number("amountCaptured") != 700 || c.Text("status") != "succeeded" {
			t.Fatalf("got %d %s, want 200, amountCaptured 700, succeeded", c.Status, c.Body)
		}
		if c := g.Do(t, "POST", path, nil); c.Status != 409 {
			t.Fatalf("twice: got %d %s, want 409", c.Status, c.Body)
		}
	})

	t.Run("whose outcome is unknown ends with one charge", func(t *testing.T) {
		for _, token := range []string{"pm_mock_timeout_after_commit", "pm_mock_500_committed", "pm_mock_reset", "pm_mock_timeout_before"} {
			p := g.Do(t, "POST", "/api/payments", pay(token), gateway.Key(token))
			// A repeat under the same key gets the answer at once. If the provider repeats its
			// 500, the answer comes by a webhook or a lookup, possibly later.
			if p.Status != 201 && (p.Status != 202 || token != "pm_mock_500_committed") {
				t.Fatalf("%s: got %d %s, want 201, or 202 for pm_mock_500_committed", token, p.Status, p.Body)
			}
			settled(t, g, p.Text("id"), "succeeded")
			if charges := g.Charges(t)[p.Text("id")]; len(charges) != 1 || charges[0].Captured != 1999 {
				t.Errorf("%s: charges %+v, want 1 charge, captured 1999", token, charges)
			}
			again := g.Do(t, "POST", "/api/payments", pay(token), gateway.Key(token))
			if again.Status != 201 || again.Text("status") != "succeeded" || again.Text("id") != p.Text("id") {
				t.Errorf("%s, repeated: got %d %s, want 201, succeeded, id %v", token, again.Status, again.Body, p.Text("id"))
			}
		}
	})

	t.Run("that the provider provably refused may be tried again under its key", func(t *testing.T) {
		for _, token := range []string{"pm_mock_refused", "pm_mock_429"} {
			p := g.Do(t, "POST", "/api/payments", pay(token), gateway.Key(token))
			if p.Status != 503 || p.Header.Get("Retry-After") == "" || p.Text("error", "payment_id") == "" {
				t.Errorf("%s: got %d %s, want 503, a Retry-After, an error.payment_id", token, p.Status, p.Body)
			}
			if again := g.Do(t, "POST", "/api/payments", pay(token), gateway.Key(token)); again.Header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s: a failure that may pass was replayed, want no Idempotency-Replayed", token)
			}
		}
	})

	t.Run("is answered within 8 seconds", func(t *testing.T) {
		start := time.Now()
		p := g.Do(t, "POST", "/api/payments", pay("pm_mock_hang"))
		if took := time.Since(start); p.Status != 202 || took > 9*time.Second {
			t.Fatalf("%d after %s: got %s, want 202 within %v", p.Status, took, p.Body, 9*time.Second)
		}
	})

	t.Run("survives duplicate and reordered webhooks", func(t *testing.T) {
		for _, token := range []string{"pm_mock_duplicate_webhook", "pm_mock_reordered_webhook"} {
			p := g.Do(t, "POST", "/api/payments", pay(token))
			settled(t, g, p.Text("id"), "succeeded")
		}
	})
}

func TestFiftyPaymentsUnderOneKey(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	ids := make(map[string]bool)
	var mu sync.Mutex
	var all sync.WaitGroup
	var made, inFlight atomic.Int64
	for range 50 {
		all.Go(func() {
			p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("one"))
			switch p.Status {
			case 201:
				made.Add(1)
				mu.Lock()
				ids[p.Text("id")] = true
				mu.Unlock()
			case 409:
				inFlight.Add(1)
			default:
				t.Errorf("got %d %s, want 201 or 409", p.Status, p.Body)
			}
		})
	}
	all.Wait()
	charges := 0
	for _, list := range g.Charges(t) {
		charges += len(list)
	}
	if len(ids) != 1 || charges != 1 || made.Load() < 1 {
		t.Fatalf("%d payments, %d charges; %d answered 201, %d 409, want 1 payment, 1 charge and at least one 201", len(ids), charges, made.Load(), inFlight.Load())
	}
	if list := g.Do(t, "GET", "/api/payments", nil); len(list.Data()) != 1 {
		t.Fatalf("got %s, want 1 item", list.Body)
	}
	if other := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"amount": 2000}), gateway.Key("one")); other.Status != 422 {
		t.Fatalf("other body: got %d %s, want 422", other.Status, other.Body)
	}
	t.Logf("50 requests: %d answered 201, %d 409; 1 payment, 1 charge", made.Load(), inFlight.Load())
}

func TestAKeySurvivesARestart(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	posts := map[string]object{
		"/api/payments": pay("pm_card_visa"),
		"/api/users":    {"email": "ada@example.com", "metadata": object{"b": "2", "a": "1"}},
		"/api/emails":   {"to": []string{"ada@example.com"}, "subject": "Hello", "text": "Hello"},
	}
	first := make(map[string]gateway.Answer)
	for path, body := range posts { // the same key on three routes is three keys
		first[path] = g.Do(t, "POST", path, body, gateway.Key("same"))
		if first[path].Status >= 300 || first[path].Header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("%s: got %d %s, want status below 300, no Idempotency-Replayed", path, first[path].Status, first[path].Body)
		}
	}
	declined := g.Do(t, "POST", "/api/payments", pay("pm_card_chargeDeclined"), gateway.Key("declined"))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g.Restart(t)
	for path, body := range posts {
		again := g.Do(t, "POST", path, body, gateway.Key("same"))
		if again.Status != first[path].Status || again.Header.Get("Idempotency-Replayed") != "true" || again.Text("id") != first[path].Text("id") {
			t.Errorf("%s: got %d %s, want %v, Idempotency-Replayed true, id %v", path, again.Status, again.Body, first[path].Status, first[path].Text("id"))
		}
		if path != "/api/emails" && string(again.Body) != string(first[path].Body) { // a message is shown as it stands
			t.Errorf("%s repeated: got\n%s\nwant\n%s", path, again.Body, first[path].Body)
		}
		quoted := g.Do(t, "POST", path, body, gateway.Key(`"same"`))
		if quoted.Text("id") != first[path].Text("id") {
			t.Errorf("%s: the quoted key is another key, want id %v", path, first[path].Text("id"))
		}
	}
	again := g.Do(t, "POST", "/api/payments", pay("pm_card_chargeDeclined"), gateway.Key("declined"))
	if again.Status != 402 || again.Text("error", "payment_id") != declined.Text("error", "payment_id") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("decline: got %d %s, want 402, error.payment_id %v, Idempotency-Replayed true", again.Status, again.Body, declined.Text("error", "payment_id"))
	}
}

// TestDrainFinishesWhatIsUnderWay checks that a draining gateway answers every request that it has
// accepted.
func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var all sync.WaitGroup
	var answered, broken atomic.Int64
	for i := range 8 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				body := fmt.Appendf(nil, `{"amount":500,"currency":"eur","paymentMethod":"pm_card_visa","confirm":true,"metadata":{"n":"%d-%d"}}`, i, n)
				a, err := gateway.Send(ctx, http.MethodPost, g.Base+"/api/payments", body, gateway.Header{"Content-Type": "application/json"})
				switch {
				case err == nil && a.Status == 201:
					answered.Add(1)
				case err != nil && strings.Contains(err.Error(), "connection refused"):
					return // it does not listen any more
				case err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset"):
					t.Error(err)
					return
				case err != nil: // an idle connection that was closed as the request went out
					broken.Add(1)
				}
			}
		})
	}
	gateway.Eventually(t, 10*time.Second, "some payments are made", func() bool { return answered.Load() > 50 })
	if err := g.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, g.Log())
	}
	all.Wait()
	g.Restart(t)
	made := 0
	for _, charges := range g.Charges(t) {
		made += len(charges)
	}
	if int64(made) != answered.Load() {
		t.Errorf("got %d charges, want %d, one for each answer: %d requests were begun and not answered", made, answered.Load(), int64(made)-answered.Load())
	}
	t.Logf("%d answered, %d connections closed while idle", answered.Load(), broken.Load())
}
