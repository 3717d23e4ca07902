package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// stall is how long a process stands still that is stopped: longer than any lease.
const stall = 100 * time.Second

// world is one history of a scenario, in a bubble of its own.
type world struct {
	scenario  *Scenario
	domain    domain
	gate      *gate
	journal   *memjournal.Journal
	processes []*process // those that live, in their order
	threads   []*thread  // under way
	gone      []*thread  // of processes that were killed
	current   *thread    // who went last
	acted     int        // acts of the script begun
	expired   int        // those of them whose keys have expired
	last      *thread    // of the last act
	answers   []string   // by act
	backup    *memjournal.State
	backedUp  time.Time // the backup was made
	restored  time.Time // it was put back
	told      []int     // events of providers, how often each was delivered
	crashes   int
	stepped   bool      // a clock was
	passed    int       // how often time did
	ending    bool      // no more choices
	taken     int       // options
	trace     *[]string // what was chosen, in words; nil where nobody reads it

	mu    sync.Mutex // of what threads tell
	wrong []string

	journalHash, bookHash uint64
	backupHash            uint64 // what the backup holds
	journalNew, bookNew   bool   // they are to be computed
}

// domain is what is explored: payments, or mail.
type domain interface {
	// open makes what serves in a process.
	open(p *process)
	// kind is that of the records that are explored.
	kind() string
	// serves reports whether the process takes from this queue here.
	serves(queue string) bool
	// saved takes note of what was written to the journal.
	saved(r ports.Record)
	// touched takes note that a provider's book may have changed, and of what it answered.
	touched(answer []byte)
	// record is a hash of what a record holds, as far as what comes depends on it. It is
	// exact where times are the same in each run.
	record(h *hasher, r ports.Record)
	exact() bool
	// book is a hash of what providers hold.
	book(h *hasher)
	// events is how many of them providers have to tell.
	events() int
	// deliver brings one to a process.
	deliver(ctx context.Context, p *process, event int)
	// remember keeps what was answered before a backup, forget drops what was answered since.
	remember()
	forget()
	// settled reports whether nothing goes on behind a caller who was answered so.
	settled(answer string) bool
	// calm looks for what is wrong twenty minutes after all was healed.
	calm()
	// over looks for what is wrong in the end.
	over()
	// tell is a record in words.
	tell(r ports.Record) string
}

// process is one of those that share the journal.
type process struct {
	world   *world
	slot    int // its place; a process that comes after it has the same
	name    string
	journal journal
	run     func(ctx context.Context) // its workers
	service any
	common  *thread       // what it does for all
	recalls bool          // its workers ask first what the providers hold, and have not done so
	offset  time.Duration // of its clock
	frozen  time.Time     // since when it stands still
	ids     map[string]int
}

// Now implements ports.Clock.
func (p *process) Now() time.Time { return time.Now().Add(p.offset).UTC().Truncate(time.Microsecond) }

// New implements ports.IDs: the same in each run of the same history.
func (p *process) New(prefix string) string {
	p.ids[prefix]++
	return fmt.Sprintf("%s_%s%04d", prefix, p.name, p.ids[prefix])
}

type storeClock struct{}

// Now implements ports.Clock.
func (storeClock) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newWorld(s *Scenario) *world {
	w := &world{scenario: s, gate: newGate(), journal: memjournal.New(storeClock{}), journalNew: true, bookNew: true}
	w.answers = make([]string, len(s.Acts))
	w.domain = s.domain(w)
	for slot := range 2 {
		w.processes = append(w.processes, w.boot(slot, string(rune('A'+slot))))
	}
	return w
}

func (w *world) boot(slot int, name string) *process {
	p := &process{world: w, slot: slot, name: name, ids: map[string]int{}}
	p.journal = journal{w.journal, p}
	p.common = &thread{name: name + " for all", at: p, act: -1, ended: true, stop: func() {}}
	w.domain.open(p)
	return p
}

// start begins a thread.
func (w *world) start(p *process, name string, act int, do func(ctx context.Context) string) *thread {
	t := &thread{name: name, at: p, act: act}
	ctx, cancel := context.WithCancel(t.within(context.Background()))
	t.stop = cancel
	w.threads = append(w.threads, t)
	w.current = t
	go func() {
		t.answer = do(ctx)
		t.ended = true
		w.gate.ring()
	}()
	return t
}

// work lets the workers of a process look into their queues.
func (w *world) work(p *process) {
	t := w.start(p, p.name+" worker", -1, func(ctx context.Context) string {
		p.run(ctx)
		return ""
	})
	t.claims = true
}

