package emails_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// each runs a test for both promises.
func each(t *testing.T, test func(t *testing.T, d email.Delivery)) {
	t.Helper()
	for _, d := range []email.Delivery{email.AtLeastOnce, email.AtMostOnce} {
		t.Run(string(d), func(t *testing.T) { test(t, d) })
	}
}

// A provider that remembers attempts is asked the same again until the outcome is known. There is
// one copy whatever became of the first calls, and no other provider is asked.
func TestAnUnknownOutcomeIsLearnedByRepeatingTheCall(t *testing.T) {
	for _, tt := range []struct {
		name      string
		reactions []reaction
	}{
		{"it took the message, and its answer was lost", []reaction{{takes: true, err: errNoAnswer}}},
		{"it never got the message", []reaction{{err: errNoAnswer}}},
		{"the first call is still in progress", []reaction{{takes: true, err: errNoAnswer}, {err: errInProgress}}},
		{"it is overloaded when it is asked again", []reaction{{takes: true, err: errNoAnswer}, {err: fault.New(fault.RateLimited, "rate_limit", "")}}},
		{"it cannot be reached when it is asked again", []reaction{{takes: true, err: errNoAnswer}, {err: errDown}}},
		{"its key was revoked when it is asked again", []reaction{{takes: true, err: errNoAnswer}, {err: errKeyRevoked}, {err: errKeyRevoked}}},
		{"it loses three answers", slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, d email.Delivery) {
				repeating(t, tt.reactions, func(t *testing.T, r *repeats) {
					s, _ := r.start(t, "one", clock.System{}, time.Time{})
					m := r.accept(t, s, d)
					<-time.After(time.Second)
					r.want(t, s, m.ID, email.Sending, "first:attempting ", min(1, r.sent()), 0)
					<-time.After(4 * time.Hour)
					m = r.want(t, s, m.ID, email.Sent, "first:accepted ", 1, 0)
					r.wantCalls(t, len(tt.reactions)+1)
					equal(t, "repeats that did not show the outcome", m.Attempts[0].Repeats, len(tt.reactions)-1)
					equal(t, "code of the accepted attempt", m.Attempts[0].Code, "")
				})
			})
		})
	}
}

func (r *repeats) sent() int {
	n, _ := r.first.state()
	return n
}

// While the outcome is unknown, the attempt shows why, and the message can be neither canceled nor
// erased.
func TestAnAttemptThatIsRepeatedIsStillUnderWay(t *testing.T) {
	repeating(t, []reaction{{takes: true, err: errNoAnswer}, {err: errInProgress}}, func(t *testing.T, r *repeats) {
		s, _ := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, s, email.AtMostOnce)
		<-time.After(10 * time.Second)
		m = r.want(t, s, m.ID, email.Sending, "first:attempting ", 1, 0)
		equal(t, "code of the attempt", m.Attempts[0].Code, "in_progress")
		equal(t, "repeats", m.Attempts[0].Repeats, 1)
		_, err := s.Cancel(t.Context(), tenant, m.ID)
		equal(t, "code of the error of a cancel", fault.From(err).Code, "unexpected_state")
		ada := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
		err = s.PersonalObjects(t.Context(), ada, func(int) error { return nil }, func(o user.PersonalObject) error { return o.Erase(t.Context()) })
		equal(t, "code of the error of an erasure", fault.From(err).Code, "message_busy")
	})
}

// The calls are made after the times of the schedule, and none is made when the provider may have
// forgotten the attempt: then it is as ambiguous as any other.
func TestTheCallIsRepeatedWhileTheProviderRemembersIt(t *testing.T) {
	for _, tt := range []struct {
		name     string
		delivery email.Delivery
		alone    bool // no other provider can carry the message for 22 hours
		status   email.Status
		attempts string
		second   int
	}{
		{"under at_most_once", email.AtMostOnce, false, email.Unknown, "first:ambiguous ", 0},
		{"under at_least_once while no other works", email.AtLeastOnce, true, email.Sent, "first:ambiguous second:accepted ", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repeating(t, slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 100), func(t *testing.T, r *repeats) {
				s, _ := r.start(t, "one", clock.System{}, time.Time{})
				if tt.alone {
					r.second.leaveAlone(errDown)
				}
				m := r.accept(t, s, tt.delivery)
				<-time.After(22 * time.Hour)
				r.want(t, s, m.ID, email.Sending, "first:attempting ", 1, 0)
				r.second.leaveAlone(nil)
				<-time.After(2 * time.Hour)
				m = r.want(t, s, m.ID, tt.status, tt.attempts, 1, tt.second)
				equal(t, "code of the attempt", m.Attempts[0].Code, "no_answer")
				_, calls := r.first.state()
				equal(t, "calls", len(calls), 9)
				equal(t, "the last call within the time that the provider remembers", calls[len(calls)-1] < memory-time.Hour, true)
				equal(t, "the first wait is about 5 s", calls[1] >= 4*time.Second && calls[1] <= 7*time.Second, true)
			})
		})
	}
}

