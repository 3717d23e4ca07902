package emails_test

import (
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// A batch that is canceled while its copies become messages of their own is not sent to those who were not
// being sent to.
func TestABatchThatIsCanceledWhileItIsSplitIsNotSent(t *testing.T) {
	var n atomic.Int64
	first := single("first", func(email.Message) error { n.Add(1); return nil })
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(100)
		d.SendAt = time.Now().Add(time.Minute)
		b := o.send(t, d, idempotency.Key{})
		o.untilSaves(10)
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		before := n.Load()
		o.fail.Store(nil)
		<-time.After(time.Hour)
		if sent := n.Load() - before; sent > 32 {
			t.Errorf("%d copies were sent after the batch was canceled", sent)
		}
		equal(t, "waiting", o.waiting(t, b.ID), 0)
	})
}

// What was being sent together, and is refused, is not sent copy by copy after its batch was canceled.
func TestABatchThatIsRefusedTogetherAfterItWasCanceledIsNotSent(t *testing.T) {
	var calls atomic.Int64
	called := make(chan struct{})
	first := merging("first", func(email.Message) error {
		if calls.Add(1) == 1 {
			close(called)
			<-time.After(10 * time.Second)
			return fault.New(fault.Invalid, "one_bad_address", "")
		}
		return nil
	})
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(50), idempotency.Key{})
		<-called
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if n := calls.Load() - 1; n > 0 {
			t.Errorf("%d calls were made after the batch was canceled", n)
		}
		equal(t, "waiting", o.waiting(t, b.ID), 0)
	})
}

// waiting returns how many recipients of a batch may still be sent to.
func (o *batchRig) waiting(t *testing.T, id string) int {
	t.Helper()
	b, err := o.GetBatch(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return b.Counts[email.Queued] + b.Counts[email.Sending]
}
