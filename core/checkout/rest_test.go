package checkout_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/idem"
	"patchbay/core/payment"
)

func TestKeysOfAPaymentAreGivenUpInTheEnd(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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
		<-time.After(idem.Kept - time.Hour + 2*time.Minute)
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
		<-time.After(2 * idem.Kept)
		stored, err := r.journal.Get(t.Context(), tenant, "payment", id)
		if raw := string(stored.Body); err != nil || strings.Contains(raw, `"key"`) || strings.Contains(raw, `"answer"`) || stored.Idem+stored.Queue != "" {
			t.Errorf("%v: %s waits in %q under %q", err, raw, stored.Queue, stored.Idem)
		}
		if p, err := r.Get(t.Context(), tenant, id); err != nil || p.AmountRefunded != 200 || len(p.Operations) != 3 {
			t.Errorf("%v: %+v", err, p)
		}
	})
}