// A provider that gives no clear answer for minutes does not hold up a message that may be sent twice
// and that another can carry.
func TestAMessageThatMayBeSentTwiceLeavesAProviderThatStaysInDoubt(t *testing.T) {
	for name, prepare := range map[string]func(r *repeats){
		"it loses every answer":            func(*repeats) {},
		"it is left alone since the first": func(r *repeats) { r.first.leaveAlone(errDown) },
	} {
		t.Run(name, func(t *testing.T) {
			repeating(t, slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 100), func(t *testing.T, r *repeats) {
				s, _ := r.start(t, "one", clock.System{}, time.Time{})
				m := r.accept(t, s, email.AtLeastOnce)
				<-time.After(time.Second)
				prepare(r)
				<-time.After(time.Minute)
				r.want(t, s, m.ID, email.Sending, "first:attempting ", 1, 0)
				<-time.After(time.Minute + 10*time.Second)
				r.want(t, s, m.ID, email.Sent, "first:ambiguous second:accepted ", 1, 1)
			})
		})
	}
}

// What would be answered alike for ever is not repeated. It does not prove that the first call did
// nothing.
func TestARefusalOfARepeatProvesNothing(t *testing.T) {
	for _, refusal := range []error{errBadMail, errOtherMail, fault.New(fault.Unsupported, "feature_unsupported", "")} {
		for _, tt := range []struct {
			delivery email.Delivery
			status   email.Status
			attempts string
			second   int
		}{
			{email.AtMostOnce, email.Unknown, "first:ambiguous ", 0},
			{email.AtLeastOnce, email.Sent, "first:ambiguous second:accepted ", 1},
		} {
			t.Run(fault.From(refusal).Code+", "+string(tt.delivery), func(t *testing.T) {
				repeating(t, []reaction{{takes: true, err: errNoAnswer}, {err: refusal}}, func(t *testing.T, r *repeats) {
					s, _ := r.start(t, "one", clock.System{}, time.Time{})
					m := r.accept(t, s, tt.delivery)
					<-time.After(time.Minute)
					m = r.want(t, s, m.ID, tt.status, tt.attempts, 1, tt.second)
					equal(t, "code of the attempt", m.Attempts[0].Code, fault.From(refusal).Code)
					r.wantCalls(t, 2)
				})
			})
		}
	}
}

// A process stands still in its call until its lease is over, or dies. Another one repeats the call.
func TestAnAttemptOfAProcessThatDiedIsRepeated(t *testing.T) {
	for _, tt := range []struct {
		name string
		late reaction // of the call that stands still
	}{
		{"the call is never made", reaction{err: errNoAnswer}},
		{"the call is made late", reaction{takes: true}},
		{"the call is refused late", reaction{err: errBadMail}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, d email.Delivery) {
				repeating(t, []reaction{tt.late}, func(t *testing.T, r *repeats) {
					r.first.reactions[0].wake = make(chan struct{})
					one, _ := r.start(t, "one", clock.System{}, time.Time{})
					two, _ := r.start(t, "two", clock.System{}, time.Time{})
					m := r.accept(t, one, d)
					<-time.After(5 * time.Minute)
					r.want(t, two, m.ID, email.Sent, "first:accepted ", 1, 0)
					close(r.first.reactions[0].wake)
					<-time.After(time.Hour)
					r.want(t, two, m.ID, email.Sent, "first:accepted ", 1, 0)
				})
			})
		})
	}
}

// A process that has lost its claim comes with an outcome that is unknown: whoever has the claim by now
// goes on as before.
func TestALateDoubtChangesNothing(t *testing.T) {
	repeating(t, []reaction{{err: errNoAnswer}, {err: errNoAnswer}}, func(t *testing.T, r *repeats) {
		r.first.reactions[0].wake = make(chan struct{})
		one, _ := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, one, email.AtMostOnce)
		<-time.After(105 * time.Second) // the lease is over, and the call was repeated
		r.wantCalls(t, 2)
		close(r.first.reactions[0].wake)
		<-time.After(11 * time.Second) // the next repeat is due after 20
		r.wantCalls(t, 2)
		got := r.want(t, one, m.ID, email.Sending, "first:attempting ", 0, 0)
		equal(t, "repeats", got.Attempts[0].Repeats, 1)
		<-time.After(10 * time.Minute)
		r.want(t, one, m.ID, email.Sent, "first:accepted ", 1, 0)
		r.wantCalls(t, 3)
	})
}

