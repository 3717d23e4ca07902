package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/worker"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// process is a set at work on a journal that others may share. Whatever is for
// "hanging" never ends.
type process struct {
	*worker.Set
	stop context.CancelFunc // and wait

	mu      sync.Mutex
	handled map[string]time.Duration
}

func startSet(t *testing.T, journal *memjournal.Journal, providers ...string) *process {
	t.Helper()
	p := &process{handled: map[string]time.Duration{}}
	start := time.Now()
	p.Set = worker.NewSet("mail", providers, func(name string) *worker.Worker {
		return &worker.Worker{
			Journal: journal, Queue: name, Owner: fmt.Sprintf("%p", p), Lease: time.Hour, Idle: time.Second, Limit: 4,
			Log: slog.New(slog.DiscardHandler),
			Handle: func(_ context.Context, c ports.Claim) error {
				if p.Provider(c.Queue) == "hanging" {
					<-time.After(10 * time.Minute)
				}
				p.mu.Lock()
				p.handled[c.ID] = time.Since(start)
				p.mu.Unlock()
				c.Queue, c.Owner, c.Due = "", "", time.Time{}
				return journal.Save(context.WithoutCancel(t.Context()), &c.Record)[0]
			},
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	p.stop = func() { cancel(); <-done }
	synctest.Wait()
	return p
}

func (p *process) when(id string) (at time.Duration, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, done = p.handled[id]
	return at, done
}

// put lets a record wait for a provider.
func put(t *testing.T, j *memjournal.Journal, queue, id string) {
	t.Helper()
	r := &ports.Record{Tenant: "t", Kind: "job", ID: id, Queue: queue, Due: time.Now(), Body: []byte("{}")}
	if err := j.Save(t.Context(), r)[0]; err != nil {
		t.Fatal(err)
	}
}

func onVirtualTime(t *testing.T, test func(t *testing.T, j *memjournal.Journal)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, memjournal.New(clock.System{})) })
}

func TestWhatWaitsForAProviderThatHangsHoldsNobodyElseUp(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, j *memjournal.Journal) {
		p := startSet(t, j, "hanging", "healthy")
		defer p.stop()
		for i := range 100 {
			put(t, j, p.Queue("hanging"), fmt.Sprint("hanging", i))
		}
		p.Nudge(p.Queue("hanging"))
		synctest.Wait()
		put(t, j, p.Queue("healthy"), "healthy")
		put(t, j, "mail", "of the previous version")
		p.Nudge(p.Queue("healthy"))
		p.Nudge("mail")
		synctest.Wait()
		for _, id := range []string{"healthy", "of the previous version"} {
			if at, done := p.when(id); !done || at != 0 {
				t.Errorf("%s: handled %v, at %s; want at once", id, done, at)
			}
		}
	})
}

func TestEachProviderHasAQueueAndOthersHaveThePlainOne(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, j *memjournal.Journal) {
		p := startSet(t, j, "brevo", "ses")
		defer p.stop()
		for provider, want := range map[string]string{"brevo": "mail:brevo", "ses": "mail:ses", "gone": "mail", "": "mail"} {
			if got := p.Queue(provider); got != want {
				t.Errorf("%q waits in %q, want %q", provider, got, want)
			}
		}
		for queue, want := range map[string]string{"mail:brevo": "brevo", "mail": "", "mail:a:b": "a:b", "payments:brevo": ""} {
			if got := p.Provider(queue); got != want {
				t.Errorf("%q is of %q, want %q", queue, got, want)
			}
		}
	})
}

func TestWhatWaitsForAProviderThatIsNotConfiguredAnyMoreIsServed(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, j *memjournal.Journal) {
		before := startSet(t, j, "first", "second")
		before.stop()
		put(t, j, before.Queue("first"), "left behind")
		after := startSet(t, j, "second")
		defer after.stop()
		<-time.After(2 * time.Second)
		if _, done := after.when("left behind"); !done {
			t.Error("nobody serves it")
		}
	})
}

// Two processes with different configurations share a store, and one of them goes.
func TestAProviderOfAnotherProcessIsServedToo(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, j *memjournal.Journal) {
		stays := startSet(t, j, "first")
		defer stays.stop()
		goes := startSet(t, j, "first", "second")
		queue := goes.Queue("second")
		goes.stop()
		put(t, j, queue, "left behind")
		<-time.After(time.Minute + time.Second)
		if _, done := stays.when("left behind"); queue != "mail:second" || !done {
			t.Errorf("it waits in %s, served: %v", queue, done)
		}
	})
}

// Nothing may wait where only this configuration would look for it.
func TestNoQueueOfItsOwnBeforeTheJournalKnowsOfIt(t *testing.T) {
	tests := map[string]struct {
		at  string
		err error
	}{
		"the journal is gone":     {memjournal.Get, fault.New(fault.Unavailable, "scripted", "")},
		"it cannot be written":    {memjournal.Save, fault.New(fault.Unavailable, "scripted", "")},
		"its answer is lost":      {memjournal.Saved, fault.New(fault.UnknownOutcome, "scripted", "")},
		"another was quicker now": {memjournal.Save, fault.New(fault.Conflict, "scripted", "")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, j *memjournal.Journal) {
				var healed atomic.Bool
				j.Fail = func(op string) error {
					if op == tt.at && !healed.Load() {
						return tt.err
					}
					return nil
				}
				p := startSet(t, j, "first")
				defer p.stop()
				if got := p.Queue("first"); got != "mail" {
					t.Errorf("it waits in %s", got)
				}
				healed.Store(true)
				<-time.After(time.Second)
				synctest.Wait()
				if got := p.Queue("first"); got != "mail:first" {
					t.Errorf("once it is there, it waits in %s", got)
				}
			})
		})
	}
}
