package emails_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// most returns the largest number of messages that went out in one window.
func (k *keyed) most(per time.Duration) (most int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := map[time.Time]int{}
	for _, one := range k.taken {
		window := one.at.UTC().Truncate(per)
		counts[window]++
		most = max(most, counts[window])
	}
	return most
}

// went returns the subjects of the messages that went out, in order.
func (k *keyed) went() (subjects []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]taken, 0, len(k.taken))
	for _, one := range k.taken {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b taken) int { return a.at.Compare(b.at) })
	for _, one := range all {
		subjects = append(subjects, one.subject)
	}
	return subjects
}

// wellFrom returns a provider that remembers attempts, and answers nobody before a time.
func wellFrom(well *time.Time) *keyed {
	return &keyed{name: "first", breaks: func(email.Message) error {
		if time.Now().Before(*well) {
			return errNoAnswer
		}
		return nil
	}}
}

// atTheHour waits until some time after the beginning of an hour of UTC.
func atTheHour(after time.Duration) {
	<-time.After(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + after)))
}

func stateOf(t *testing.T, s *emails.Service, id string) email.Message {
	t.Helper()
	m, err := s.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRepeatsOfAnOutageAreMadeDueEarlyWithinTheRate(t *testing.T) {
	var well time.Time
	first := wellFrom(&well)
	withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		well = time.Now().Add(30*time.Minute + 5*time.Second)
		s, stop := r.startAt(t, "one", clock.System{})
		defer stop()
		for range 700 {
			mustAccept(t, s, draft(), idempotency.Key{})
			<-time.After(2 * time.Second)
		}
		<-time.After(2 * time.Hour)
		if got := first.most(time.Minute); got > 20 {
			t.Errorf("%d went out in one minute, want 20 at most", got)
		}
		equal(t, "went out", len(first.taken), 700)
	})
}

// All of them are due at the same time then.
func TestRepeatsThatHadToWaitForAPauseOfTheProviderGoOutWithinTheRate(t *testing.T) {
	for name, pause := range map[string]func(*keyed, time.Time){
		"which its answers tell": func(k *keyed, until time.Time) {
			k.breaks = func(email.Message) error {
				if now := time.Now(); now.Before(until) {
					return &fault.Error{Kind: fault.UnknownOutcome, Code: "no_answer", RetryAfter: until.Sub(now)}
				}
				return nil
			}
		},
		"which is known without asking it": func(k *keyed, until time.Time) {
			k.breaks = func(email.Message) error {
				if now := time.Now(); now.Before(until) {
					k.down = &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", RetryAfter: until.Sub(now), Skipped: true}
					return errNoAnswer
				}
				return nil
			}
			time.AfterFunc(time.Until(until), func() { k.leaveAlone(nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := &keyed{name: "first"}
			withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.startAt(t, "one", clock.System{})
				defer stop()
				pause(first, time.Now().Add(time.Hour))
				for range 100 {
					mustAccept(t, s, draft(), idempotency.Key{})
					first.leaveAlone(nil)
					<-time.After(10 * time.Second)
				}
				<-time.After(2 * time.Hour)
				if got := first.most(time.Minute); got > 20 {
					t.Errorf("%d went out in one minute, want 20 at most", got)
				}
				equal(t, "went out", len(first.taken), 100)
			})
		})
	}
}

// The call before may have sent the message as well: it is one message.
func TestARepeatIsCountedOnceInEachWindow(t *testing.T) {
	hourly := emails.Rate{Most: 1, Per: time.Hour}
	daily := emails.Rate{Most: 10, Per: time.Hour, WarmUp: emails.WarmUp{Begins: time.Unix(0, 0), FirstDay: 2}}
	for _, tt := range []struct {
		name         string
		rate         emails.Rate
		begins, ends time.Duration // the silence of the provider, since the hour began
		after        int           // how many others find room from then on, until the end of the next hour
	}{
		{"in the hour of the first call", hourly, 0, 4 * time.Second, 1}, // in the next hour
		{"in the hour of another repeat", hourly, 59 * time.Minute, 62 * time.Minute, 0},
		{"in the next hour of the same day", daily, 59 * time.Minute, 62 * time.Minute, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var well time.Time
			first := wellFrom(&well)
			withRates(t, map[string]emails.Rate{"first": tt.rate}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.startAt(t, "one", clock.System{})
				defer stop()
				atTheHour(tt.begins)
				well = time.Now().Add(tt.ends - tt.begins)
				m := mustAccept(t, s, draft(), idempotency.Key{})
				<-time.After(time.Until(well) - time.Second)
				for range 3 {
					mustAccept(t, s, draft(), idempotency.Key{})
				}
				<-time.After(6 * time.Minute)
				equal(t, "status", stateOf(t, s, m.ID).Status, email.Sent)
				<-time.After(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - time.Minute)))
				if tt.begins == 0 {
					<-time.After(time.Hour)
				}
				equal(t, "others that went out", len(first.taken)-1, tt.after)
			})
		})
	}
}

