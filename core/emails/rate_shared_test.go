package emails_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// startAt starts a gateway with a clock of its own.
func (r *rated) startAt(t *testing.T, owner string, clock ports.Clock) (s *emails.Service, stop func()) {
	t.Helper()
	s = emails.New(emails.Options{
		Journal: r.journal, Mailers: r.mailers, Text: htmltext.Text{}, Clock: clock, IDs: ids.UUIDs{}, Rates: r.rates,
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: owner, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	synctest.Wait()
	return s, func() { cancel(); running.Wait() }
}

// By the clock of the test, a gateway whose clock is ahead uses windows before their time. So there may be
// two in one, and at the beginning that of the other gateway too.
func TestGatewaysWhoseClocksAreApartShareTheRate(t *testing.T) {
	for _, tt := range []struct {
		by, per time.Duration
	}{
		{0, time.Second},
		{1500 * time.Millisecond, time.Second},
		{3 * time.Second, time.Second},
		{10 * time.Second, time.Second},
		{30 * time.Second, time.Second},
		{30 * time.Second, time.Minute},
		{90 * time.Second, time.Minute},
		{130 * time.Second, time.Minute},
	} {
		t.Run(fmt.Sprint(tt.by, " apart, by the ", tt.per), func(t *testing.T) {
			first := &metered{name: "first"}
			withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: tt.per}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				ahead := &skewed{}
				ahead.set(tt.by)
				one, stopOne := r.startAt(t, "one", clock.System{})
				two, stopTwo := r.startAt(t, "two", ahead)
				for i := range 300 {
					mustAccept(t, []*emails.Service{one, two}[i%2], draft(), idempotency.Key{})
				}
				<-time.After(5 * tt.per)
				if got := first.most(tt.per); got > 3*20 {
					t.Errorf("%d recipients in one %s, want 60 at most", got, tt.per)
				}
				if got := first.got(); got > (5+3)*20 {
					t.Errorf("%d recipients in five, want 160 at most", got)
				}
				<-time.After(20*tt.per + 10*time.Minute)
				equal(t, "recipients in the end", first.got(), 300)
				stopOne()
				stopTwo()
			})
		})
	}
}

// A gateway whose clock was wrong must not stop the others for long.
func TestAWindowThatAWrongClockHasBegunIsGivenUp(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		wrong := &skewed{}
		wrong.set(20 * time.Minute)
		s, stop := r.startAt(t, "wrong", wrong)
		for range 20 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(20*time.Minute + 10*time.Second)
		stop()
		equal(t, "recipients by the wrong clock", first.got(), 20)
		s, stop = r.startAt(t, "right", clock.System{})
		mustAccept(t, s, draft(), idempotency.Key{})
		<-time.After(time.Minute)
		equal(t, "recipients a minute later", first.got(), 21)
		stop()
	})
}

// late is a provider whose calls take a while, and may fail then.
type late struct {
	metered
	react func(now time.Time) (after time.Duration, err error)
}

func (l *late) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	after, err := l.react(time.Now())
	<-time.After(after)
	if err != nil {
		return email.Receipt{}, err
	}
	return l.metered.Send(ctx, m)
}

func TestRoomOfAWindowThatIsOverIsNotGivenBackToTheNext(t *testing.T) {
	first := &late{metered: metered{name: "first"}}
	withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		begin := time.Now().Truncate(time.Hour).Add(time.Hour + 35*time.Second)
		next := begin.Add(25 * time.Second) // a minute begins
		first.react = func(now time.Time) (time.Duration, error) {
			if now.Before(next) {
				return 29 * time.Second, fault.New(fault.Unavailable, "scripted", "")
			}
			return 0, nil
		}
		<-time.After(time.Until(begin))
		s, stop := r.startAt(t, "one", clock.System{})
		defer stop()
		for range 20 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(time.Until(next))
		for range 101 {
			mustAccept(t, s, draft(), idempotency.Key{})
		}
		<-time.After(70 * time.Second)
		equal(t, "most in a minute", first.most(time.Minute), 20)
	})
}
