package emails_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/mimeread"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
	"patchbay/ports"
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

// A change that meets an attempt is made before it, or is refused.
func TestAChangeThatMeetsAnAttemptIsNotReportedAsDone(t *testing.T) {
	for name, change := range map[string]func(r rig, id string) error{
		"it is canceled": func(r rig, id string) error {
			_, err := r.Cancel(context.Background(), tenant, id)
			return err
		},
		"it is rescheduled": func(r rig, id string) error {
			_, err := r.Reschedule(context.Background(), tenant, id, time.Now().Add(24*time.Hour))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var slow atomic.Bool
			fail := func(op string) error {
				if op == memjournal.Save && slow.CompareAndSwap(true, false) {
					<-time.After(3 * time.Second) // the attempt begins meanwhile
				}
				return nil
			}
			within(t, nil, nil, fail, func(t *testing.T, r rig) {
				d := draft()
				d.SendAt = time.Now().Add(10 * time.Second)
				m := r.accept(t, d)
				<-time.After(9 * time.Second)
				slow.Store(true)
				err := change(r, m.ID)
				<-time.After(time.Minute)
				equal(t, "copies", r.first.copies(m.ID), 1)
				if got := fault.From(err); err == nil || got.Kind != fault.Conflict || got.Code != "unexpected_state" {
					t.Errorf("%v, want Conflict with unexpected_state: it was sent as it was before", err)
				}
			})
		})
	}
}

// A retry is done whatever has become of the message when it is read again.
func TestARetryIsDoneOnceThoughTheAnswerOfTheJournalIsLost(t *testing.T) {
	var armed atomic.Bool
	fail := func(op string) error {
		if op == memjournal.Saved && armed.CompareAndSwap(true, false) {
			<-time.After(5 * time.Second) // it is sent meanwhile
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	}
	within(t, once(fault.Invalid), nil, fail, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		<-time.After(time.Second)
		equal(t, "status", r.get(t, m.ID).Status, email.Failed)
		armed.Store(true)
		if got, err := r.Retry(t.Context(), tenant, m.ID); err != nil || got.Status != email.Sent {
			t.Errorf("%s, %v; want it sent", got.Status, err)
		}
		equal(t, "copies", r.first.copies(m.ID), 1)
	})
}

// An id that was made for the request alone can have been saved by that request alone.
func TestAMessageWithoutAKeyIsAcceptedThoughTheAnswerOfTheJournalIsLostAndItIsSentMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := memjournal.New(clock.System{})
		var armed atomic.Bool
		j.Fail = func(op string) error {
			if op == memjournal.Saved && armed.CompareAndSwap(true, false) {
				<-time.After(2 * time.Second)
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		}
		first := &mailer{name: "first", sent: map[string]int{}}
		o := optionsOf(j, first)
		o.Rates = map[string]emails.Rate{"first": {Most: 100, Per: time.Hour}} // so that it waits in the queue
		s, stop := running(t, o)
		defer stop()
		armed.Store(true)
		m, _, err := s.Accept(t.Context(), tenant, draft(), idempotency.Key{})
		if err != nil {
			t.Errorf("%v, want it accepted", err)
		}
		<-time.After(time.Minute)
		equal(t, "copies", first.copies(m.ID), 1)
	})
}

// What was accepted stays accepted when the configuration does not allow it any more.
func TestARepeatIsAnsweredAfterTheConfigurationHasChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*emails.Options){
		"its recipient is not allowed": func(o *emails.Options) { o.Staging.Allowed = []string{"*@other.example"} },
		"its sender is not allowed": func(o *emails.Options) {
			o.Senders.Allowed = map[string][]string{tenant: {"*@other.example"}}
		},
		"the sender of its envelope is not allowed": func(o *emails.Options) {
			o.Senders.Allowed = map[string][]string{tenant: {"shop@example.com"}}
		},
		"there is no provider": func(o *emails.Options) { o.Mailers = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := optionsOf(memjournal.New(clock.System{}), &mailer{name: "first", sent: map[string]int{}})
				o.MIME = mimeread.Reader{}
				before, stop := running(t, o)
				m := mustAccept(t, before, draft(), key("k"))
				handed, _, err := before.HandOver(t.Context(), tenant, handover())
				if err != nil {
					t.Fatal(err)
				}
				batch, _, err := before.AcceptBatch(t.Context(), tenant, batchOf(2), key("b"))
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				stop()
				change(&o)
				after, stop := running(t, o)
				defer stop()
				got, replayed, err := after.Accept(t.Context(), tenant, draft(), key("k"))
				if got.ID != m.ID || !replayed || err != nil {
					t.Errorf("%q, replayed %t, %v; want %q", got.ID, replayed, err, m.ID)
				}
				got, replayed, err = after.HandOver(t.Context(), tenant, handover())
				if got.ID != handed.ID || !replayed || err != nil {
					t.Errorf("%q handed over, replayed %t, %v; want %q", got.ID, replayed, err, handed.ID)
				}
				other := handover()
				other.Recipients = []string{"eve@example.com"}
				if _, _, err := after.HandOver(t.Context(), tenant, other); err == nil {
					t.Error("a new message is handed over, want it refused")
				}
				again, replayed, err := after.AcceptBatch(t.Context(), tenant, batchOf(2), key("b"))
				if again.ID != batch.ID || !replayed || err != nil {
					t.Errorf("%q, replayed %t, %v; want %q", again.ID, replayed, err, batch.ID)
				}
			})
		})
	}
}

func optionsOf(j ports.Journal, m *mailer) emails.Options {
	return emails.Options{
		Journal: j, Mailers: []ports.Mailer{m}, Text: htmltext.Text{}, Templates: sources{"welcome": welcome},
		Renderer: handlebars.New(template.MissingIsError), Clock: clock.System{}, IDs: ids.UUIDs{}, Delivery: email.AtLeastOnce,
		From: email.Address{Email: "shop@example.com"}, Owner: "one", TermSecret: []byte("secret"), Log: slog.New(slog.DiscardHandler),
	}
}

func running(t *testing.T, o emails.Options) (s *emails.Service, stop func()) {
	t.Helper()
	s = emails.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	synctest.Wait()
	return s, func() { cancel(); <-done }
}