// settle takes in what happened since the last choice. Everybody is blocked.
func (w *world) settle() {
	synctest.Wait()
	for _, s := range w.gate.news() {
		if t := s.thread; w.live(t.at) && !slices.Contains(w.threads, t) {
			w.threads = append(w.threads, t) // its caller was answered before it was done
		}
		s.thread.stops = append(s.thread.stops, s)
		slices.SortStableFunc(s.thread.stops, func(a, b *stop) int {
			return strings.Compare(a.call.op+a.call.about, b.call.op+b.call.about)
		})
	}
	w.threads = slices.DeleteFunc(w.threads, func(t *thread) bool {
		if t.claims && !slices.ContainsFunc(t.stops, func(s *stop) bool { return s.call.op == "claim" }) && !t.at.recalls {
			t.claims = false
			t.stop() // it has looked; what it found goes on
		}
		if t.ended && t.act >= 0 && w.answers[t.act] == "" {
			w.answers[t.act] = t.answer
		}
		return t.ended && len(t.stops) == 0 && w.live(t.at) && (t.act < 0 || w.domain.settled(t.answer))
	})
	if w.journalNew || w.bookNew {
		w.hashes()
	}
}

func (w *world) live(p *process) bool { return slices.Contains(w.processes, p) }

func (w *world) saved(r ports.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.journalNew = true
	w.domain.saved(r)
}

func (w *world) touched(answer []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bookNew = true
	w.domain.touched(answer)
}

// fail notes what is wrong. w.mu is held.
func (w *world) fail(wrong string) {
	if !slices.Contains(w.wrong, wrong) {
		w.wrong = append(w.wrong, wrong)
	}
}

// records are those that are explored, by name.
func (w *world) records() []ports.Record {
	return slices.DeleteFunc(w.journal.Records(), func(r ports.Record) bool { return r.Kind != w.domain.kind() })
}

// runnable are the stops at which somebody may go on, the one that goes on by default
// first: who went last, else who has waited longest.
func (w *world) runnable() []*stop {
	var first, others []*stop
	for _, t := range w.threads {
		if !w.live(t.at) || !t.at.frozen.IsZero() {
			continue
		}
		if t == w.current {
			first = append(first, t.stops...)
		} else {
			others = append(others, t.stops...)
		}
	}
	return append(first, others...)
}

// release lets a thread go on.
func (w *world) release(s *stop, f *fate) {
	t := s.thread
	t.stops = slices.DeleteFunc(t.stops, func(other *stop) bool { return other == s })
	env := w.journalHash
	if s.call.wire {
		env = w.bookHash
	} else if s.call.writes {
		w.journalNew = true
	}
	h := hasher{sum: t.seen}
	h.text(s.call.op)
	h.text(f.name)
	h.number(env)
	h.number(w.moment())
	t.seen = h.sum
	w.current = t
	w.gate.release(s, f)
}

// pass lets time pass, until somebody arrives or ends where that is wanted.
func (w *world) pass(d time.Duration, whole bool) {
	w.passed++
	w.gate.quiet()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-w.gate.bell:
			if !whole {
				return
			}
		case <-timer.C:
			return
		}
	}
}

// due is how long it is until the next record is due, negative where none waits.
func (w *world) due() time.Duration {
	at, ok := w.journal.Next(w.domain.serves)
	if !ok {
		return -1
	}
	return max(time.Until(at), 0)
}

// idle are the processes whose worker could look into its queue.
func (w *world) idle() (able []*process) {
	for _, p := range w.processes {
		busy := slices.ContainsFunc(w.threads, func(t *thread) bool { return t.at == p && t.claims })
		if p.frozen.IsZero() && !busy {
			able = append(able, p)
		}
	}
	return able
}

// kill ends a process as kill -9 does, and starts another in its place. Whatever it
// was about to do is not done.
func (w *world) kill(p *process) {
	w.crashes++
	w.processes[p.slot] = w.boot(p.slot, p.name+"'")
	w.threads = slices.DeleteFunc(w.threads, func(t *thread) bool {
		if t.at == p && t.act >= 0 && !t.ended {
			w.answers[t.act] = "none: the process died"
		}
		if t.at == p {
			w.gone = append(w.gone, t)
		}
		return t.at == p
	})
}

// close lets everything end: what waits for time gets it.
func (w *world) close() {
	w.gate.close()
	for _, t := range append(w.gone, w.threads...) {
		t.stop()
	}
	<-time.After(10 * time.Minute)
}
