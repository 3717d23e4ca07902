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

const (
	name  = "jobs"
	idle  = time.Minute
	lease = time.Hour
)

// rig is a worker on a journal in memory, on virtual time. Times are counted
// from the start of the test.
type rig struct {
	*worker.Worker
	journal *memjournal.Journal
	start   time.Time
	ctx     context.Context // what the worker runs under
	stop    context.CancelFunc
	warned  atomic.Int64
	claims  atomic.Int64 // how often the worker asked
	fail    atomic.Pointer[fault.Error]

	mu      sync.Mutex
	running int
	most    int
	handled map[string][]handling
}

// handling is one time that a record was handled.
type handling struct {
	from, to time.Duration
	expired  bool
}

// within runs a test with a worker of limit places. work is what handling a
// record does, nil for nothing; afterwards the record leaves the queue. A last true
// makes it fair between tenants.
func within(t *testing.T, limit int, work func(ctx context.Context, r *rig, c ports.Claim), test func(t *testing.T, r *rig), fair ...bool) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{journal: memjournal.New(clock.System{}), start: time.Now(), handled: map[string][]handling{}}
		r.journal.Fail = func(op string) error {
			if op == memjournal.Claim {
				r.claims.Add(1)
				if f := r.fail.Load(); f != nil {
					return f
				}
			}
			return nil
		}
		r.Worker = &worker.Worker{
			Journal: r.journal, Queue: name, Owner: "one", Lease: lease, Idle: idle, Limit: limit, Fair: len(fair) > 0, Log: slog.New(counter{&r.warned}),
			Handle: func(ctx context.Context, c ports.Claim) error { r.handle(ctx, c, work); return nil },
		}
		r.ctx, r.stop = context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(r.ctx) }()
		synctest.Wait() // it has looked once, and found nothing
		test(t, r)
		r.stop()
		<-done
	})
}

func (r *rig) handle(ctx context.Context, c ports.Claim, work func(context.Context, *rig, ports.Claim)) {
	from := r.now()
	r.mu.Lock()
	r.running++
	r.most = max(r.most, r.running)
	r.mu.Unlock()
	if work != nil {
		work(ctx, r, c)
	}
	r.mu.Lock()
	r.running--
	r.handled[c.ID] = append(r.handled[c.ID], handling{from, r.now(), c.Expired})
	r.mu.Unlock()
	c.Queue, c.Owner, c.Due = "", "", time.Time{}
	_ = r.journal.Save(ctx, &c.Record)[0]
}

func (r *rig) now() time.Duration { return time.Since(r.start) }

// wait lets virtual time pass until all is quiet at this time of the test.
func (r *rig) wait(until time.Duration) {
	<-time.After(until - r.now())
	synctest.Wait()
}

func (r *rig) times(id string) []handling {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handled[id]
}

// put lets records wait in the queue until they are due.
func (r *rig) put(t *testing.T, due time.Duration, ids ...string) {
	t.Helper()
	for _, id := range ids {
		record := &ports.Record{Tenant: "t", Kind: "job", ID: id, Queue: name, Due: r.start.Add(due), Body: []byte("{}")}
		if err := r.journal.Save(t.Context(), record)[0]; err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) wantHandled(t *testing.T, id string, want ...handling) {
	t.Helper()
	if got := r.times(id); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s was handled %v, want %v (from, to, expired)", id, got, want)
	}
}

// counter counts what is logged.
type counter struct{ n *atomic.Int64 }

func (counter) Enabled(context.Context, slog.Level) bool    { return true }
func (c counter) Handle(context.Context, slog.Record) error { c.n.Add(1); return nil }
func (c counter) WithAttrs([]slog.Attr) slog.Handler        { return c }
func (c counter) WithGroup(string) slog.Handler             { return c }

func takes(d time.Duration) func(context.Context, *rig, ports.Claim) {
	return func(context.Context, *rig, ports.Claim) { <-time.After(d) }
}

func TestWhatIsDueIsFoundWhenTheWorkerLooks(t *testing.T) {
	within(t, 4, nil, func(t *testing.T, r *rig) {
		r.put(t, 0, "now")
		r.put(t, 3*idle, "later")
		r.wait(idle - 1)
		r.wantHandled(t, "now")
		r.wait(idle)
		r.wantHandled(t, "now", handling{from: idle, to: idle})
		r.wait(3*idle - 1)
		r.wantHandled(t, "later")
		r.wait(3 * idle)
		r.wantHandled(t, "later", handling{from: 3 * idle, to: 3 * idle})
	})
}

func TestANudgeWakesAtOnce(t *testing.T) {
	within(t, 4, nil, func(t *testing.T, r *rig) {
		r.wait(time.Second)
		r.put(t, 0, "now")
		r.Nudge()
		r.wait(time.Second)
		r.wantHandled(t, "now", handling{from: time.Second, to: time.Second})
	})
}

