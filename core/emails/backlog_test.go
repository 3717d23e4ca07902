package emails_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// outage is a failure of a provider that ends at a time.
func outage(until time.Time, kind fault.Kind) func(int) error {
	return failing(until, fault.New(kind, "scripted", ""))
}

func failing(until time.Time, err error) func(int) error {
	return func(int) error {
		if time.Now().Before(until) {
			return err
		}
		return nil
	}
}

func TestAShortOutageDelaysAMessageByLessThanHalfAMinute(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		end := time.Now().Add(8 * time.Second)
		r.first.fail, r.second.fail = outage(end, fault.Unavailable), outage(end, fault.Unavailable)
		m := r.accept(t, draft())
		<-time.After(30 * time.Second)
		equal(t, "status", r.get(t, m.ID).Status, email.Sent)
	})
}

func TestABacklogIsSentAtOnceWhenAProviderRecovers(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"from an outage", fault.New(fault.Unavailable, "scripted", "")},
		{"from a key that was refused", fault.New(fault.Unauthorized, "scripted", "")},
		{"and its breaker was open meanwhile", &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", Skipped: true, RetryAfter: 30 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				end := time.Now().Add(time.Hour)
				r.first.fail, r.second.fail = failing(end, tt.err), failing(end, tt.err)
				var order orderOf
				r.first.sending = order.note
				var all []email.Message
				for range 100 {
					all = append(all, r.accept(t, draft()))
					<-time.After(30 * time.Second)
				}
				<-time.After(time.Until(end) + time.Second)
				r.accept(t, draft()) // it finds that the provider works
				<-time.After(5 * time.Second)
				for i, m := range all {
					if got := r.get(t, m.ID); got.Status != email.Sent {
						t.Errorf("message %d is %s five seconds after the outage, want %s", i, got.Status, email.Sent)
					}
					equal(t, "copies", r.first.copies(m.ID)+r.second.copies(m.ID), 1)
				}
				if young, old := order.index(all[90].ID), order.index(all[10].ID); young < old {
					t.Errorf("an older message was sent as number %d, after a younger one, %d", old, young)
				}
			})
		})
	}
}

// A breaker that closes lets only a few calls through. What of the backlog it leaves alone goes out after
// them, and not a minute later as a message that failed by itself.
func TestABacklogGoesOutThroughABreakerThatCloses(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		end := time.Now().Add(time.Hour)
		var all []email.Message
		skipped := &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", Skipped: true}
		probed := false
		r.first.fail = func(int) error {
			switch now := time.Now(); {
			case now.Before(end):
				return fault.New(fault.Unavailable, "scripted", "")
			case probed && now.Before(end.Add(12*time.Second)):
				return skipped
			}
			probed = true
			return nil
		}
		r.second.fail = func(int) error { return skipped }
		for range 10 {
			all = append(all, r.accept(t, draft()))
		}
		<-time.After(time.Until(end) + 10*time.Second)
		for range 2 { // each finds that the provider works
			r.accept(t, draft())
			<-time.After(5 * time.Second)
		}
		for i, m := range all {
			if got := r.get(t, m.ID); got.Status != email.Sent {
				t.Errorf("message %d is %s five seconds after the breaker has closed, want %s", i, got.Status, email.Sent)
			}
		}
	})
}

// orderOf notes the order in which messages are sent.
type orderOf struct {
	mu  sync.Mutex
	ids []string
}

func (o *orderOf) note(m email.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = append(o.ids, m.ID)
}

// index returns the place of the last attempt to send a message.
func (o *orderOf) index(id string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := -1
	for i, other := range o.ids {
		if other == id {
			last = i
		}
	}
	return last
}

func TestAMessageThatAProviderAskedToWaitWithIsNotSentEarlier(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		asks := &fault.Error{Kind: fault.RateLimited, Code: "rate_limit", RetryAfter: 10 * time.Minute}
		r.first.fail = func(try int) error {
			if try == 1 {
				return asks
			}
			return nil
		}
		r.second.fail = func(try int) error {
			if try == 1 {
				return asks
			}
			return nil
		}
		m := r.accept(t, draft())
		<-time.After(time.Minute)
		other := r.accept(t, draft())
		<-time.After(time.Minute)
		equal(t, "status of another message", r.get(t, other.ID).Status, email.Sent)
		equal(t, "status before the provider's time", r.get(t, m.ID).Status, email.Queued)
		<-time.After(10 * time.Minute)
		equal(t, "status after it", r.get(t, m.ID).Status, email.Sent)
	})
}

