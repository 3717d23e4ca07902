package emails_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// splitting lets a test begin when the copies of a message of a batch are messages, and the rest of its split
// waits. id is that of the message.
func splitting(t *testing.T, fail func(email.Message) error, test func(t *testing.T, o *batchRig, b emails.BatchState, id string)) {
	t.Helper()
	withBatches(t, []*line{single("first", fail)}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.SendAt = time.Now().Add(time.Hour)
		b := o.send(t, d, idempotency.Key{})
		id := strings.Replace(b.ID, "bat_", "msg_", 1) + ".0"
		<-time.After(time.Hour - time.Second)
		renderer := o.Renderer
		o.stickAfter(id + ".2")
		m, err := o.Get(t.Context(), tenant, id)
		if err != nil || !m.Splitting || m.Status != email.Queued {
			t.Fatalf("%s, splitting %t, %v; want one that waits to be split", m.Status, m.Splitting, err)
		}
		test(t, o, b, id)
		o.Renderer = renderer
	})
}

// Its copies are sent already, or may be at any moment: it is not for the message to say that it is canceled.
func TestAMessageThatIsBeingSplitIsNotCanceledNorMoved(t *testing.T) {
	splitting(t, nil, func(t *testing.T, o *batchRig, b emails.BatchState, id string) {
		_, err := o.Cancel(t.Context(), tenant, id)
		if f := fault.From(err); err == nil || f.Kind != fault.Conflict || f.Code != "unexpected_state" || !strings.Contains(f.Message, "split") {
			t.Errorf("canceled: error %v, want unexpected_state that says why", err)
		}
		_, err = o.Reschedule(t.Context(), tenant, id, time.Now().Add(time.Hour))
		if f := fault.From(err); err == nil || f.Kind != fault.Conflict || f.Code != "unexpected_state" || !strings.Contains(f.Message, "split") {
			t.Errorf("moved: error %v, want unexpected_state that says why", err)
		}
		equal(t, "counts", o.counts(t, b.ID), "sent:3")
	})
}

// The split ends at once, also if what the copies say cannot be rendered any more, and says what became of
// each of them.
func TestABatchIsCanceledWhileTheSplitOfAMessageWaits(t *testing.T) {
	splitting(t, fails(-1, fault.Unavailable), func(t *testing.T, o *batchRig, b emails.BatchState, id string) {
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		equal(t, "counts", o.counts(t, b.ID), "canceled:3")
		<-time.After(time.Second)
		m, err := o.Get(t.Context(), tenant, id)
		if err != nil || m.Status != email.Split {
			t.Errorf("status %s, %v; want split", m.Status, err)
		}
		equal(t, "counts after that", o.counts(t, b.ID), "canceled:3")
	})
}
