package emails_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// metered is a provider that notes when it was given how many recipients.
type metered struct {
	name     string
	features email.Features
	fail     func(now time.Time) error // nil never fails

	mu       sync.Mutex
	tries    int
	times    []time.Time // of each recipient whose message was accepted
	subjects []string    // of the accepted messages, in order
}

func (m *metered) Name() string             { return m.name }
func (m *metered) Features() email.Features { return m.features }

func (m *metered) Send(_ context.Context, one email.Message) (email.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.fail != nil {
		if err := m.fail(time.Now()); err != nil {
			return email.Receipt{}, err
		}
	}
	for range len(one.To) + len(one.Personalizations) {
		m.times = append(m.times, time.Now())
	}
	m.subjects = append(m.subjects, one.Subject)
	return email.Receipt{Reference: "ref"}, nil
}

// got returns how many recipients the provider was given.
func (m *metered) got() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.times)
}

// most returns the largest number of recipients in one window.
func (m *metered) most(per time.Duration) (most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := map[time.Time]int{}
	for _, at := range m.times {
		window := at.UTC().Truncate(per)
		counts[window]++
		most = max(most, counts[window])
	}
	return most
}

// rated are gateways that share a journal, on virtual time.
type rated struct {
	journal *memjournal.Journal
	rates   map[string]emails.Rate
	mailers []ports.Mailer

	mu   sync.Mutex
	held map[string]int // by provider
}

func (r *rated) options(owner string) emails.Options {
	return emails.Options{
		Journal: r.journal, Mailers: r.mailers, Text: htmltext.Text{}, Templates: sources{"welcome": welcome},
		Renderer: handlebars.New(template.MissingIsError), Clock: clock.System{}, IDs: ids.UUIDs{}, Rates: r.rates,
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: owner, Log: slog.New(slog.DiscardHandler),
		HeldBack: func(provider string) { r.mu.Lock(); r.held[provider]++; r.mu.Unlock() },
	}
}

// start starts a gateway. It is stopped as if it was killed: it gives nothing back.
func (r *rated) start(t *testing.T, owner string) (s *emails.Service, stop func()) {
	t.Helper()
	return run(t, r.options(owner))
}

func run(t *testing.T, o emails.Options) (s *emails.Service, stop func()) {
	t.Helper()
	s = emails.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	synctest.Wait()
	return s, func() { cancel(); running.Wait() }
}

func withRates(t *testing.T, rates map[string]emails.Rate, mailers []ports.Mailer, test func(t *testing.T, r *rated)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &rated{journal: memjournal.New(clock.System{}), rates: rates, mailers: mailers, held: map[string]int{}})
	})
}

