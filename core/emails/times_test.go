package emails_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// due is a draft that is due, and expires, so long from now. 0 means neither.
func due(after, expires time.Duration) email.Draft {
	d := draft()
	if after != 0 {
		d.SendAt = time.Now().Add(after)
	}
	if expires != 0 {
		d.ExpiresAt = time.Now().Add(expires)
	}
	return d
}

// pass lets so much time pass, and what is due then end.
func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestAMessageMayWaitForAsLongAsTextsAreKept(t *testing.T) {
	for name, c := range map[string]struct{ retention, ahead time.Duration }{
		"for a time": {retention, retention},
		"forever":    {0, 366 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, c.retention, nil, func(t *testing.T, h *house) {
				if _, _, err := h.Accept(t.Context(), tenant, due(c.ahead, 0), idempotency.Key{}); err != nil {
					t.Errorf("due in %s: error %v, want none", c.ahead, err)
				}
				_, _, err := h.Accept(t.Context(), tenant, due(c.ahead+time.Second, 0), idempotency.Key{})
				if f := fault.From(err); f == nil || f.Code != "too_far_ahead" || f.Param != "sendAt" {
					t.Errorf("due a second later: error %v, want too_far_ahead about sendAt", err)
				}
			})
		})
	}
}

func TestAMessageKeepsItsTextAndItsKeyWhileItWaitsAndAfterwards(t *testing.T) {
	inHouse(t, retention, nil, func(t *testing.T, h *house) {
		d := due(retention, 0)
		d.Attachments = []email.Attachment{{Filename: "a.txt", ContentType: "text/plain", Content: bytes.Repeat([]byte("a"), 300<<10)}}
		m, _, err := h.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		replays := func(when string) {
			again, replayed, err := h.Accept(t.Context(), tenant, d, key("k"))
			if err != nil || !replayed || again.ID != m.ID {
				t.Errorf("%s: got %s, replayed %t, error %v, want the message again", when, again.ID, replayed, err)
			}
		}
		text := func(when, want string) {
			got, err := h.Get(t.Context(), tenant, m.ID)
			if err != nil || got.Text != want {
				t.Errorf("%s: text %q, error %v, want %q", when, got.Text, err, want)
			}
		}
		pass(retention - time.Second)
		text("before it is due", "Hello")
		replays("before it is due")
		pass(2 * time.Second)
		if len(h.provider.letters) != 1 || h.provider.letters[0].Text != "Hello" || len(h.provider.letters[0].Attachments[0].Content) != 300<<10 {
			t.Errorf("the provider got %d messages, want the one, with its text and its file", len(h.provider.letters))
		}
		pass(idempotency.Kept - time.Minute)
		replays("almost 72 hours after it was sent")
		pass(retention - idempotency.Kept - time.Minute)
		text("before its text has been kept for long enough since it was due", "Hello")
		pass(5 * time.Minute)
		text("after that", "")
	})
}

