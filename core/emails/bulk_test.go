package emails_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// refusing runs a test whose first provider refuses each message until works is set. The second never
// works.
func refusing(t *testing.T, kind fault.Kind, test func(t *testing.T, r rig, works *atomic.Bool)) {
	var works atomic.Bool
	within(t, func(int) error {
		if works.Load() {
			return nil
		}
		return fault.New(kind, "scripted", "")
	}, always(fault.Unavailable), nil, func(t *testing.T, r rig) { test(t, r, &works) })
}

func (r rig) retryAll(t *testing.T, set emails.RetrySet, cursor string, limit int) emails.RetriedSet {
	t.Helper()
	done, err := r.RetryAll(t.Context(), tenant, set, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestMessagesThatFailedAreRetriedTogether(t *testing.T) {
	refusing(t, fault.Invalid, func(t *testing.T, r rig, works *atomic.Bool) {
		var ids []string
		for range 25 {
			ids = append(ids, r.accept(t, draft()).ID)
		}
		synctest.Wait()
		works.Store(true)
		set := emails.RetrySet{Status: email.Failed}
		first := r.retryAll(t, set, "", 10)
		equal(t, "retried by the first call", first.Retried, 10)
		equal(t, "there are more", first.Next != "", true)
		rest := r.retryAll(t, set, first.Next, 100)
		equal(t, "retried by the second call", rest.Retried, 15)
		equal(t, "there are more then", rest.Next != "", false)
		pass(time.Second)
		for _, id := range ids {
			equal(t, "status of "+id, r.get(t, id).Status, email.Sent)
			equal(t, "copies of "+id, r.first.copies(id), 1)
		}
		equal(t, "retried by a repeat", r.retryAll(t, set, "", 100).Retried, 0)
	})
}

func TestASetOfMessagesIsThatOfItsStatusTimeProviderAndCode(t *testing.T) {
	refusing(t, fault.Invalid, func(t *testing.T, r rig, works *atomic.Bool) {
		var times []time.Time
		for range 3 {
			times = append(times, time.Now())
			r.accept(t, draft())
			pass(time.Hour)
		}
		waits := r.accept(t, due(time.Hour, 0))
		for name, c := range map[string]struct {
			set  emails.RetrySet
			want int
		}{
			"since the second":        {emails.RetrySet{Status: email.Failed, Since: times[1]}, 2},
			"before the second":       {emails.RetrySet{Status: email.Failed, Before: times[1]}, 1},
			"the second alone":        {emails.RetrySet{Status: email.Failed, Since: times[1], Before: times[2]}, 1},
			"of the first provider":   {emails.RetrySet{Status: email.Failed, Provider: "first"}, 3},
			"of another provider":     {emails.RetrySet{Status: email.Failed, Provider: "second"}, 0},
			"with the code":           {emails.RetrySet{Status: email.Failed, Code: "scripted"}, 3},
			"with another code":       {emails.RetrySet{Status: email.Failed, Code: "expired"}, 0},
			"that may have been sent": {emails.RetrySet{Status: email.Unknown}, 0},
			"that are suppressed":     {emails.RetrySet{Status: email.Suppressed}, 0},
		} {
			got := r.retryAll(t, c.set, "", 100) // they are refused again
			equal(t, "retried "+name, got.Retried, c.want)
			equal(t, "skipped "+name, got.Skipped, 0)
			synctest.Wait()
		}
		equal(t, "status of one that waits", r.get(t, waits.ID).Status, email.Queued)
	})
}

func TestWhatCannotBeRetriedIsSkipped(t *testing.T) {
	refusing(t, fault.Invalid, func(t *testing.T, r rig, _ *atomic.Bool) {
		r.accept(t, due(0, time.Minute))
		r.accept(t, draft())
		pass(time.Hour)
		got := r.retryAll(t, emails.RetrySet{Status: email.Failed}, "", 100)
		equal(t, "retried", got.Retried, 1)
		equal(t, "skipped, having expired", got.Skipped, 1)
	})
}

// Under at_most_once a message that may have been sent is sent again only if the caller names the status.
func TestWhatMayHaveBeenSentIsRetriedOnlyByItsName(t *testing.T) {
	refusing(t, fault.UnknownOutcome, func(t *testing.T, r rig, works *atomic.Bool) {
		d := draft()
		d.Delivery = email.AtMostOnce
		m := r.accept(t, d)
		synctest.Wait()
		equal(t, "status", r.get(t, m.ID).Status, email.Unknown)
		works.Store(true)
		for _, other := range []email.Status{email.Failed, email.Suppressed} {
			r.retryAll(t, emails.RetrySet{Status: other}, "", 100)
		}
		pass(time.Second)
		equal(t, "copies", r.first.copies(m.ID), 1)
		equal(t, "retried by its status", r.retryAll(t, emails.RetrySet{Status: email.Unknown}, "", 100).Retried, 1)
		pass(time.Second)
		equal(t, "copies after that", r.first.copies(m.ID), 2)
	})
}

func TestASetThatIsNone(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		for _, c := range []struct {
			status email.Status
			limit  int
			param  string
		}{{"", 1, "status"}, {email.Sent, 1, "status"}, {email.Queued, 1, "status"}, {email.Failed, 0, "limit"}, {email.Failed, 101, "limit"}} {
			_, err := r.RetryAll(t.Context(), tenant, emails.RetrySet{Status: c.status}, "", c.limit)
			if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Param != c.param {
				t.Errorf("%q, %d: error %v, want Invalid about %s", c.status, c.limit, err, c.param)
			}
		}
	})
}