// sendMany accepts n messages a second apart, whose subjects count them.
func sendMany(t *testing.T, s *emails.Service, n int) (ids []string) {
	t.Helper()
	for i := range n {
		d := draft()
		d.Subject = fmt.Sprintf("%04d", i)
		m, _, err := s.Accept(t.Context(), tenant, d, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
		<-time.After(time.Second)
	}
	return ids
}

func TestABatchOfAThousandGoesOutWithinTheRate(t *testing.T) {
	for most, hours := range map[int]int{100: 11, 30: 35, 300: 5} {
		t.Run(fmt.Sprint(most, " an hour"), func(t *testing.T) {
			first := &metered{name: "first", features: email.Features{Personalizations: 1000, MergesContent: true}}
			withRates(t, map[string]emails.Rate{"first": {Most: most, Per: time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				if _, _, err := s.AcceptBatch(t.Context(), tenant, batchOf(1000), idempotency.Key{}); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				if got := first.got(); got == 0 || got > 2*most {
					t.Errorf("%d recipients in about an hour, want some, and %d in each hour at most", got, most)
				}
				<-time.After(time.Duration(hours) * time.Hour)
				equal(t, "recipients", first.got(), 1000)
				if got := first.most(time.Hour); got > most {
					t.Errorf("%d recipients in one hour, want %d at most", got, most)
				}
			})
		})
	}
}

func TestTheBacklogOfAnOutageDrainsInOrderWithinTheRate(t *testing.T) {
	var well time.Time
	first := &metered{name: "first", fail: func(now time.Time) error {
		if now.Before(well) {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}}
	withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		well = time.Now().Add(time.Hour)
		s, stop := r.start(t, "one")
		defer stop()
		all := sendMany(t, s, 300)
		<-time.After(3 * time.Hour)
		equal(t, "recipients", first.got(), len(all))
		if got := first.most(time.Minute); got > 20 {
			t.Errorf("%d recipients in one minute, want 20 at most", got)
		}
		// Those that are sent at the same time may overtake each other. One or two were due by the schedule just
		// when the provider was well again.
		var early []string
		for i, subject := range first.subjects {
			var n int
			_, _ = fmt.Sscanf(subject, "%d", &n)
			if n < i-25 || n > i+25 {
				early = append(early, fmt.Sprintf("message %d is the %dth to be sent", n, i))
			}
		}
		if len(early) > 2 {
			t.Errorf("%q, want the oldest first", early)
		}
	})
}

func TestWhatExceedsTheRateOfAProvider(t *testing.T) {
	tests := []struct {
		name          string
		waits         bool
		first, second int // recipients after half an hour
		later         int // at the first, after three hours
	}{
		{"goes to the next", false, 10, 20, 10},
		{"waits, if it says so", true, 10, 0, 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := &metered{name: "first"}, &metered{name: "second"}
			rates := map[string]emails.Rate{"first": {Most: 10, Per: time.Hour, Waits: tt.waits}}
			withRates(t, rates, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				all := sendMany(t, s, 30)
				<-time.After(30 * time.Minute)
				equal(t, "recipients of the first", first.got(), tt.first)
				equal(t, "recipients of the second", second.got(), tt.second)
				<-time.After(3 * time.Hour)
				equal(t, "recipients of the first, later", first.got(), tt.later)
				for _, id := range all {
					m, err := s.Get(t.Context(), tenant, id)
					if err != nil {
						t.Fatal(err)
					}
					equal(t, "attempts", len(m.Attempts), 1)
					equal(t, "failures", m.Failures, 0)
				}
				equal(t, "tries", first.tries+second.tries, 30)
			})
		})
	}
}

func TestWhatWaitsForRoomIsSentInOrder(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 7, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 120)
		<-time.After(time.Hour)
		equal(t, "recipients", first.got(), 120)
		equal(t, "most in a minute", first.most(time.Minute), 7)
		for minute := range slices.Chunk(first.subjects, 7) {
			slices.Sort(minute) // they go out at the same time
		}
		if !slices.IsSorted(first.subjects) {
			t.Errorf("sent %q, want the oldest first", first.subjects)
		}
	})
}

func TestTheRateIsSharedAndOutlivesTheProcess(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 40, Per: 24 * time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		one, stopOne := r.start(t, "one")
		two, stopTwo := r.start(t, "two")
		sendMany(t, one, 15)
		sendMany(t, two, 15)
		for n := range 5 { // a restart loop
			stopOne()
			one, stopOne = r.start(t, fmt.Sprint("again", n))
			sendMany(t, one, 10)
		}
		<-time.After(time.Hour)
		if got := first.got(); got > 40 || got < 25 {
			t.Errorf("%d recipients on the first day, want up to 40, less what dead processes had taken", got)
		}
		<-time.After(48 * time.Hour)
		equal(t, "recipients", first.got(), 80)
		if got := first.most(24 * time.Hour); got > 40 {
			t.Errorf("%d recipients on one day, want 40 at most", got)
		}
		stopOne()
		stopTwo()
	})
}

func TestAWarmUpGrowsFromDayToDay(t *testing.T) {
	first, second := &metered{name: "first"}, &metered{name: "second"}
	begins := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC) // a day after the virtual clock begins
	rates := map[string]emails.Rate{"first": {Most: 20, Per: 24 * time.Hour, WarmUp: emails.WarmUp{Begins: begins, FirstDay: 4, Growth: 100}}}
	withRates(t, rates, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		for day, want := range []int{0, 4, 8, 16, 20, 20} {
			before := first.got()
			sendMany(t, s, 30)
			equal(t, fmt.Sprint("recipients on day ", day), first.got()-before, want)
			<-time.After(24*time.Hour - 30*time.Second)
		}
		equal(t, "recipients of the others", second.got(), 6*30-first.got())
	})
}