// A nudge that comes while the worker is busy is for a record that it has not
// looked for: it must not be lost.
func TestANudgeIsKeptWhileTheWorkerIsBusy(t *testing.T) {
	within(t, 1, takes(time.Second), func(t *testing.T, r *rig) {
		r.put(t, 0, "first")
		r.Nudge()
		synctest.Wait()
		r.put(t, 0, "second")
		for range 100 {
			r.Nudge() // and never blocks, however many there are
		}
		r.wait(2 * time.Second)
		r.wantHandled(t, "first", handling{from: 0, to: time.Second})
		r.wantHandled(t, "second", handling{from: time.Second, to: 2 * time.Second})
	})
}

func TestANudgeBeforeTheWorkerRunsIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looked atomic.Int64
		w := &worker.Worker{
			Journal: claimer{claim: func(context.Context) []ports.Claim { looked.Add(1); return nil }},
			Idle:    idle, Limit: 1, Log: slog.New(slog.DiscardHandler),
		}
		w.Nudge()
		w.Nudge()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		synctest.Wait()
		if n := looked.Load(); n != 2 {
			t.Errorf("looked %d times, want at the start and for the nudge", n)
		}
	})
}

func TestNoMoreAtOnceThanThereArePlaces(t *testing.T) {
	within(t, 3, takes(time.Second), func(t *testing.T, r *rig) {
		for i := range 10 {
			r.put(t, 0, fmt.Sprint(i))
		}
		r.Nudge()
		r.wait(4 * time.Second)
		if len(r.handled) != 10 || r.most != 3 {
			t.Errorf("%d handled in 4 s, at most %d at once; want 10 and 3", len(r.handled), r.most)
		}
	})
}

// One record that takes long holds one place, not the others.
func TestAPlaceIsFilledAsSoonAsItIsFree(t *testing.T) {
	slow := func(_ context.Context, _ *rig, c ports.Claim) {
		if c.ID == "0" {
			<-time.After(10 * time.Second)
		} else {
			<-time.After(time.Second)
		}
	}
	within(t, 2, slow, func(t *testing.T, r *rig) {
		r.put(t, 0, "0", "1", "2", "3", "4")
		r.Nudge()
		r.wait(4 * time.Second)
		r.wantHandled(t, "0")
		r.wantHandled(t, "4", handling{from: 3 * time.Second, to: 4 * time.Second})
	})
}

// A record that is claimed is nobody else's until its lease has run out. What a
// worker has no place for, it leaves to others.
func TestNoMoreIsClaimedThanThereArePlaces(t *testing.T) {
	within(t, 2, takes(time.Second), func(t *testing.T, r *rig) {
		r.put(t, 0, "1")
		r.Nudge()
		synctest.Wait()
		r.put(t, 0, "2", "3")
		r.Nudge()
		synctest.Wait()
		claims, err := r.journal.Claim(t.Context(), name, "another", lease, 10)
		if err != nil || len(claims) != 1 || claims[0].ID != "3" {
			t.Errorf("another worker gets %+v, %v; want the third record", claims, err)
		}
	})
}

func TestAFailingJournalIsAskedAgainAfterTheIdleTime(t *testing.T) {
	within(t, 4, nil, func(t *testing.T, r *rig) {
		r.fail.Store(fault.New(fault.Unavailable, "scripted", ""))
		r.put(t, 0, "now")
		before := r.claims.Load()
		r.wait(5 * idle)
		if n := r.claims.Load() - before; n != 5 {
			t.Errorf("asked %d times in 5 idle times, want 5", n)
		}
		if n := r.warned.Load(); n != 5 {
			t.Errorf("%d warnings, want one a failure", n)
		}
		r.fail.Store(nil)
		r.wait(6 * idle)
		r.wantHandled(t, "now", handling{from: 6 * idle, to: 6 * idle})
	})
}

// What is not saved comes again, marked: its outcome is unknown.
func TestWhatIsNotFinishedComesAgainAsExpired(t *testing.T) {
	hangs := func(_ context.Context, r *rig, c ports.Claim) {
		if !c.Expired {
			<-time.After(lease + time.Minute)
		}
	}
	within(t, 2, hangs, func(t *testing.T, r *rig) {
		r.put(t, 0, "1")
		r.Nudge()
		r.wait(lease)
		r.wantHandled(t, "1", handling{from: lease, to: lease, expired: true})
	})
}

func TestOnlyItsOwnQueueIsServed(t *testing.T) {
	within(t, 2, nil, func(t *testing.T, r *rig) {
		other := &ports.Record{Tenant: "t", Kind: "job", ID: "1", Queue: "others", Due: r.start, Body: []byte("{}")}
		if err := r.journal.Save(t.Context(), other)[0]; err != nil {
			t.Fatal(err)
		}
		r.Nudge()
		r.wait(idle)
		r.wantHandled(t, "1")
	})
}