func TestTheTextOfACanceledMessageIsKeptSinceItWasAccepted(t *testing.T) {
	inHouse(t, retention, nil, func(t *testing.T, h *house) {
		m, _, err := h.Accept(t.Context(), tenant, due(retention, 0), idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if _, err := h.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		pass(retention - time.Hour + 5*time.Minute)
		got, err := h.Get(t.Context(), tenant, m.ID)
		if err != nil || got.Text != "" || got.PurgedAt.IsZero() {
			t.Errorf("text %q, purged at %v, error %v, want it removed", got.Text, got.PurgedAt, err)
		}
	})
}

func TestAMessageThatNoProviderTookInTimeExpires(t *testing.T) {
	within(t, always(fault.Unavailable), always(fault.Unavailable), nil, func(t *testing.T, r rig) {
		m := r.accept(t, due(0, 10*time.Minute))
		other := r.accept(t, draft())
		pass(10*time.Minute - time.Second)
		equal(t, "status before", r.get(t, m.ID).Status, email.Queued)
		tries := len(r.get(t, m.ID).Attempts)
		pass(2 * time.Second)
		got := r.get(t, m.ID)
		equal(t, "status after", got.Status, email.Failed)
		equal(t, "code of the end", got.LastAttempt().Code, "expired")
		equal(t, "provider of the end", got.LastAttempt().Provider, "")
		equal(t, "attempts", len(got.Attempts), tries+1)
		r.first.mu.Lock()
		r.first.fail = nil // it works again: the backlog is sent
		r.first.mu.Unlock()
		r.accept(t, draft())
		pass(time.Hour)
		equal(t, "copies of the expired message", r.first.copies(m.ID)+r.second.copies(m.ID), 0)
		equal(t, "status of the other message", r.get(t, other.ID).Status, email.Sent)
		equal(t, "status in the end", r.get(t, m.ID).Status, email.Failed)
	})
}

func TestAMessageThatMayHaveBeenSentDoesNotFailWhenItExpires(t *testing.T) {
	within(t, always(fault.UnknownOutcome), always(fault.Unavailable), nil, func(t *testing.T, r rig) {
		m := r.accept(t, due(0, 10*time.Minute))
		pass(10*time.Minute + time.Second)
		got := r.get(t, m.ID)
		equal(t, "status", got.Status, email.Unknown)
		equal(t, "code of the end", got.LastAttempt().Code, "expired")
		copies := r.first.copies(m.ID)
		pass(24 * time.Hour)
		equal(t, "copies sent after it expired", r.first.copies(m.ID)-copies, 0)
	})
}

// A call of which the provider has not said whether it took the message is repeated, but not after the
// message has expired: the first call may never have arrived, and the repeat would send it.
func TestNoCallIsRepeatedForAMessageThatHasExpired(t *testing.T) {
	for _, delivery := range []email.Delivery{email.AtLeastOnce, email.AtMostOnce} {
		t.Run(string(delivery), func(t *testing.T) {
			lost := reaction{err: errNoAnswer}
			repeating(t, []reaction{lost, lost, lost, lost, lost}, func(t *testing.T, r *repeats) {
				s, _ := r.start(t, "one", clock.System{}, time.Time{})
				d := due(0, time.Minute)
				d.Delivery = delivery
				m := mustAccept(t, s, d, idempotency.Key{})
				pass(55 * time.Second)
				r.want(t, s, m.ID, email.Sending, "first:attempting ", 0, 0)
				pass(15 * time.Second)
				equal(t, "status after it expired", status(t, s, m.ID), email.Unknown)
				_, calls := r.first.state()
				pass(24 * time.Hour)
				r.wantCalls(t, len(calls))
				equal(t, "status in the end", status(t, s, m.ID), email.Unknown)
			})
		})
	}
}

func TestAMessageThatExpiredWhileNoProcessRanIsNotSentByARepeat(t *testing.T) {
	repeating(t, []reaction{{err: errNoAnswer}}, func(t *testing.T, r *repeats) {
		s, stop := r.start(t, "one", clock.System{}, time.Time{})
		m := mustAccept(t, s, due(0, 2*time.Second), idempotency.Key{})
		pass(time.Second)
		stop()
		pass(5 * time.Hour)
		s, _ = r.start(t, "two", clock.System{}, time.Time{})
		pass(time.Hour)
		sent, _ := r.first.state()
		equal(t, "copies", sent+r.second.copies(m.ID), 0)
		equal(t, "status", status(t, s, m.ID), email.Unknown)
	})
}

// An attempt may take its time to become durable.
func TestAMessageThatExpiresWhileItsAttemptIsSavedIsNotSent(t *testing.T) {
	var slow atomic.Bool
	late := func(op string) error {
		if op == memjournal.Saved && slow.CompareAndSwap(true, false) {
			<-time.After(9 * time.Second)
		}
		return nil
	}
	within(t, nil, nil, late, func(t *testing.T, r rig) {
		m := r.accept(t, due(10*time.Second, 12*time.Second))
		pass(5 * time.Second)
		slow.Store(true)
		pass(time.Minute)
		equal(t, "calls", r.first.tried()+r.second.tried(), 0)
		got := r.get(t, m.ID)
		equal(t, "status", got.Status, email.Failed)
		equal(t, "code of the end", got.LastAttempt().Code, "expired")
		equal(t, "provider of the end", got.LastAttempt().Provider, "")
	})
}

// status returns the status of a message.
func status(t *testing.T, s *emails.Service, id string) email.Status {
	t.Helper()
	m, err := s.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m.Status
}

// slow are suppressions that take their time.
type slow struct {
	ports.Suppressions
	takes time.Duration
}

func (s slow) Suppressed(context.Context, string, email.Category, []string) (map[string]suppression.Reason, error) {
	<-time.After(s.takes)
	return nil, nil
}

func TestAMessageThatExpiresWhileItIsPreparedIsNotSent(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.Suppressions = slow{r.Suppressions, 4 * time.Second}
		m := r.accept(t, due(0, 3*time.Second))
		pass(5 * time.Second)
		equal(t, "status", r.get(t, m.ID).Status, email.Failed)
		equal(t, "calls", r.first.tried()+r.second.tried(), 0)
	})
}

