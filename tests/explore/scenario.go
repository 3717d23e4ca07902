package explore

import (
	"context"
	"slices"
	"time"

	"patchbay/core/idempotency"
)

// Scenario is a script of callers' acts, and the disturbances that can occur.
type Scenario struct {
	Name string
	Acts []Act
	// Fates are the possible fates of a request to a provider besides the default. Looks are those
	// of requests that only read. Always can apply to all later requests of the same thread.
	Fates, Looks, Always []string

	Providers int           // 1 if 0
	Attempts  int           // attempts per call, by the resilience policy; 1 if 0
	Refuses   string        // the default fate of requests to the first provider
	Skew      time.Duration // of the provider's clock
	Page      int           // how many intents a list returns at most; as requested if 0
	Unlisted  bool          // the provider lists nothing, and finds the intent of an operation; keys are kept for five minutes

	JournalFaults bool // journal calls can fail or lose their results
	Stalls        bool // a process can stall for longer than its lease
	Slow          bool // a response can take longer than the caller waits
	Crashes       int  // how often a process can be killed
	Notices       bool // the gateway notices that a backup was restored
	Clocks        []time.Duration
	Events        bool // events are delivered; otherwise all are lost

	Bound   int  // the bound of the short form; 1 if 0
	Once    bool // only the default order is run
	Longest int  // the step after which there are no more departures

	domain func(w *world) domain
}

// Act is an action of a caller, or an action on the whole world.
type Act struct {
	Name string
	At   int // the process that gets the request
	Key  string
	do   func(ctx context.Context, p *process) string
	on   func(w *world) // instead of do: an action on the whole world
}

// perform begins an act.
func (w *world) perform(p *process, act Act, n int) {
	if act.on != nil {
		act.on(w)
		if n >= 0 {
			w.answers[n] = "done"
		}
		return
	}
	t := w.start(p, act.Name+" at "+p.name, n, func(ctx context.Context) string { return act.do(ctx, p) })
	if n >= 0 {
		w.last = t
	}
}

// backup returns an Act that stores the state of the journal.
func backup() Act {
	return Act{Name: "a backup", on: func(w *world) {
		state := w.journal.State()
		w.backup, w.backupHash, w.backedUp = &state, w.journalHash, time.Now()
		w.domain.remember()
	}}
}

// restore returns an Act that restores the backup and replaces all processes.
func restore() Act {
	return Act{Name: "the backup, restored,", on: func(w *world) {
		w.replace(func() {
			w.restored = time.Now()
			w.journal.Restore(*w.backup)
			w.journalNew = true
			w.domain.forget()
		})
		for _, p := range w.processes {
			if p.recalls {
				w.work(p)
			}
		}
	}}
}

// passes returns an Act that lets time pass and executes what becomes due. After idempotency.Kept,
// the keys used so far have expired and are not repeated.
func passes(d time.Duration) Act {
	return Act{Name: "the end of " + d.String(), on: func(w *world) {
		w.ending = true // no choices meanwhile, as at the end of a history
		w.drain()
		w.hours(d)
		w.ending = false
		if d > idempotency.Kept {
			w.expired = w.acted
		}
	}}
}

// replace makes a change and replaces all processes, which does not count as crashes.
func (w *world) replace(change func()) {
	old := slices.Clone(w.processes)
	change()
	for _, p := range old {
		w.kill(p)
	}
	w.crashes -= len(old)
}

// step takes the default option. It returns false if there is none.
func (w *world) step() bool {
	w.settle()
	all := w.options()
	if len(all) == 0 {
		return false
	}
	w.take(all[0])
	return true
}

func (w *world) take(o option) {
	w.taken++
	if w.labels != nil {
		*w.labels = append(*w.labels, o.label())
	}
	o.take()
}

// most is the maximum number of steps of a history, so that an endless history is detected.
const most = 2000

// drain takes default steps until nothing is in progress.
func (w *world) drain() {
	for w.step() {
		if w.taken > most {
			w.fail("it never ends: see what repeats itself")
			return
		}
	}
}

// hours lets time pass and executes what becomes due.
func (w *world) hours(d time.Duration) {
	for end := time.Now().Add(d); w.taken <= most; {
		due := w.due()
		if due < 0 || time.Now().Add(due).After(end) {
			w.take(w.waits(time.Until(end), false, "to the end"))
			w.drain()
			if !time.Now().Before(end) {
				return
			}
			continue
		}
		w.take(w.waits(due, false, "until the next is due"))
		w.drain()
	}
}

// end removes all disturbances, lets time pass, and repeats each caller's request with its key
// twice: after 20 minutes and 5 hours later.
func (w *world) end() {
	w.ending = true
	for _, p := range w.processes {
		p.frozen = time.Time{}
	}
	w.drain()
	if w.scenario.Events {
		for i := range w.domain.events() {
			if i >= len(w.deliveries) || w.deliveries[i] == 0 {
				w.take(w.delivers(i))
				w.drain()
			}
		}
	}
	w.hours(20 * time.Minute)
	w.settle()
	w.calm()
	w.repeats()
	w.hours(5 * time.Hour)
	w.repeats()
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.domain.over()
}

// calm checks accepted requests before callers repeat them.
func (w *world) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.domain.calm()
}

// repeats repeats the request of each key.
func (w *world) repeats() {
	done := map[string]bool{}
	for _, act := range w.scenario.Acts[w.expired:w.acted] {
		if act.Key == "" || done[act.Key] {
			continue
		}
		done[act.Key] = true
		p := w.processes[len(done)%len(w.processes)]
		act.Name = "late repeat of " + act.Name
		w.take(option{label: func() string { return act.Name + " comes to " + p.name }, take: func() { w.perform(p, act, -1) }})
		w.drain()
	}
}
