package payments_test

import (
	"reflect"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// body is the payment as it is stored.
func (r *rig) body(t *testing.T, id string) string {
	t.Helper()
	record, err := r.journal.Get(t.Context(), tenant, "payment", id)
	if err != nil {
		t.Fatal(err)
	}
	return string(record.Body)
}

func TestAnAnswerIsKeptOnlyWhenThePaymentChanges(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		id := first.Payment.ID
		if strings.Contains(r.body(t, id), `"then"`) {
			t.Error("a copy is kept of a payment that is as it was answered")
		}
		if _, err := r.Refund(t.Context(), tenant, id, 50, opKey("refund", "50")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(r.body(t, id), `"then"`); got != 1 {
			t.Errorf("after the refund: %d copies, want 1, of what the create answered", got)
		}
	})
}

// Each answer is repeated as it was, whichever save of the later operation is lost or refused.
func TestEachKeyIsAnsweredAsItWasAtFirst(t *testing.T) {
	for name, fail := range map[string]func(r *rig){
		"all goes well":             func(*rig) {},
		"a save is refused":         func(r *rig) { r.failNth(memjournal.Save, 2, fault.Unavailable) },
		"a save is lost":            func(r *rig) { r.failNth(memjournal.Saved, 2, fault.UnknownOutcome) },
		"the first save is lost":    func(r *rig) { r.failNth(memjournal.Saved, 1, fault.UnknownOutcome) },
		"the first save is refused": func(r *rig) { r.failNth(memjournal.Save, 1, fault.Unavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				created, err := r.pay(t, "k")
				if err != nil {
					t.Fatal(err)
				}
				id := created.Payment.ID
				fail(r)
				var refunded []payments.Result
				for _, k := range []string{"a", "b"} {
					res, err := r.Refund(t.Context(), tenant, id, 300, opKey("refund", k))
					for n := 0; err != nil && n < 3; n++ {
						res, err = r.Refund(t.Context(), tenant, id, 300, opKey("refund", k))
					}
					if err != nil {
						t.Fatal(err)
					}
					refunded = append(refunded, res)
				}
				again, err := r.pay(t, "k")
				if err != nil || !reflect.DeepEqual(visible(again.Payment), visible(created.Payment)) {
					t.Errorf("create: got %+v, %v\nwant %+v", visible(again.Payment), err, visible(created.Payment))
				}
				for i, k := range []string{"a", "b"} {
					again, err := r.Refund(t.Context(), tenant, id, 300, opKey("refund", k))
					if err != nil || again.Payment.AmountRefunded != refunded[i].Payment.AmountRefunded {
						t.Errorf("refund %s: got %d refunded, %v, want %d", k, again.Payment.AmountRefunded, err, refunded[i].Payment.AmountRefunded)
					}
				}
			})
		})
	}
}

// visible is what the API shows of a payment.
func visible(p payment.Payment) payment.Payment {
	p = p.Shown()
	for i := range p.Operations {
		op := &p.Operations[i]
		op.StartedAt, op.EndedAt = op.StartedAt.UTC(), op.EndedAt.UTC()
	}
	p.CreatedAt, p.UpdatedAt = p.CreatedAt.UTC(), p.UpdatedAt.UTC()
	return p
}