func TestAnExpiredMessageIsNotRetried(t *testing.T) {
	within(t, always(fault.Invalid), always(fault.Unavailable), nil, func(t *testing.T, r rig) {
		m := r.accept(t, due(0, time.Minute))
		synctest.Wait()
		equal(t, "status", r.get(t, m.ID).Status, email.Failed)
		if _, err := r.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Errorf("a retry in time: error %v, want none", err)
		}
		pass(2 * time.Minute)
		_, err := r.Retry(t.Context(), tenant, m.ID)
		if f := fault.From(err); f == nil || f.Kind != fault.Conflict || f.Code != "message_expired" {
			t.Errorf("a retry after it expired: error %v, want the conflict message_expired", err)
		}
	})
}

func TestARequestIsReplayedAfterItsMessageExpired(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		d := due(0, time.Minute)
		m, _, err := r.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		again, replayed, err := r.Accept(t.Context(), tenant, d, key("k"))
		if err != nil || !replayed || again.ID != m.ID {
			t.Errorf("got %s, replayed %t, error %v, want the message again", again.ID, replayed, err)
		}
		_, _, err = r.Accept(t.Context(), tenant, d, key("other"))
		if f := fault.From(err); f == nil || f.Code != "expired" || f.Param != "expiresAt" {
			t.Errorf("under another key: error %v, want expired about expiresAt", err)
		}
		_, _, err = r.Accept(t.Context(), tenant, due(time.Hour, time.Hour), key("third"))
		if f := fault.From(err); f == nil || f.Code != "invalid_expiry" || f.Param != "expiresAt" {
			t.Errorf("one that expires when it is due: error %v, want invalid_expiry about expiresAt", err)
		}
	})
}

func TestABatchExpires(t *testing.T) {
	first := single("first", fails(-1, fault.Unavailable))
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.ExpiresAt = time.Now().Add(10 * time.Minute)
		b, _, err := o.AcceptBatch(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		pass(11 * time.Minute)
		got, err := o.GetBatch(t.Context(), tenant, b.ID)
		if err != nil || got.Counts[email.Failed] != 3 {
			t.Errorf("counts %v, error %v, want 3 failed", got.Counts, err)
		}
		if again, replayed, err := o.AcceptBatch(t.Context(), tenant, d, key("k")); err != nil || !replayed || again.ID != b.ID {
			t.Errorf("repeated: %s, replayed %t, error %v, want the batch again", again.ID, replayed, err)
		}
	})
}

func TestTheTimeOfTheNextAttemptIsShown(t *testing.T) {
	within(t, func(try int) error {
		if try <= 2 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}, always(fault.Unavailable), nil, func(t *testing.T, r rig) {
		d := due(time.Hour, 0)
		m := r.accept(t, d)
		shows := func(when string, want func(at time.Time) bool) {
			got := r.get(t, m.ID).NextAttempt
			page, err := r.List(t.Context(), tenant, emails.Filter{}, "", 10)
			if err != nil || len(page.Messages) != 1 || !page.Messages[0].NextAttempt.Equal(got) {
				t.Errorf("%s: a list shows %+v, error %v, want %s too", when, page.Messages, err, got)
			}
			if !want(got) {
				t.Errorf("%s: the next attempt is at %v", when, got)
			}
		}
		equal(t, "in the answer", m.NextAttempt.Equal(d.SendAt), true)
		shows("while it waits to be due", d.SendAt.Equal)
		pass(time.Hour + time.Second)
		failed := time.Now()
		shows("after a failed attempt", func(at time.Time) bool { return at.After(failed) && at.Before(failed.Add(6*time.Second)) })
		pass(time.Minute)
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
		shows("once it is sent", time.Time.IsZero)
	})
}

func TestNoAttemptIsShownThatComesAfterTheMessageExpired(t *testing.T) {
	within(t, always(fault.Unavailable), always(fault.Unavailable), nil, func(t *testing.T, r rig) {
		m := r.accept(t, due(0, 10*time.Minute))
		pass(9 * time.Minute) // the next attempt would be half an hour after the last
		if at := r.get(t, m.ID).NextAttempt; !at.IsZero() {
			t.Errorf("the next attempt is at %v, want none", at)
		}
	})
}

func TestAMessageThatNoProviderCanCarryAnyMoreExpires(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		d := at(tagged(), p.start.Add(time.Hour))
		d.ExpiresAt = d.SendAt.Add(10 * time.Minute)
		m := p.send(t, tenant, d)
		p.stop()
		p.open(t, p.first)
		pass(time.Until(d.ExpiresAt) + time.Second)
		got, err := p.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", got.Status, email.Failed)
		equal(t, "code of the end", got.LastAttempt().Code, "expired")
	})
}