// The message failed over, and so its record is in the queue of another provider when the process
// dies: the call is repeated at the provider of the attempt.
func TestTheCallIsRepeatedAtTheProviderOfTheAttempt(t *testing.T) {
	repeating(t, []reaction{{takes: true}}, func(t *testing.T, r *repeats) {
		r.first.reactions[0].wake = make(chan struct{})
		r.second.fail = once(fault.Unavailable)
		one, _ := r.start(t, "one", clock.System{}, time.Time{}, r.second, r.first)
		two, _ := r.start(t, "two", clock.System{}, time.Time{}, r.second, r.first)
		m := r.accept(t, one, email.AtMostOnce)
		<-time.After(5 * time.Minute)
		r.want(t, two, m.ID, email.Sent, "second:not_accepted first:accepted ", 1, 0)
		close(r.first.reactions[0].wake)
		<-time.After(time.Minute)
		r.want(t, two, m.ID, email.Sent, "second:not_accepted first:accepted ", 1, 0)
		equal(t, "calls of the other provider", r.second.tried(), 1)
	})
}

// A process that was paused for so long that the provider may have forgotten the attempt does not
// make its call any more: others may have repeated it.
func TestAProcessThatWasPausedForTooLongDoesNotCall(t *testing.T) {
	repeating(t, nil, func(t *testing.T, r *repeats) {
		paused := &skewed{}
		var open atomic.Bool // what is saved at the start is not counted
		var saved atomic.Int64
		r.journal.Fail = func(op string) error {
			if op == memjournal.Saved && open.Load() && saved.Add(1) == 2 { // accepted, begun
				paused.set(25 * time.Hour)
			}
			return nil
		}
		one, _ := r.start(t, "one", paused, time.Time{})
		open.Store(true)
		m := r.accept(t, one, email.AtMostOnce)
		<-time.After(time.Minute)
		r.wantCalls(t, 0)
		r.want(t, one, m.ID, email.Unknown, "first:ambiguous ", 0, 0)
	})
}

// One clock that says that the attempt is too old, or was not made yet, is enough.
func TestNoCallIsRepeatedThatAClockCallsForgotten(t *testing.T) {
	for name, tt := range map[string]struct{ gateway, store time.Duration }{
		"the gateway's is a day ahead":     {25 * time.Hour, 0},
		"the gateway's is 80 hours behind": {-80 * time.Hour, 0},
		"the store's is a day ahead":       {0, 25 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			repeating(t, []reaction{{takes: true, err: errNoAnswer}}, func(t *testing.T, r *repeats) {
				gateway, store := &skewed{}, &skewed{}
				r.journal = memjournal.New(store)
				s, _ := r.start(t, "one", gateway, time.Time{})
				m := r.accept(t, s, email.AtMostOnce)
				<-time.After(time.Second)
				gateway.set(tt.gateway)
				store.set(tt.store)
				<-time.After(5 * time.Minute)
				r.want(t, s, m.ID, email.Unknown, "first:ambiguous ", 1, 0)
				r.wantCalls(t, 1)
			})
		})
	}
}

// The clock of the process that began the attempt was ahead, by less than the margin.
func TestAnAttemptThatSeemsYoungerThanItIsIsNotRepeatedForTooLong(t *testing.T) {
	repeating(t, slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 100), func(t *testing.T, r *repeats) {
		fast := &skewed{}
		fast.set(50 * time.Minute)
		s, _ := r.start(t, "one", fast, time.Time{})
		m := r.accept(t, s, email.AtMostOnce)
		<-time.After(time.Second)
		fast.set(0)
		<-time.After(30 * time.Hour)
		r.want(t, s, m.ID, email.Unknown, "first:ambiguous ", 1, 0)
		_, calls := r.first.state()
		equal(t, "the last call within the time that the provider remembers", calls[len(calls)-1] < memory, true)
	})
}

// What an older copy of the journal has open may have been sent by another provider since.
func TestAnAttemptOfAnOlderCopyIsNotRepeatedWhereTwoCopiesAreNotAllowed(t *testing.T) {
	for delivery, want := range map[email.Delivery]struct {
		status   email.Status
		attempts string
	}{
		email.AtMostOnce:  {email.Unknown, "first:ambiguous "},
		email.AtLeastOnce: {email.Sent, "first:accepted "},
	} {
		t.Run(string(delivery), func(t *testing.T) {
			repeating(t, []reaction{{err: errNoAnswer}, {err: errNoAnswer}}, func(t *testing.T, r *repeats) {
				one, stop := r.start(t, "one", clock.System{}, time.Time{})
				m := r.accept(t, one, delivery)
				<-time.After(10 * time.Second)
				stop()
				r.journal = copied(t, r.journal)
				two, _ := r.start(t, "two", clock.System{}, time.Now())
				<-time.After(time.Hour)
				got, err := two.Get(t.Context(), tenant, m.ID)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "status", got.Status, want.status)
				if delivery == email.AtMostOnce {
					equal(t, "attempts", outcomes(got), want.attempts)
					r.wantCalls(t, 2)
				}
			})
		})
	}
}

