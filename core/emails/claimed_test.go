package emails_test

import (
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/tests/memjournal"
)

// A store that fails says nothing of a message: however often that happens, the message is neither set aside
// nor put off for longer than its lease.
func TestAStoreThatFailsIsNotAReasonToSetAMessageAside(t *testing.T) {
	for name, op := range map[string]string{"its batch is not read": memjournal.Get, "its end is not saved": memjournal.Save} {
		t.Run(name, func(t *testing.T) {
			first := merging("first", nil)
			withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt = time.Now().Add(time.Hour)
				b := o.send(t, d, idempotency.Key{})
				want := "sent:3"
				if op == memjournal.Save {
					want = "canceled:3"
					o.cancelUnseen(t, b.ID)
				}
				var claimed atomic.Bool
				once := func(at string) error { // the first of these calls after each claim
					if at == memjournal.Claim {
						claimed.Store(true)
					}
					if at == op && claimed.CompareAndSwap(true, false) {
						return fault.New(fault.Unavailable, "scripted", "")
					}
					return nil
				}
				<-time.After(time.Hour - time.Second)
				o.fail.Store(&once)
				<-time.After(12 * time.Hour)
				o.fail.Store(nil)
				<-time.After(5 * time.Minute)
				equal(t, "counts", o.counts(t, b.ID), want)
			})
		})
	}
}

// cancelUnseen cancels a batch in the store, and none of its messages: they were claimed at that time.
func (o *batchRig) cancelUnseen(t *testing.T, id string) {
	t.Helper()
	lists := func(op string) error {
		if op == memjournal.List {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	o.fail.Store(&lists)
	if _, err := o.CancelBatch(t.Context(), tenant, id); !fault.Is(err, fault.UnknownOutcome) {
		t.Fatalf("error %v, want UnknownOutcome once the batch is marked", err)
	}
	o.fail.Store(nil)
}