// What a repeat did not send, since it was refused, leaves its room to another message.
func TestTheRoomOfARepeatThatIsRefusedIsGivenBack(t *testing.T) {
	var hour time.Time
	first := &keyed{name: "first"}
	first.breaks = func(m email.Message) error {
		switch {
		case m.Subject != "refused":
			return nil
		case time.Now().Before(hour):
			return errNoAnswer
		}
		return errBadMail
	}
	withRates(t, map[string]emails.Rate{"first": {Most: 1, Per: time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.startAt(t, "one", clock.System{})
		defer stop()
		atTheHour(time.Hour - 10*time.Second)
		hour = time.Now().Truncate(time.Hour).Add(time.Hour)
		d := draft()
		d.Subject, d.Delivery = "refused", email.AtMostOnce
		m := mustAccept(t, s, d, idempotency.Key{})
		<-time.After(time.Minute)
		other := mustAccept(t, s, draft(), idempotency.Key{})
		<-time.After(20 * time.Minute)
		equal(t, "status", stateOf(t, s, m.ID).Status, email.Unknown)
		equal(t, "status of the other one", stateOf(t, s, other.ID).Status, email.Sent)
	})
}

// The room that a process has taken which stands still in the call is stored with the attempt.
func TestARepeatByAnotherProcessIsCountedOnce(t *testing.T) {
	first := &keyed{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 1, Per: time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		first.reactions = []reaction{{wake: make(chan struct{}), err: errNoAnswer}}
		one, stopOne := r.startAt(t, "one", clock.System{})
		atTheHour(0)
		m := mustAccept(t, one, draft(), idempotency.Key{})
		<-time.After(time.Second) // it stands still in the call
		_, stopTwo := r.startAt(t, "two", clock.System{})
		<-time.After(10 * time.Minute)
		equal(t, "status", stateOf(t, one, m.ID).Status, email.Sent)
		close(first.reactions[0].wake)
		stopOne()
		stopTwo()
	})
}

// Repeats that find no room wait among the others, the oldest first.
func TestARepeatThatFindsNoRoomKeepsItsPlace(t *testing.T) {
	var well time.Time
	first := wellFrom(&well)
	withRates(t, map[string]emails.Rate{"first": {Most: 5, Per: time.Minute, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.startAt(t, "one", clock.System{})
		defer stop()
		atTheHour(0)
		well = time.Now().Add(20*time.Minute + 30*time.Second)
		for i := range 120 {
			d := draft()
			d.Subject = fmt.Sprintf("%04d", i)
			mustAccept(t, s, d, idempotency.Key{})
			<-time.After(5 * time.Second)
		}
		<-time.After(time.Until(well) + time.Hour)
		went := first.went()
		equal(t, "went out", len(went), 120)
		equal(t, "most in a minute", first.most(time.Minute), 5)
		for at, subject := range went {
			var n int
			if _, err := fmt.Sscanf(subject, "%d", &n); err != nil {
				t.Fatalf("subject %q: %v", subject, err)
			}
			if at-n > 12 { // a few are due by the schedule just when there is room
				t.Errorf("message %d is the %dth to go out, want the oldest first", n, at)
			}
		}
	})
}

// A repeat that waits for room ends as any other once it is repeated no more, and sends nothing then.
func TestARepeatThatWaitsForRoomEndsInTime(t *testing.T) {
	for name, tt := range map[string]struct {
		expires time.Duration // 0 means never
		ends    time.Duration // since it was accepted
		code    string
	}{
		"when the provider may have forgotten the call": {0, 23 * time.Hour, "no_answer"},
		"when the message expires":                      {5 * time.Hour, 5 * time.Hour, "no_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var well time.Time
			first := wellFrom(&well)
			withRates(t, map[string]emails.Rate{"first": {Most: 2, Per: 24 * time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				<-time.After(24*time.Hour - time.Minute)
				well = time.Now().Add(10 * time.Minute)
				s, stop := r.startAt(t, "one", clock.System{})
				d := draft()
				d.Delivery = email.AtMostOnce
				if tt.expires > 0 {
					d.ExpiresAt = time.Now().Add(tt.expires)
				}
				one := mustAccept(t, s, d, idempotency.Key{})
				m := mustAccept(t, s, d, idempotency.Key{})
				<-time.After(10 * time.Second)
				stop()
				r.rates = map[string]emails.Rate{"first": {Most: 1, Per: 24 * time.Hour, Waits: true}} // from the next day on
				s, stop = r.startAt(t, "two", clock.System{})
				defer stop()
				<-time.After(time.Until(m.CreatedAt.Add(tt.ends - 2*time.Minute)))
				if stateOf(t, s, m.ID).Status == email.Sent {
					m, one = one, m // whose call was repeated first
				}
				equal(t, "status of the one that found room", stateOf(t, s, one.ID).Status, email.Sent)
				equal(t, "status before", stateOf(t, s, m.ID).Status, email.Sending)
				<-time.After(4 * time.Minute)
				m = stateOf(t, s, m.ID)
				equal(t, "status", m.Status, email.Unknown)
				equal(t, "code", m.LastAttempt().Code, tt.code)
				<-time.After(48 * time.Hour)
				equal(t, "went out", len(first.taken), 1)
			})
		})
	}
}

// What waits for room is late: so another provider that can carry it is asked, if it may be sent twice.
func TestARepeatThatFindsNoRoomGoesToAnotherProvider(t *testing.T) {
	for _, tt := range []struct {
		name     string
		waits    bool
		delivery email.Delivery
		attempts string
	}{
		{"at least once", false, email.AtLeastOnce, "first:ambiguous second:accepted "},
		{"at least once, where it waits for the provider", true, email.AtLeastOnce, "first:attempting "},
		{"at most once", false, email.AtMostOnce, "first:attempting "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var well time.Time
			first, second := wellFrom(&well), &mailer{name: "second", sent: map[string]int{}, down: fault.New(fault.Unavailable, "down", "")}
			withRates(t, map[string]emails.Rate{"first": {Most: 1, Per: time.Hour, Waits: tt.waits}}, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
				s, stop := r.startAt(t, "one", clock.System{})
				defer stop()
				atTheHour(time.Hour - 5*time.Minute)
				well = time.Now().Add(6 * time.Minute)
				d := draft()
				d.Delivery = tt.delivery
				m := mustAccept(t, s, d, idempotency.Key{})
				<-time.After(5*time.Minute + time.Second)
				mustAccept(t, s, draft(), idempotency.Key{}) // takes the room of the next hour
				second.leaveAlone(nil)
				<-time.After(20 * time.Minute)
				equal(t, "attempts", outcomes(stateOf(t, s, m.ID)), tt.attempts)
				if got := first.most(time.Hour); got > 1 {
					t.Errorf("%d went out in one hour, want 1 at most", got)
				}
				<-time.After(2 * time.Hour)
				equal(t, "status", stateOf(t, s, m.ID).Status, email.Sent)
			})
		})
	}
}

