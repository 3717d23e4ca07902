package payments_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// altered returns the last event of a type with other values in its object.
func (tl *atStripe) altered(t *testing.T, of string, values map[string]any) webhook.Event {
	t.Helper()
	var e stripesim.Event
	for _, one := range tl.sim.Events() {
		if one.Type == of {
			e = one
		}
	}
	var body map[string]any
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatal(err)
	}
	maps.Copy(body["data"].(map[string]any)["object"].(map[string]any), values)
	var err error
	if e.Body, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	return tl.event(t, e)
}

// One wrong event must not stay: what the provider holds counts, and it can be refunded.
func TestWrongEventDoesNotStay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		values map[string]any
		review string
	}{
		"another currency":                       {map[string]any{"currency": "jpy"}, payment.ReviewContradiction},
		"another amount":                         {map[string]any{"amount": 500}, payment.ReviewContradiction},
		"more captured than the amount":          {map[string]any{"amount_received": 500_000}, payment.ReviewContradiction},
		"more captured than the provider's book": {map[string]any{"amount_received": 1000}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tl := openAtStripe(t)
			p := tl.sale(t, manual)
			if _, err := tl.Capture(t.Context(), tenant, p.ID, 600, idempotency.Key{}); err != nil {
				t.Fatal(err)
			}
			tl.deliver(t)
			before := tl.now(t, p.ID)
			if _, err := tl.ApplyWebhook(t.Context(), tl.altered(t, "payment_intent.succeeded", tt.values)); err != nil {
				t.Fatal(err)
			}
			got := tl.now(t, p.ID)
			if got.AmountCaptured != 600 {
				t.Errorf("captured = %d, want 600", got.AmountCaptured)
			}
			if reasons := reasonsOf(got); reasons != tt.review {
				t.Errorf("reviews = %q, want %q", reasons, tt.review)
			}
			if got.Refundable() != before.Refundable() {
				t.Errorf("refundable = %d, want %d", got.Refundable(), before.Refundable())
			}
			if _, err := tl.Refund(t.Context(), tenant, p.ID, 0, idempotency.Key{}); err != nil {
				t.Errorf("refund of all: %v", err)
			}
			if refunded := tl.now(t, p.ID).AmountRefunded; refunded != 600 {
				t.Errorf("refunded = %d, want 600", refunded)
			}
		})
	}
}

// reasonsOf returns the reasons of a payment's reviews.
func reasonsOf(p payment.Payment) string {
	var all []string
	for _, r := range p.Reviews {
		all = append(all, r.Reason)
	}
	return strings.Join(all, " ")
}

// A store in which a wrong event stands, as an earlier version has left it.
func TestSyncShowsTheCapturedAmountOfTheProvider(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := mustPay(t, r.Service, "k")
		r.rewrite(t, p.ID, func(p *payment.Payment) { p.AmountCaptured = 5000 })
		got, err := r.Sync(t.Context(), tenant, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.AmountCaptured != p.AmountCaptured {
			t.Errorf("captured = %d, want %d", got.AmountCaptured, p.AmountCaptured)
		}
	})
}

func TestEventOfAnIntentThatNamesAnotherPaymentIsNotMerged(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	named, holder := tl.sale(t), tl.sale(t)
	tl.deliver(t)
	w := tl.altered(t, "payment_intent.succeeded", map[string]any{
		"id": holder.ProviderReference, "metadata": map[string]any{payment.MetaPayment: named.ID, payment.MetaTenant: tenant},
		"client_secret": "another",
	})
	for range 2 {
		if _, err := tl.ApplyWebhook(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	got := tl.now(t, holder.ID)
	if reasons := reasonsOf(got); reasons != payment.ReviewForeign {
		t.Errorf("reviews of the payment that holds the intent = %q, want %q", reasons, payment.ReviewForeign)
	}
	if want := holder.ProviderReference + " names " + named.ID; len(got.Reviews) == 1 && got.Reviews[0].Detail != want {
		t.Errorf("detail = %q, want %q", got.Reviews[0].Detail, want)
	}
	if reasons := reasonsOf(tl.now(t, named.ID)); reasons != "" {
		t.Errorf("reviews of the payment that is named = %q, want none", reasons)
	}
}
