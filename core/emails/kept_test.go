package emails_test

import (
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/memjournal"
)

// The time of a key counts from when its message was sent.
func TestAKeyIsKeptForAsLongAfterItsMailWasSent(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		d := draft()
		d.Delivery = email.AtMostOnce
		d.SendAt = time.Now().Add(72*time.Hour - time.Minute)
		first, _, err := r.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(72*time.Hour + 2*time.Minute)
		again, replayed, err := r.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if n := r.first.copies(first.ID) + r.first.copies(again.ID); first.ID != again.ID && n != 1 {
			t.Errorf("%d copies went out within three minutes; replayed: %t", n, replayed)
		}
	})
}

// It is known again when the message is read.
func TestACancelIsDoneThoughTheAnswerOfTheJournalIsLost(t *testing.T) {
	var armed atomic.Bool
	fail := func(op string) error {
		if op == memjournal.Saved && armed.CompareAndSwap(true, false) {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	}
	within(t, nil, nil, fail, func(t *testing.T, r rig) {
		d := draft()
		d.SendAt = time.Now().Add(time.Hour)
		m := r.accept(t, d)
		armed.Store(true)
		_, err := r.Cancel(t.Context(), tenant, m.ID)
		if got, _ := r.Get(t.Context(), tenant, m.ID); err != nil && got.Status == email.Canceled {
			t.Errorf("%s, and answered %v", got.Status, err)
		}
	})
}

// What the journal cannot say is not known to the caller either: "nothing was done" would
// be wrong.
func TestACancelWhoseOutcomeIsNotKnownIsAnsweredSo(t *testing.T) {
	var armed, lost atomic.Bool
	fail := func(op string) error {
		switch {
		case op == memjournal.Saved && armed.CompareAndSwap(true, false):
			lost.Store(true)
			return fault.New(fault.UnknownOutcome, "scripted", "")
		case op == memjournal.Get && lost.Load():
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	within(t, nil, nil, fail, func(t *testing.T, r rig) {
		d := draft()
		d.SendAt = time.Now().Add(time.Hour)
		m := r.accept(t, d)
		armed.Store(true)
		if _, err := r.Cancel(t.Context(), tenant, m.ID); !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("%v, want UnknownOutcome", err)
		}
	})
}
