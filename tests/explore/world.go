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

// stall is how long a process stalls: longer than any lease.
const stall = 100 * time.Second

// world is one history of a scenario, in its own synctest bubble.
type world struct {
	scenario   *Scenario
	domain     domain
	gate       *gate
	journal    *memjournal.Journal
	processes  []*process // the live processes, by slot
	threads    []*thread  // in progress
	gone       []*thread  // of processes that were killed
	current    *thread    // the thread that ran last
	acted      int        // how many acts of the script have begun
	expired    int        // how many of them have expired keys
	last       *thread    // the thread of the last act
	answers    []string   // the responses, by act
	backup     *memjournal.State
	backedUp   time.Time // when the backup was made
	restored   time.Time // when it was restored
	deliveries []int     // how often each event was delivered
	crashes    int
	stepped    bool      // a clock has been stepped
	passed     int       // how often time has passed
	ending     bool      // no more choices
	taken      int       // the number of options taken
	labels     *[]string // the options taken, in words; nil if not recorded

	mu    sync.Mutex // guards what threads report
	wrong []string

	journalHash, bookHash uint64
	backupHash            uint64 // the hash of the backup
	journalNew, bookNew   bool   // the hash must be computed again
}

// domain is the explored code: payments or mail.
type domain interface {
	// open creates the services of a process.
	open(p *process)
	// kind returns the kind of the explored records.
	kind() string
	// serves reports whether the processes claim from this queue.
	serves(queue string) bool
	// saved records a write to the journal.
	saved(r ports.Record)
	// touched is called when a provider's book may have changed, with the provider's response.
	touched(answer []byte)
	// record hashes the part of a record that determines the rest of the history. exact reports
	// whether times are the same in each run.
	record(h *hasher, r ports.Record)
	exact() bool
	// book hashes the providers' books.
	book(h *hasher)
	// events returns how many events the providers have.
	events() int
	// deliver delivers an event to a process.
	deliver(ctx context.Context, p *process, event int)
	// remember keeps a copy of the responses at a backup. forget discards the responses since then.
	remember()
	forget()
	// settled reports whether nothing continues after the caller got this response.
	settled(answer string) bool
	// calm checks for violations twenty minutes after all disturbances have been removed.
	calm()
	// over checks for violations at the end.
	over()
	// summary returns a record in words.
	summary(r ports.Record) string
}

// process is one of the processes that share the journal.
type process struct {
	world   *world
	slot    int // its position; the process that replaces it has the same
	name    string
	journal journal
	run     func(ctx context.Context) // runs its workers
	service any
	common  *thread       // the thread for what it does on behalf of several threads
	recalls bool          // its workers first have to ask the providers for their books
	offset  time.Duration // the offset of its clock
	frozen  time.Time     // when it stalled; zero if it runs
	ids     map[string]int
}

// Now implements ports.Clock.
func (p *process) Now() time.Time { return time.Now().Add(p.offset).UTC().Truncate(time.Microsecond) }

// New implements ports.IDs. The ids are the same in each run of the same history.
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

// start starts a thread.
func (w *world) start(p *process, name string, act int, do func(ctx context.Context) string) *thread {
	t := &thread{name: name, at: p, act: act}
	ctx, cancel := context.WithCancel(t.with(context.Background()))
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

// work lets the worker of a process claim from its queues.
func (w *world) work(p *process) {
	t := w.start(p, p.name+" worker", -1, func(ctx context.Context) string {
		p.run(ctx)
		return ""
	})
	t.claims = true
}

// settle waits until all goroutines are blocked, and records what has happened since the last
// choice.
func (w *world) settle() {
	synctest.Wait()
	for _, s := range w.gate.newStops() {
		if t := s.thread; w.live(t.at) && !slices.Contains(w.threads, t) {
			w.threads = append(w.threads, t) // its caller got the response before it was done
		}
		s.thread.stops = append(s.thread.stops, s)
		slices.SortStableFunc(s.thread.stops, func(a, b *stop) int {
			return strings.Compare(a.call.op+a.call.about, b.call.op+b.call.about)
		})
	}
	w.threads = slices.DeleteFunc(w.threads, func(t *thread) bool {
		if t.claims && !slices.ContainsFunc(t.stops, func(s *stop) bool { return s.call.op == "claim" }) && !t.at.recalls {
			t.claims = false
			t.stop() // it has claimed; the claimed work continues
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

// fail records a violation. w.mu is held.
func (w *world) fail(wrong string) {
	if !slices.Contains(w.wrong, wrong) {
		w.wrong = append(w.wrong, wrong)
	}
}

// records returns the explored records, ordered by name.
func (w *world) records() []ports.Record {
	return slices.DeleteFunc(w.journal.Records(), func(r ports.Record) bool { return r.Kind != w.domain.kind() })
}

// runnable returns the stops of running processes, the default first: a stop of the thread that ran
// last, otherwise that of the oldest thread.
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

// release lets a thread continue.
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

// pass lets time pass. Unless whole is set, it returns earlier when a thread arrives or ends.
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

// due returns the time until the next record is due, or a negative value if there is none.
func (w *world) due() time.Duration {
	at, ok := w.journal.Next(w.domain.serves)
	if !ok {
		return -1
	}
	return max(time.Until(at), 0)
}

// idle returns the processes whose worker could claim from its queues.
func (w *world) idle() (able []*process) {
	for _, p := range w.processes {
		busy := slices.ContainsFunc(w.threads, func(t *thread) bool { return t.at == p && t.claims })
		if p.frozen.IsZero() && !busy {
			able = append(able, p)
		}
	}
	return able
}

// kill kills a process as kill -9 does, and starts another in its place. Its pending calls are
// never made.
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

// close ends all goroutines; time passes for those that wait for it.
func (w *world) close() {
	w.gate.close()
	for _, t := range append(w.gone, w.threads...) {
		t.stop()
	}
	<-time.After(10 * time.Minute)
}
