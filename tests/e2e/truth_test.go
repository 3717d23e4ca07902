package e2e_test

import (
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// TestWhatHappensAtStripeIsShown checks that a payment shows what happens in the dashboard and in
// the buyer's bank.
func TestWhatHappensAtStripeIsShown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	made := s.pay(t, object{"amount": 1000})
	id, ref := made.Text("id"), made.Text("providerReference")
	path := "/api/payments/" + id

	s.First.GiveBack(t, ref, 300) // without a webhook
	rest := s.Do(t, "POST", path+"/refunds", nil, gateway.Key("rest"))
	if rest.Status != 201 || rest.Number("amount") != 700 || rest.Text("status") != "succeeded" {
		t.Fatalf("all that is left: got %s, want 201, amount 700, succeeded", rest.Body)
	}
	list := s.Do(t, "GET", path+"/refunds", nil).Data()
	if len(list) != 2 {
		t.Errorf("refunds %v, want the one made at the dashboard too", list)
	}

	dispute := s.First.Dispute(t, ref)
	now := s.Do(t, "POST", path+"/sync", nil)
	disputes, _ := now.JSON["disputes"].([]any)
	if now.Status != 200 || now.Number("amountRefunded") != 1000 || len(disputes) != 1 {
		t.Fatalf("after a question: got %s, want 200, amountRefunded 1000, 1 dispute", now.Body)
	}
	if d, _ := disputes[0].(object); d["reference"] != dispute || d["status"] != "needs_response" || d["fundsWithdrawn"] != true || d["dueBy"] == nil {
		t.Errorf("dispute %v, want reference %v, needs_response, fundsWithdrawn true, a dueBy", disputes[0], dispute)
	}

	s.First.Conclude(t, rest.Text("providerReference"), "failed")
	s.First.Decide(t, dispute, "won")
	s.First.Notify(s.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	gateway.Eventually(t, 20*time.Second, "the refund has failed, and the dispute is won", func() bool {
		now = s.Do(t, "GET", path, nil)
		all, _ := now.JSON["disputes"].([]any)
		d, _ := all[0].(object)
		return now.Number("amountRefunded") == 300 && d["status"] == "won" && d["fundsWithdrawn"] == false
	})
	types := map[string]bool{}
	for _, e := range s.Do(t, "GET", "/api/events?limit=100", nil).Data() {
		types[e["type"].(string)] = true
	}
	for _, want := range []string{"payment.refunded", "payment.refund_failed", "payment.dispute_opened", "payment.dispute_closed"} {
		if !types[want] {
			t.Errorf("the feed has no %s: %v", want, types)
		}
	}
	if missing := s.Do(t, "POST", "/api/payments/pay_none/sync", nil); missing.Status != 404 {
		t.Errorf("what there is not: got %s, want 404", missing.Body)
	}
}