// A repeat for several recipients gets room although younger messages for one each could use it all.
func TestARepeatForSeveralRecipientsFindsRoom(t *testing.T) {
	for name, most := range map[string]int{"as many as there is room for": 3, "more than there ever is room for": 2} {
		t.Run(name, func(t *testing.T) {
			var well time.Time
			first := wellFrom(&well)
			withRates(t, map[string]emails.Rate{"first": {Most: most, Per: time.Minute, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.startAt(t, "one", clock.System{})
				defer stop()
				atTheHour(0)
				well = time.Now().Add(10 * time.Minute)
				d := draft()
				d.To = []email.Address{{Email: "ada@example.com"}, {Email: "bob@example.com"}, {Email: "cy@example.com"}}
				m := mustAccept(t, s, d, idempotency.Key{})
				for range 100 {
					<-time.After(10 * time.Second)
					mustAccept(t, s, draft(), idempotency.Key{})
				}
				m = stateOf(t, s, m.ID)
				equal(t, "status", m.Status, email.Sent)
				equal(t, "attempts", outcomes(m), "first:accepted ")
				if late := m.LastAttempt().EndedAt.Sub(well); late > 5*time.Minute {
					t.Errorf("sent %s after the provider was well, want five minutes at most", late)
				}
			})
		})
	}
}

// Where what exceeds the rate goes to another provider, what comes to this one does not wait in line. Repeats do.
func TestRepeatsFindRoomWhateverComesToTheirProviderMeanwhile(t *testing.T) {
	for _, n := range []int{1, 12} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var well time.Time
			first, second := wellFrom(&well), &mailer{name: "second", sent: map[string]int{}}
			withRates(t, map[string]emails.Rate{"first": {Most: 12, Per: time.Minute}}, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
				s, stop := r.startAt(t, "one", clock.System{})
				defer stop()
				atTheHour(-10 * time.Second) // they are repeated before the hour begins, and 15 seconds after
				well = time.Now().Add(10 * time.Second)
				d := draft()
				d.Delivery = email.AtMostOnce
				var all []email.Message
				for range n {
					all = append(all, mustAccept(t, s, d, idempotency.Key{}))
				}
				for time.Since(well) < 3*time.Minute {
					<-time.After(50 * time.Millisecond)
					if !time.Now().Before(well) {
						mustAccept(t, s, draft(), idempotency.Key{})
					}
				}
				for _, m := range all {
					m = stateOf(t, s, m.ID)
					equal(t, "status", m.Status, email.Sent)
					if late := m.LastAttempt().EndedAt.Sub(well); late > 90*time.Second {
						t.Errorf("sent %s after the provider was well, want the beginning of the next minute", late)
					}
				}
				if got := first.most(time.Minute); got > 12 {
					t.Errorf("%d went out in one minute, want 12 at most", got)
				}
			})
		})
	}
}
