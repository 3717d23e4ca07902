package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/tests/gateway"
)

func event(id, kind, object string) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","api_version":"2023-10-16","created":1700000000,"type":%q,"data":{"object":%s}}`, id, kind, object)
}

func intent(reference, status string, captured int64) string {
	return fmt.Sprintf(`{"id":%q,"object":"payment_intent","status":%q,"amount":1999,"amount_received":%d,"currency":"usd","metadata":{}}`, reference, status, captured)
}

func deliver(t *testing.T, g *gateway.Gateway, body string, at time.Time, change ...func(header string) string) gateway.Answer {
	t.Helper()
	header := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload: []byte(body), Secret: gateway.Secret, Timestamp: at,
	}).Header
	for _, c := range change {
		header = c(header)
	}
	return g.Wrong(t, "POST", "/api/webhooks/stripe", []byte(body), gateway.Header{
		"Stripe-Signature": header, "Content-Type": "application/json",
	})
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	p := g.Do(t, "POST", "/api/payments", object{"amount": 1999, "currency": "usd", "paymentMethod": "pm_card_visa", "captureMethod": "manual", "confirm": true})
	id, reference := p.Text("id"), p.Text("providerReference")
	now := time.Now()

	t.Run("without a right signature is refused", func(t *testing.T) {
		body := event("evt_bad", "payment_intent.canceled", intent(reference, "canceled", 0))
		same := func(h string) string { return h }
		tests := map[string]struct {
			at     time.Time
			change func(string) string
		}{
			"stale":           {now.Add(-6 * time.Minute), same},
			"from the future": {now.Add(6 * time.Minute), same},
			"without a v1":    {now, func(h string) string { return strings.Replace(h, "v1=", "v0=", 1) }},
			"tampered":        {now, func(h string) string { return strings.Replace(h, "v1=", "v1=00", 1) }},
			"unsigned":        {now, func(string) string { return "" }},
		}
		for name, tt := range tests {
			if a := deliver(t, g, body, tt.at, tt.change); a.Status != 400 || a.Code() != "invalid_signature" {
				t.Errorf("%s: got %d %s, want 400, code invalid_signature", name, a.Status, a.Body)
			}
		}
	})

	t.Run("many times in parallel has one effect", func(t *testing.T) {
		body := event("evt_many", "payment_intent.succeeded", intent(reference, "succeeded", 1999))
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				deliver(t, g, body, time.Now()).HasStatus(t, 200)
			})
		}
		all.Wait()
		settled(t, g, id, "succeeded")
		feed := string(g.Do(t, "GET", "/api/events?limit=100", nil).Body)
		if n := strings.Count(feed, "payment.succeeded"); n != 1 {
			t.Errorf("got %d effects, want 1", n)
		}
	})

	t.Run("that comes late changes nothing", func(t *testing.T) {
		before := g.Do(t, "GET", "/api/payments/"+id, nil)
		for i, status := range []string{"requires_payment_method", "canceled", "processing"} {
			deliver(t, g, event(fmt.Sprint("evt_late", i), "payment_intent.payment_failed", intent(reference, status, 0)), time.Now()).HasStatus(t, 200)
		}
		flush(t, g)
		if after := g.Do(t, "GET", "/api/payments/"+id, nil); string(after.Body) != string(before.Body) {
			t.Errorf("got %s, want %v", after.Body, string(before.Body))
		}
	})

	t.Run("of an unknown type, or about nothing of ours, is stored", func(t *testing.T) {
		deliver(t, g, event("evt_customer", "customer.created", `{"id":"cus_1"}`), time.Now()).HasStatus(t, 200)
		deliver(t, g, event("evt_other", "payment_intent.succeeded", intent("pi_somebody_elses", "succeeded", 1)), time.Now()).HasStatus(t, 200)
	})
}

// flush waits until an event that is delivered now has had its effect: those before it have very
// likely had theirs.
func flush(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", object{"captureMethod": "manual"}))
	body := event("evt_flush_"+p.Text("id"), "payment_intent.canceled", intent(p.Text("providerReference"), "canceled", 0))
	if a := deliver(t, g, body, time.Now()); a.Status != 200 {
		t.Fatalf("got %d %s, want 200", a.Status, a.Body)
	}
	settled(t, g, p.Text("id"), "canceled")
}

func TestAWebhookOfAProviderThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	g := gateway.Configured(t, "mail: {providers: [sendgrid]}\nproviders: {sendgrid: {type: sendgrid, api_key: \"${SENDGRID}\"}}\n", "SENDGRID=SG.1")
	g.Restart(t)
	now := fmt.Sprint(time.Now().Unix())
	signed := gateway.Header{
		"Content-Type": "application/json", "Webhook-Id": "evt_1", "Webhook-Timestamp": now, "Webhook-Signature": "v1,c2lnbmF0dXJl",
	}
	body := []byte(`{"id":"evt_1","event":"delivered","recipient":"ada@example.com"}`)
	for route, want := range map[string]string{
		"catcher": "404 no_such_route", "resend": "404 no_such_route", "acme": "404 no_such_route", "sendgrid": "503 webhook_keys_missing",
	} {
		a := g.Wrong(t, "POST", "/api/webhooks/"+route, body, signed)
		if got := fmt.Sprint(a.Status, " ", a.Code()); got != want {
			t.Errorf("%s: got %s, want %s", route, got, want)
		}
	}
}