func TestMailWaitsUntilAWarmUpBegins(t *testing.T) {
	only := &metered{name: "only"}
	begins := time.Date(2000, 1, 6, 0, 0, 0, 0, time.UTC) // five days after the virtual clock begins
	rates := map[string]emails.Rate{"only": {Most: 20, Per: 24 * time.Hour, WarmUp: emails.WarmUp{Begins: begins, FirstDay: 4, Growth: 100}}}
	withRates(t, rates, []ports.Mailer{only}, func(t *testing.T, r *rated) {
		var log bytes.Buffer
		o := r.options("one")
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s, stop := run(t, o)
		id := sendMany(t, s, 1)[0]
		<-time.After(time.Minute)
		got, err := s.Get(t.Context(), tenant, id)
		if err != nil || !got.NextAttempt.Equal(begins) {
			t.Errorf("the next attempt is at %s, want %s; %v", got.NextAttempt, begins, err)
		}
		<-time.After(time.Until(begins) + time.Minute)
		equal(t, "sent", only.got(), 1)
		stop()
		equal(t, "lines about a rate that is used up", strings.Count(log.String(), "is used up"), 0)
		equal(t, "lines about the warm-up", strings.Count(log.String(), "has not begun"), 1)
	})
}

func TestAFailedCallGivesItsRoomBack(t *testing.T) {
	for kind, want := range map[fault.Kind]int{fault.Unavailable: 10, fault.UnknownOutcome: 7} {
		t.Run(kind.String(), func(t *testing.T) {
			failures := 3
			first := &metered{name: "first", fail: func(time.Time) error {
				if failures--; failures >= 0 {
					return fault.New(kind, "scripted", "")
				}
				return nil
			}}
			withRates(t, map[string]emails.Rate{"first": {Most: 10, Per: 24 * time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				sendMany(t, s, 30)
				<-time.After(20 * time.Hour)
				equal(t, "recipients on the first day", first.got(), want)
			})
		})
	}
}

func TestAMessageForMoreThanAWindowHasGoesAlone(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 5, Per: time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 3)
		d := draft()
		d.To = nil
		for i := range 8 {
			d.To = append(d.To, email.Address{Email: fmt.Sprintf("u%d@example.com", i)})
		}
		if _, _, err := s.Accept(t.Context(), tenant, d, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		equal(t, "recipients in the first hour", first.got(), 3)
		<-time.After(time.Hour)
		equal(t, "recipients in the second", first.got(), 11)
	})
}

// A provider forgets an attempt after some time; its repeat must not wait for room.
func TestTheRepeatOfACallDoesNotWaitForRoom(t *testing.T) {
	failed := false
	first := &metered{name: "first", features: email.Features{KeyMemory: 24 * time.Hour, Account: "one"}, fail: func(time.Time) error {
		if !failed {
			failed = true
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	}}
	withRates(t, map[string]emails.Rate{"first": {Most: 2, Per: 24 * time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		all := sendMany(t, s, 3)
		<-time.After(time.Hour)
		var got []string
		for _, id := range all {
			m, err := s.Get(t.Context(), tenant, id)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(m.Status)+" "+outcomes(m))
		}
		want := []string{"sent first:accepted ", "sent first:accepted ", "queued "}
		if !slices.Equal(got, want) {
			t.Errorf("messages = %q, want %q", got, want)
		}
	})
}

// standing is a provider whose first call stands still until stands is closed.
type standing struct {
	*metered
	called atomic.Bool
	stands chan struct{}
}

func (s *standing) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if s.called.CompareAndSwap(false, true) {
		<-s.stands
		return email.Receipt{}, fault.New(fault.Unavailable, "scripted", "")
	}
	return s.metered.Send(ctx, m)
}

// What another process has left in the middle of an attempt must not wait for room either.
func TestAnInterruptedAttemptDoesNotWaitForRoom(t *testing.T) {
	first := &standing{metered: &metered{name: "first", features: email.Features{KeyMemory: 24 * time.Hour, Account: "one"}}}
	withRates(t, map[string]emails.Rate{"first": {Most: 2, Per: 24 * time.Hour}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		first.stands = make(chan struct{})
		one, stopOne := r.start(t, "one")
		all := sendMany(t, one, 3)
		two, stopTwo := r.start(t, "two")
		<-time.After(time.Hour)
		m, err := two.Get(t.Context(), tenant, all[0])
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status an hour later", m.Status, email.Sent)
		equal(t, "recipients", first.got(), 2)
		close(first.stands)
		stopOne()
		stopTwo()
	})
}
