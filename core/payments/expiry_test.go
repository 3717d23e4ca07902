package payments_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

func TestKeysOfAPaymentAreGivenUpInTheEnd(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, err := r.pay(t, "create")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		id := first.Payment.ID
		refund := func() payment.Operation {
			t.Helper()
			res, err := r.Refund(t.Context(), tenant, id, 100, key("refund", "b"))
			if err != nil {
				t.Fatal(err)
			}
			return res.Operation
		}
		before := refund()
		<-time.After(idempotency.Kept - time.Hour + 2*time.Minute)
		second, err := r.pay(t, "create")
		if err != nil || second.Replayed || second.Payment.ID == id {
			t.Errorf("%v: %+v under a key that is too old", err, second)
		}
		if again := refund(); again.ID != before.ID {
			t.Error("the refund's key is younger, and was given up too")
		}
		<-time.After(time.Hour)
		if again := refund(); again.ID == before.ID {
			t.Error("the refund's key is kept for ever")
		}
		<-time.After(2 * idempotency.Kept)
		stored, err := r.journal.Get(t.Context(), tenant, "payment", id)
		if raw := string(stored.Body); err != nil || strings.Contains(raw, `"key"`) || strings.Contains(raw, `"answer"`) || stored.Idem+stored.Queue != "" {
			t.Errorf("%v: %s waits in %q under %q", err, raw, stored.Queue, stored.Idem)
		}
		if p, err := r.Get(t.Context(), tenant, id); err != nil || p.AmountRefunded != 200 || len(p.Operations) != 3 {
			t.Errorf("%v: %+v", err, p)
		}
	})
}

// left stores a payment as an earlier version has left it: six days old, and in no queue.
// The provider has it as paid.
func (r *rig) left(t *testing.T, p payment.Payment, op payment.Operation) {
	t.Helper()
	made := time.Now().Add(-6 * 24 * time.Hour)
	k := key("k", "a")
	op.ID, op.Action, op.Provider, op.ProviderKey, op.StartedAt = "op_old", payment.Create, "acme", "op_old", made
	op.Key, op.Fingerprint = k.Scoped, k.Fingerprint
	op.Request = payment.Request{PaymentMethod: "pm_ok", Confirm: true, PaymentMethods: map[string]string{"acme": "pm_ok"}}
	p.ID, p.Tenant, p.Amount, p.Currency, p.Provider = "pay_old", tenant, 1250, "eur", "acme"
	p.CaptureMethod, p.CreatedAt, p.UpdatedAt, p.Operations = payment.CaptureAutomatic, made, made, []payment.Operation{op}
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	record := ports.Record{
		Tenant: tenant, Kind: "payment", ID: p.ID, Idem: k.Scoped, Body: body,
		Index: ports.Index{Status: string(p.Status), Created: made},
	}
	if p.ProviderReference != "" {
		record.Ref = "acme:" + p.ProviderReference
	}
	if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
		t.Fatal(err)
	}
	r.provider.mu.Lock()
	defer r.provider.mu.Unlock()
	r.provider.intents["pi_1"] = &payment.Intent{
		Reference: "pi_1", Status: payment.Succeeded, Amount: 1250, Currency: "eur", AmountCaptured: 1250, CreatedAt: made,
		Metadata: map[string]string{payment.MetaPayment: p.ID, payment.MetaOperation: "op_old", payment.MetaTenant: tenant},
	}
}

// The version before took an outcome that was unknown after nine looks out of its queue,
// and did not ask again about what is open at its provider.
func TestWhatAnEarlierVersionHasLeftIsTakenUpByWhoeverAsks(t *testing.T) {
	t.Parallel()
	asks := map[string]func(*testing.T, *rig){
		"a GET": func(t *testing.T, r *rig) { t.Helper(); r.status(t, "pay_old") },
		"a repeat of the key": func(t *testing.T, r *rig) {
			t.Helper()
			if res, err := r.pay(t, "k"); err != nil || res.Payment.ID != "pay_old" {
				t.Errorf("%+v, %v", res.Payment, err)
			}
		},
		"a sync, though the provider does not tell": func(t *testing.T, r *rig) {
			t.Helper()
			r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
			_, _ = r.Sync(t.Context(), tenant, "pay_old") // an operation without an intent asks nobody
			r.provider.cannotLook(nil)
		},
	}
	for what, left := range map[string]struct {
		p  payment.Payment
		op payment.Operation
	}{
		"what is unknown": {payment.Payment{Status: payment.Processing, NeedsReview: true}, payment.Operation{Outcome: payment.Unknown, Lookups: 9}},
		"what waits for its buyer": {
			payment.Payment{Status: payment.RequiresAction, ProviderReference: "pi_1"}, payment.Operation{Outcome: payment.Done},
		},
		"what waits for a bank": {
			payment.Payment{Status: payment.Processing, ProviderReference: "pi_1"}, payment.Operation{Outcome: payment.Done},
		},
	} {
		for who, ask := range asks {
			t.Run(what+", by "+who, func(t *testing.T) {
				onVirtualTime(t, func(t *testing.T, r *rig) {
					r.left(t, left.p, left.op)
					ask(t, r)
					<-time.After(2 * time.Minute)
					if p := r.status(t, "pay_old"); p.Status != payment.Succeeded {
						t.Errorf("%s two minutes later", p.Status)
					}
				})
			})
		}
	}
	t.Run("once: a GET is no write", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			r.left(t, payment.Payment{Status: payment.RequiresAction, ProviderReference: "pi_1"}, payment.Operation{Outcome: payment.Done})
			first := r.status(t, "pay_old")
			<-time.After(time.Second)
			if again := r.status(t, "pay_old"); !again.UpdatedAt.Equal(first.UpdatedAt) {
				t.Errorf("changed at %s and at %s", first.UpdatedAt, again.UpdatedAt)
			}
		})
	})
}
