package emails_test

import (
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// A batch of 250, which is three messages, and one provider that takes the copies one by one, or together.
func TestTheEmailsOfABatchThatWaitAreMoved(t *testing.T) {
	for name, first := range map[string]*line{"one by one": single("first", nil), "together": merging("first", nil)} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
				d := batchOf(250)
				d.SendAt = time.Now().Add(time.Hour)
				b, later := o.send(t, d, idempotency.Key{}), time.Now().Add(24*time.Hour)
				moved, err := o.RescheduleBatch(t.Context(), tenant, b.ID, later)
				if err != nil {
					t.Fatal(err)
				}
				if !moved.SendAt.Equal(later) || moved.Counts[email.Queued] != 250 {
					t.Errorf("the batch has %d queued at %s", moved.Counts[email.Queued], moved.SendAt)
				}
				<-time.After(23 * time.Hour)
				equal(t, "waiting until the new time", o.waiting(t, b.ID), 250)
				<-time.After(2 * time.Hour)
				equal(t, "sent after it", o.counts(t, b.ID), "sent:250")
			})
		})
	}
}

func TestABatchWhoseTimeHasPassedIsSentAtOnce(t *testing.T) {
	withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
		d := batchOf(250)
		d.SendAt = time.Now().Add(time.Hour)
		b := o.send(t, d, idempotency.Key{})
		if _, err := o.RescheduleBatch(t.Context(), tenant, b.ID, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		equal(t, "sent", o.counts(t, b.ID), "sent:250")
	})
}

func TestABatchIsNotMoved(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, o *batchRig, id string)
		after  time.Duration
		kind   fault.Kind
	}{
		"that was sent":           {after: -time.Hour, kind: fault.Conflict},
		"that was canceled":       {change: cancelWhole, after: time.Hour, kind: fault.Conflict},
		"beyond its expiry":       {after: 3 * time.Hour, kind: fault.Invalid},
		"beyond what is kept":     {after: 400 * 24 * time.Hour, kind: fault.Invalid},
		"that another tenant has": {after: time.Hour, kind: fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
				d := batchOf(5)
				d.SendAt, d.ExpiresAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
				if tt.after < 0 {
					d.SendAt, tt.after = time.Time{}, time.Hour
				}
				b := o.send(t, d, idempotency.Key{})
				<-time.After(time.Minute)
				if tt.change != nil {
					tt.change(t, o, b.ID)
				}
				of := tenant
				if tt.kind == fault.NotFound {
					of = "another"
				}
				_, err := o.RescheduleBatch(t.Context(), of, b.ID, time.Now().Add(tt.after))
				equal(t, "kind", fault.KindOf(err), tt.kind)
				fresh, err := o.GetBatch(t.Context(), tenant, b.ID)
				if err != nil || !fresh.SendAt.Equal(d.SendAt) {
					t.Errorf("the batch has sendAt %s, want %s; %v", fresh.SendAt, d.SendAt, err)
				}
			})
		})
	}
}

func cancelWhole(t *testing.T, o *batchRig, id string) {
	t.Helper()
	if _, err := o.CancelBatch(t.Context(), tenant, id); err != nil {
		t.Fatal(err)
	}
}
