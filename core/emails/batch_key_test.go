package emails_test

import (
	"fmt"
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

const hours24 = 24 * time.Hour

// A batch that waits for a rate far longer than a key is kept is repeated all the time, and for 72 hours more.
func TestABatchThatWaitsForARateKeepsItsKey(t *testing.T) {
	begins := time.Date(2000, 1, 5, 0, 0, 0, 0, time.UTC)
	daily := emails.Rate{Most: 6, Per: hours24, Waits: true}
	warmUp := emails.Rate{Most: 1000, Per: hours24, Waits: true, WarmUp: emails.WarmUp{Begins: begins, FirstDay: 1000, Growth: 100}}
	const copies = 20
	for _, delivery := range []email.Delivery{email.AtLeastOnce, email.AtMostOnce} {
		for name, tt := range map[string]struct {
			rate     emails.Rate
			features email.Features
		}{
			"split":              {daily, email.Features{}},
			"before the warm-up": {warmUp, email.Features{Personalizations: 1000, MergesContent: true}},
		} {
			t.Run(fmt.Sprint(name, " ", delivery), func(t *testing.T) {
				first := &metered{name: "first", features: tt.features}
				withRates(t, map[string]emails.Rate{"first": tt.rate}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
					s, stop := r.start(t, "one")
					defer stop()
					d := batchOf(copies)
					d.Delivery = delivery
					b, _, err := s.AcceptBatch(t.Context(), tenant, d, key("k"))
					if err != nil {
						t.Fatal(err)
					}
					for first.got() < copies {
						isRepeat(t, s, d, b.ID)
						<-time.After(hours24)
					}
					<-time.After(idempotency.Kept - hours24 - time.Minute)
					isRepeat(t, s, d, b.ID)
					equal(t, "recipients", first.got(), copies)
					<-time.After(hours24 + time.Hour)
					isNew(t, s, d, b.ID)
				})
			})
		}
	}
}

// isRepeat reports, as an error, that a batch under the key is not the one of that id.
func isRepeat(t *testing.T, s *emails.Service, d email.BatchDraft, id string) {
	t.Helper()
	again, replayed, err := s.AcceptBatch(t.Context(), tenant, d, key("k"))
	if err != nil || !replayed || again.ID != id {
		t.Errorf("the repeat is answered with %s, replayed %t, %v; want %s again", again.ID, replayed, err, id)
	}
}

func isNew(t *testing.T, s *emails.Service, d email.BatchDraft, id string) {
	t.Helper()
	again, replayed, err := s.AcceptBatch(t.Context(), tenant, d, key("k"))
	if err != nil || replayed || again.ID == id {
		t.Errorf("a batch under the key that has expired is answered with %s, replayed %t, %v; want another than %s", again.ID, replayed, err, id)
	}
}

// The batch itself does not change by any of that.
func TestABatchKeepsItsKeyForAsLongAsAnEmailOfItMay(t *testing.T) {
	const last = 30 * time.Hour // when the last email ends
	for name, tt := range map[string]struct {
		line *line
		act  func(t *testing.T, o *batchRig, id string)
	}{
		"emails that were moved one by one": {merging("first", nil), func(t *testing.T, o *batchRig, id string) {
			for _, m := range o.emailsOf(t, id, email.Queued) {
				if _, err := o.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(last)); err != nil {
					t.Error(err)
				}
			}
			<-time.After(last)
		}},
		"copies that were moved one by one": {single("first", nil), func(t *testing.T, o *batchRig, id string) {
			for _, m := range o.emailsOf(t, id, email.Queued) {
				if _, err := o.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(last)); err != nil {
					t.Error(err)
				}
			}
			<-time.After(last)
		}},
		"an outage of the store": {merging("first", nil), func(_ *testing.T, o *batchRig, _ string) {
			gone := func(string) error { return fault.New(fault.Unavailable, "scripted", "") }
			o.fail.Store(&gone)
			<-time.After(last)
			o.fail.Store(nil)
		}},
		"an email that failed and was retried": {single("first", refusesFor(2*time.Hour)), func(t *testing.T, o *batchRig, id string) {
			<-time.After(idempotency.Kept - time.Hour) // the key would end within the next two hours
			failed := o.emailsOf(t, id, email.Failed)
			if len(failed) == 0 {
				t.Error("none has failed, want some to be retried")
			}
			for _, m := range failed {
				if _, err := o.Retry(t.Context(), tenant, m.ID); err != nil {
					t.Error(err)
				}
			}
		}},
		"an email that was canceled": {merging("first", nil), func(t *testing.T, o *batchRig, id string) {
			for _, m := range o.emailsOf(t, id, email.Queued) {
				if _, err := o.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(2*last)); err != nil {
					t.Error(err)
				}
			}
			<-time.After(last)
			cancelWhole(t, o, id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			withBatches(t, []*line{tt.line}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt = time.Now().Add(time.Hour)
				b := o.send(t, d, key("k"))
				tt.act(t, o, b.ID)
				<-time.After(idempotency.Kept - time.Hour)
				isRepeat(t, o.Service, d, b.ID)
				for address, texts := range tt.line.sent {
					if len(texts) > 1 {
						t.Errorf("%s got %d copies, want one at most", address, len(texts))
					}
				}
			})
		})
	}
}

// refusesFor fails all calls for so long since the first one.
func refusesFor(d time.Duration) func(email.Message) error {
	var first time.Time
	return func(email.Message) error {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < d {
			return fault.New(fault.Invalid, "scripted", "")
		}
		return nil
	}
}

// emailsOf returns the emails of a batch that have a status.
func (o *batchRig) emailsOf(t *testing.T, id string, status email.Status) []email.Message {
	t.Helper()
	l, err := o.List(t.Context(), tenant, emails.Filter{Batch: id, Status: status}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return l.Messages
}

// Whether an email waits is not known, so the key stays.
func TestABatchWhoseEmailsAreNotReadKeepsItsKey(t *testing.T) {
	withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(3), key("k"))
		<-time.After(time.Minute)
		var lists atomic.Int64
		noLists := func(op string) error {
			if op != memjournal.List {
				return nil
			}
			lists.Add(1)
			return fault.New(fault.Unavailable, "scripted", "")
		}
		o.fail.Store(&noLists)
		<-time.After(idempotency.Kept + hours24)
		o.fail.Store(nil)
		isRepeat(t, o.Service, batchOf(3), b.ID)
		if lists.Load() == 0 {
			t.Error("the emails were never looked for")
		}
	})
}

// A repeat that a gateway held while the store was gone came while the batch still had its key.
func TestABatchThatWasHeldIsARepeatWhileTheKeyIsKept(t *testing.T) {
	rates := map[string]emails.Rate{"first": {Most: 10, Per: hours24, Waits: true}}
	cutOffWithin(t, rates, func(t *testing.T, o *outpost) {
		b, _, err := o.AcceptBatch(t.Context(), tenant, batchOf(50), key("k"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(idempotency.Kept + time.Hour)
		o.way.gone.Store(true)
		again, _, err := o.AcceptBatch(t.Context(), tenant, batchOf(50), key("k"))
		if err != nil || again.ID != b.ID {
			t.Errorf("got %s, %v; want %s again", again.ID, err, b.ID)
		}
		<-time.After(time.Hour)
		o.way.gone.Store(false)
		<-time.After(2 * hours24)
		o.sentInTheEnd(t, 50)
	})
}