func TestAMessageThatWaitsIsRescheduled(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		var dated []time.Time
		r.first.sending = func(m email.Message) { dated = append(dated, m.Date()) }
		m := r.accept(t, due(time.Hour, 0))
		later := time.Now().Add(3 * time.Hour)
		got, err := r.Reschedule(t.Context(), tenant, m.ID, later)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "sendAt", got.SendAt.Equal(later), true)
		equal(t, "the next attempt", got.NextAttempt.Equal(later), true)
		pass(3*time.Hour - time.Second)
		equal(t, "calls before", r.first.tried(), 0)
		pass(2 * time.Second)
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
		if len(dated) != 1 || !dated[0].Equal(later) {
			t.Errorf("dated %v, want %v", dated, later)
		}
		soon := r.accept(t, due(time.Hour, 0))
		if _, err := r.Reschedule(t.Context(), tenant, soon.ID, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		equal(t, "status of one moved to the past", r.get(t, soon.ID).Status, email.Sent)
		scheduled := r.accept(t, due(time.Hour, 0))
		if _, err := r.Retry(t.Context(), tenant, scheduled.ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		equal(t, "status of one that is sent now", r.get(t, scheduled.ID).Status, email.Sent)
	})
}

func TestAMessageThatWasTriedKeepsItsDateWhenItIsRescheduled(t *testing.T) {
	refusing(t, fault.Unavailable, func(t *testing.T, r rig, works *atomic.Bool) {
		var dated []time.Time
		r.first.sending = func(m email.Message) { dated = append(dated, m.Date()) }
		m := r.accept(t, draft())
		synctest.Wait()
		later := time.Now().Add(3 * time.Hour)
		if _, err := r.Reschedule(t.Context(), tenant, m.ID, later); err != nil {
			t.Fatal(err)
		}
		works.Store(true)
		other := r.accept(t, draft()) // the provider works again: what waits for that is sent
		pass(time.Minute)
		equal(t, "status of another", r.get(t, other.ID).Status, email.Sent)
		equal(t, "status meanwhile", r.get(t, m.ID).Status, email.Queued)
		pass(3 * time.Hour)
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
		if first, last := dated[0], dated[len(dated)-1]; !first.Equal(last) {
			t.Errorf("dated %v, then %v, want the same", first, last)
		}
	})
}

func TestWhatDoesNotWaitIsNotRescheduled(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		reschedule := func(id string, at time.Duration) *fault.Error {
			_, err := r.Reschedule(t.Context(), tenant, id, time.Now().Add(at))
			return fault.From(err)
		}
		m := r.accept(t, draft())
		synctest.Wait()
		if f := reschedule(m.ID, time.Hour); f == nil || f.Kind != fault.Conflict || f.Code != "unexpected_state" {
			t.Errorf("one that was sent: error %v, want unexpected_state", f)
		}
		waits := r.accept(t, due(time.Hour, 2*time.Hour))
		if f := reschedule(waits.ID, 2*time.Hour); f == nil || f.Kind != fault.Invalid || f.Param != "sendAt" {
			t.Errorf("to when it expires: error %v, want Invalid about sendAt", f)
		}
		if f := reschedule(waits.ID, 400*24*time.Hour); f == nil || f.Kind != fault.Invalid || f.Code != "too_far_ahead" {
			t.Errorf("too far ahead: error %v, want too_far_ahead", f)
		}
		if f := reschedule("msg_none", time.Hour); f == nil || f.Kind != fault.NotFound {
			t.Errorf("one that is not there: error %v, want NotFound", f)
		}
		if _, err := r.Cancel(t.Context(), tenant, waits.ID); err != nil {
			t.Fatal(err)
		}
		if f := reschedule(waits.ID, time.Hour); f == nil || f.Code != "unexpected_state" {
			t.Errorf("one that was canceled: error %v, want unexpected_state", f)
		}
	})
}

// Whichever of an attempt and of a call that moves the message is saved first wins: the message is sent
// once, now if it could not be moved, and otherwise then.
func TestAnAttemptAndAMoveAtTheSameTime(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		later := time.Now().Add(3 * time.Hour)
		moved := map[string]bool{}
		for i := range 50 {
			d := draft()
			d.Subject, d.SendAt = fmt.Sprint("Hello ", i), time.Now().Add(time.Hour)
			m, _, err := r.Accept(t.Context(), tenant, d, idempotency.Key{})
			if err != nil {
				t.Fatal(err)
			}
			moved[m.ID] = false
		}
		<-time.After(time.Hour) // they are claimed at this instant, and what follows is not ordered with that
		for id := range moved {
			_, err := r.Reschedule(t.Context(), tenant, id, later)
			if err != nil && !fault.Is(err, fault.Conflict) {
				t.Fatal(err)
			}
			moved[id] = err == nil
		}
		synctest.Wait()
		for id, was := range moved {
			want := email.Sent
			if was {
				want = email.Queued
			}
			equal(t, fmt.Sprintf("status of one that was moved: %t", was), r.get(t, id).Status, want)
		}
		pass(3 * time.Hour)
		for id := range moved {
			equal(t, "copies in the end", r.first.copies(id)+r.second.copies(id), 1)
		}
	})
}
