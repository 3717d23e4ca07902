package emails_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
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

// Copies that a rate holds back just when their batch is canceled were never tried, and are claimed at that
// moment: they must not come back with the next window.
func TestCopiesThatARateHoldsBackWhenTheirBatchIsCanceledAreNotSent(t *testing.T) {
	for after := time.Duration(0); after <= time.Second; after += 200 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			first := &metered{name: "first"}
			rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Hour, Waits: true}}
			withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				r.journal.Fail = func(op string) error {
					if op == memjournal.Save {
						<-time.After(5 * time.Millisecond)
					}
					return nil
				}
				s, stop := r.start(t, "one")
				defer stop()
				d := batchOf(250)
				d.SendAt = time.Now().Add(time.Minute)
				b, _, err := s.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute + after)
				if b, err = s.CancelBatch(t.Context(), tenant, b.ID); err != nil {
					t.Fatal(err)
				}
				before := first.got()
				<-time.After(10 * time.Second)
				if b, err = s.GetBatch(t.Context(), tenant, b.ID); err != nil {
					t.Fatal(err)
				}
				equal(t, "waiting ten seconds later", b.Counts[email.Queued], 0)
				<-time.After(3 * time.Hour)
				if n := first.got() - before; n > 10 { // those that were being sent
					t.Errorf("%d copies were sent after the batch was canceled", n)
				}
			})
		})
	}
}

// Copies that were never tried are left in the middle of their claim while their batch is canceled.
func TestCopiesWhoseClaimEndsAfterTheirBatchIsCanceledAreNotSent(t *testing.T) {
	var calls atomic.Int64
	first := single("first", func(email.Message) error { calls.Add(1); return nil })
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		const n = 3
		var saves atomic.Int64
		noAttempts := func(op string) error { // the message is marked, its copies are stored, and it ends
			if op == memjournal.Save && saves.Add(1) > 1+n+1 {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		}
		d := batchOf(n)
		d.SendAt = time.Now().Add(time.Minute)
		b := o.send(t, d, idempotency.Key{})
		o.fail.Store(&noAttempts)
		<-time.After(time.Minute + 10*time.Second)
		o.fail.Store(nil)
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		equal(t, "waiting, as their claims have not ended", o.waiting(t, b.ID), n)
		<-time.After(time.Hour)
		equal(t, "calls", calls.Load(), 0)
		equal(t, "waiting", o.waiting(t, b.ID), 0)
	})
}

// What the first provider did not take is not given to the next one after its batch was canceled, whether it
// finds a place there at once or waits in a queue.
func TestABatchThatIsCanceledDuringACallDoesNotFailOver(t *testing.T) {
	for name, tt := range map[string]struct {
		kind fault.Kind
		want string
	}{
		"nothing was sent":      {fault.Unavailable, "canceled:3"},
		"it may have been sent": {fault.UnknownOutcome, "canceled:3"},
	} {
		t.Run(name, func(t *testing.T) {
			called := make(chan struct{})
			first := merging("first", func(email.Message) error {
				close(called)
				<-time.After(10 * time.Second)
				return fault.New(tt.kind, "scripted", "")
			})
			second := merging("second", nil)
			withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
				b := o.send(t, batchOf(3), idempotency.Key{})
				<-called
				if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				equal(t, "calls of the second", len(second.calls), 0)
				equal(t, "counts", o.counts(t, b.ID), tt.want)
			})
		})
	}
}

// What a person queues after a cancellation is sent, and what was queued before it is not, whatever the clocks
// of the gateways say that were asked.
func TestACancellationIsOfWhatWasQueuedBeforeItByAnyClock(t *testing.T) {
	queue := func(t *testing.T, s *emails.Service, id string) {
		t.Helper()
		if _, err := s.Reschedule(t.Context(), tenant, id, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		ahead time.Duration // the clock of the gateway that queues the message
		after bool          // the message is queued after the cancellation
		want  string
	}{
		"queued before by a clock that is ahead": {10 * time.Minute, false, "canceled:3"},
		"queued after by a clock that is behind": {-10 * time.Minute, true, "sent:3"},
	} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt = time.Now().Add(2 * time.Hour)
				b := o.send(t, d, idempotency.Key{})
				other := o.Options
				clock := &skewed{}
				clock.set(tt.ahead)
				other.Clock = clock
				s, id := emails.New(other), strings.Replace(b.ID, "bat_", "msg_", 1)+".0"
				if !tt.after {
					queue(t, s, id)
				}
				<-time.After(time.Minute)
				o.cancelUnseen(t, b.ID)
				<-time.After(time.Minute)
				if tt.after {
					queue(t, s, id)
				}
				<-time.After(2 * time.Hour)
				equal(t, "counts", o.counts(t, b.ID), tt.want)
			})
		})
	}
}

// Nothing of a batch goes out once it is canceled, although its copies become messages only after that.
func TestABatchThatIsCanceledBeforeItsCopiesAreStoredIsNotSent(t *testing.T) {
	var n atomic.Int64
	first := single("first", func(email.Message) error { n.Add(1); return nil })
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(100)
		d.SendAt = time.Now().Add(time.Minute)
		b := o.send(t, d, idempotency.Key{})
		var saves atomic.Int64
		marked, canceled := make(chan struct{}), make(chan struct{})
		slow := func(op string) error {
			if op != memjournal.Save {
				return nil
			}
			if saves.Add(1) == 2 { // that it is being split is stored, and no copy is
				close(marked)
				<-canceled
			}
			<-time.After(5 * time.Millisecond)
			return nil
		}
		o.fail.Store(&slow)
		<-marked
		o.fail.Store(nil)
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		o.fail.Store(&slow)
		close(canceled)
		<-time.After(time.Hour)
		if sent := n.Load(); sent > 0 {
			t.Errorf("%d of 100 copies were sent, want none", sent)
		}
		equal(t, "counts", o.counts(t, b.ID), "canceled:100")
	})
}