func TestAnAttemptWhoseProviderIsNotConfiguredAnyMoreIsAmbiguous(t *testing.T) {
	repeating(t, []reaction{{takes: true, err: errNoAnswer}}, func(t *testing.T, r *repeats) {
		one, stop := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, one, email.AtMostOnce)
		<-time.After(time.Second)
		stop()
		two, _ := r.start(t, "two", clock.System{}, time.Time{}, []ports.Mailer{r.second}...)
		<-time.After(time.Minute)
		r.want(t, two, m.ID, email.Unknown, "first:ambiguous ", 1, 0)
	})
}

// A provider that is left alone is not asked, and that is no repeat.
func TestAProviderThatIsLeftAloneIsAskedAgainLater(t *testing.T) {
	repeating(t, []reaction{{takes: true, err: errNoAnswer}}, func(t *testing.T, r *repeats) {
		s, _ := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, s, email.AtMostOnce)
		<-time.After(time.Second)
		r.first.leaveAlone(&fault.Error{Kind: fault.Unavailable, Code: "breaker_open", RetryAfter: 30 * time.Second})
		<-time.After(10 * time.Minute)
		got := r.want(t, s, m.ID, email.Sending, "first:attempting ", 1, 0)
		equal(t, "repeats", got.Attempts[0].Repeats, 0)
		r.wantCalls(t, 1)
		r.first.leaveAlone(nil)
		<-time.After(time.Minute)
		r.want(t, s, m.ID, email.Sent, "first:accepted ", 1, 0)
		r.wantCalls(t, 2)
	})
}

// The provider's event proves the acceptance: nothing is left to ask.
func TestAnEventEndsTheRepeats(t *testing.T) {
	repeating(t, slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 2), func(t *testing.T, r *repeats) {
		s, _ := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, s, email.AtMostOnce)
		<-time.After(10 * time.Second)
		m = r.want(t, s, m.ID, email.Sending, "first:attempting ", 1, 0)
		s.Events = map[string]ports.MailReader{"first": told{email.Notification{
			Event: email.EventProcessed, Tenant: tenant, Message: m.ID, Attempt: m.Attempts[0].ID, Reference: "ref", At: time.Now(),
		}}}
		if _, err := s.ApplyWebhook(t.Context(), webhook.Event{Provider: "first"}); err != nil {
			t.Fatal(err)
		}
		r.want(t, s, m.ID, email.Sent, "first:accepted ", 1, 0)
		<-time.After(24 * time.Hour)
		r.want(t, s, m.ID, email.Sent, "first:accepted ", 1, 0)
		r.wantCalls(t, 2)
	})
}

// told reads every event as one notification.
type told struct{ n email.Notification }

func (o told) Notification(webhook.Event) (email.Notification, bool, error) { return o.n, true, nil }

// The copies of a batch that one call carries are rendered again for a repeat, and say the same.
func TestACallOfSeveralCopiesIsRepeatedWhole(t *testing.T) {
	provider := merging("first", fails(1, fault.UnknownOutcome))
	provider.features.KeyMemory, provider.features.Account = memory, "one"
	withBatches(t, []*line{provider}, func(t *testing.T, o *batchRig) {
		d := batchOf(3)
		d.Delivery = email.AtMostOnce
		b, _, err := o.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		page, err := o.List(t.Context(), tenant, emails.Filter{Batch: b.ID}, "", 10)
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("%+v, %v, want one message", page, err)
		}
		equal(t, "attempts", outcomes(page.Messages[0]), "first:accepted ")
		equal(t, "calls", len(provider.calls), 2)
		for address, texts := range provider.sent { // this double remembers nothing
			if len(texts) != 2 || texts[0] != texts[1] {
				t.Errorf("%s was to get %q, want the same text twice", address, texts)
			}
		}
		equal(t, "recipients", len(provider.sent), 3)
	})
}

// A process dies again and again, at any moment of the repeats.
func TestRepeatsGoOnAfterEveryRestart(t *testing.T) {
	repeating(t, slices.Repeat([]reaction{{takes: true, err: errNoAnswer}}, 3), func(t *testing.T, r *repeats) {
		s, stop := r.start(t, "one", clock.System{}, time.Time{})
		m := r.accept(t, s, email.AtMostOnce)
		for _, after := range []time.Duration{time.Second, 10 * time.Second, 10 * time.Minute} {
			<-time.After(after)
			stop()
			s, stop = r.start(t, "next", clock.System{}, time.Time{})
			synctest.Wait()
		}
		<-time.After(time.Hour)
		r.want(t, s, m.ID, email.Sent, "first:accepted ", 1, 0)
		r.wantCalls(t, 4)
	})
}