// Both providers are left alone. Whichever was asked last, what waits goes to the one that is back first.
func TestAMessageWaitsForTheFirstProviderThatIsBack(t *testing.T) {
	for name, back := range map[string]struct{ first, second time.Duration }{
		"the one that was asked first": {30 * time.Second, 10 * time.Minute},
		"the one that was asked last":  {10 * time.Minute, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				for mailer, after := range map[*mailer]time.Duration{r.first: back.first, r.second: back.second} {
					left := &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", Skipped: true, RetryAfter: after}
					mailer.leaveAlone(left)
					mailer.fail = failing(time.Now().Add(after), left)
					time.AfterFunc(after, func() { mailer.leaveAlone(nil) })
				}
				m := r.accept(t, draft())
				<-time.After(time.Second)
				equal(t, "attempts", len(r.get(t, m.ID).Attempts), 2)
				<-time.After(31 * time.Second)
				equal(t, "status when one is back", r.get(t, m.ID).Status, email.Sent)
			})
		})
	}
}

func TestARecoveredProviderGetsOnlyWhatItCanCarry(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		r.second.fail = outage(time.Now().Add(time.Hour), fault.Unavailable)
		m := r.accept(t, tagged()) // the first has no tags
		<-time.After(10 * time.Minute)
		before := len(r.get(t, m.ID).Attempts)
		for range 20 {
			r.accept(t, draft())
			<-time.After(time.Second)
		}
		equal(t, "attempts after messages that the other provider sent", len(r.get(t, m.ID).Attempts), before)
	})
}

func TestACanceledMessageStaysCanceledWhenAProviderRecovers(t *testing.T) {
	within(t, nil, nil, nil, func(t *testing.T, r rig) {
		end := time.Now().Add(10 * time.Minute)
		r.first.fail, r.second.fail = outage(end, fault.Unavailable), outage(end, fault.Unavailable)
		m := r.accept(t, draft())
		<-time.After(2 * time.Minute)
		if _, err := r.Cancel(context.Background(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		r.accept(t, draft())
		<-time.After(time.Minute)
		synctest.Wait()
		equal(t, "status", r.get(t, m.ID).Status, email.Canceled)
		equal(t, "copies", r.first.copies(m.ID)+r.second.copies(m.ID), 0)
	})
}

// A message that fails by itself does not use up its schedule because the provider accepts others.
func TestAMessageThatAlwaysFailsKeepsItsSchedule(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.UnknownOutcome} {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				var mu sync.Mutex
				var poison, sending string
				fail := func(int) error {
					mu.Lock()
					defer mu.Unlock()
					if sending == poison {
						return fault.New(kind, "scripted", "")
					}
					return nil
				}
				note := func(m email.Message) { mu.Lock(); sending = m.ID; mu.Unlock() }
				r.first.fail, r.second.fail, r.first.sending, r.second.sending = fail, fail, note, note
				d := draft()
				d.SendAt = time.Now().Add(time.Second)
				m := r.accept(t, d)
				mu.Lock()
				poison = m.ID
				mu.Unlock()
				for range 120 {
					<-time.After(time.Second)
					r.accept(t, draft())
				}
				if got := r.get(t, m.ID); got.Status != email.Queued || got.Failures > 6 {
					t.Errorf("after two minutes: %s after %d failures, want queued after at most 6", got.Status, got.Failures)
				}
			})
		})
	}
}

// A message that waits may have been sent since the older copy of the journal that was put back. Neither
// a provider that recovers nor a retry makes that forgotten.
func TestAMessageThatMayHaveBeenSentBeforeARestoreIsNotMadeDue(t *testing.T) {
	for _, retried := range []bool{false, true} {
		t.Run(fmt.Sprintf("retried %t", retried), func(t *testing.T) {
			within(t, nil, nil, nil, func(t *testing.T, r rig) {
				end := time.Now().Add(10 * time.Second)
				r.first.fail, r.second.fail = outage(end, fault.Unavailable), outage(end, fault.Unavailable)
				d := draft()
				d.Delivery = email.AtMostOnce
				m := r.accept(t, d)
				<-time.After(11 * time.Second)
				restored := time.Now()
				r.Restored = func() (time.Time, bool) { return restored, true }
				if retried {
					if _, err := r.Retry(t.Context(), tenant, m.ID); fault.From(err).Code != "unexpected_state" {
						t.Errorf("retry = %v, want unexpected_state", err)
					}
				}
				r.accept(t, draft()) // it finds that the provider works
				<-time.After(time.Minute)
				equal(t, "status", r.get(t, m.ID).Status, email.Unknown)
				equal(t, "copies", r.first.copies(m.ID)+r.second.copies(m.ID), 0)
			})
		})
	}
}
