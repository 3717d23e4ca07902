package explore

import (
	"context"
	"slices"
	"time"

	"patchbay/core/idem"
)

// Scenario is what callers do, and what may go wrong meanwhile.
type Scenario struct {
	Name string
	Acts []Act
	// Fates of a provider's answers beside the usual one; Looks are those of requests
	// that only read; Always may befall all that somebody asks from then on.
	Fates, Looks, Always []string

	Providers int           // one where 0
	Attempts  int           // of a call, within a policy; one where 0
	Refuses   string        // what the first provider answers unless something else is chosen
	Skew      time.Duration // of the provider's clock
	Page      int           // how many intents it lists at once; as asked where 0

	JournalFaults bool // its answers are lost or refused
	Stalls        bool // a process may stand still beyond its lease
	Slow          bool // an answer may take longer than a caller waits
	Crashes       int  // how often a process may be killed
	Notices       bool // that an older state was restored
	Clocks        []time.Duration
	Events        bool // they are delivered; else all are lost

	Bound   int  // of the short form, one where 0
	Once    bool // its usual order alone
	Longest int  // the step after which nothing departs any more

	domain func(w *world) domain
}

// Act is one thing that a caller does, or that is done to all of it.
type Act struct {
	Name string
	At   int // the process that is asked
	Key  string
	do   func(ctx context.Context, p *process) string
	on   func(w *world) // in place of do: to all
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

// backup keeps the journal as it is now.
func backup() Act {
	return Act{Name: "a backup", on: func(w *world) {
		state := w.journal.State()
		w.backup, w.backupHash, w.backedUp = &state, w.journalHash, time.Now()
		w.domain.remember()
	}}
}

// restore puts it back: all processes end before, and others start on it.
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

// passes lets time pass, with what is due meanwhile. What was asked before may be another
// use of its key afterwards.
func passes(d time.Duration) Act {
	return Act{Name: "the end of " + d.String(), on: func(w *world) {
		w.ending = true // as in the end nothing is chosen meanwhile
		w.drain()
		w.hours(d)
		w.ending = false
		if d > idem.Kept {
			w.expired = w.acted
		}
	}}
}

// replace has other processes in place of all, with a change in between.
func (w *world) replace(change func()) {
	old := slices.Clone(w.processes)
	change()
	for _, p := range old {
		w.kill(p)
	}
	w.crashes -= len(old)
}

// step takes what happens by default. It is false where nothing does.
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
	if w.trace != nil {
		*w.trace = append(*w.trace, o.label())
	}
	o.take()
}

// most is how many steps a history may have, so that one which never ends is seen.
const most = 2000

// drain lets happen what is under way.
func (w *world) drain() {
	for w.step() {
		if w.taken > most {
			w.fail("it never ends: see what repeats itself")
			return
		}
	}
}

// hours lets time pass, with what is due meanwhile.
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

// end heals what was broken, lets time pass, and has every caller ask once more under
// each key: at once, and late.
func (w *world) end() {
	w.ending = true
	for _, p := range w.processes {
		p.frozen = time.Time{}
	}
	w.drain()
	if w.scenario.Events {
		for i := range w.domain.events() {
			if i >= len(w.told) || w.told[i] == 0 {
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

// calm looks what became of what was accepted before anybody asks again.
func (w *world) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.domain.calm()
}

// repeats asks once more what was asked under each key.
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
