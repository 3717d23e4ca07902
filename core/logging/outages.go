package logging

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
)

const (
	// minFailures is how many consecutive failures of one kind of call begin an outage.
	minFailures = 3
	// quietPeriod is how long nothing may fail before an outage ends.
	quietPeriod = 5 * time.Second
	// lineInterval is the time between two lines about a continuing outage.
	lineInterval = time.Minute
	// maxUnfolded is how many lines with the same text, about different objects, are left unfolded
	// during an outage.
	maxUnfolded = 3
)

// Outages has the outages of everything that the gateway depends on. An outage is logged when it
// begins, with its first cause, each minute, with its latest, and when it ends; and once more if a
// cause follows that a person must remove. Other lines that it causes are folded: they are written at
// debug level only.
type Outages struct {
	log *slog.Logger // which folds nothing

	open atomic.Int64 // how many are open or ended less than a minute ago; usually 0
	mu   sync.RWMutex
	all  map[string]*Outage // by provider
}

// Of returns the Outage of one dependency, always the same one for a provider's name. of is the
// kind of dependency: payments, mail, database, standby or spool. effect describes what its
// outage means.
func (o *Outages) Of(of, provider, effect string) *Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	if one := o.all[provider]; one != nil {
		return one
	}
	one := &Outage{outages: o, of: of, provider: provider, effect: effect, streaks: make(map[string]streak)}
	o.all[provider] = one
	return one
}

// Outage is the state of one dependency. Its methods may be called concurrently; while
// everything works they cost nothing.
type Outage struct {
	outages              *Outages
	of, provider, effect string

	failing atomic.Bool // something failed recently

	mu      sync.Mutex
	streaks map[string]streak // by kind of call
	cause   streak            // of the current outage
	latest  error             // the last failure, which may have another cause than the first
	alerted bool              // a line at error level has named a cause that a person must remove
	down    bool              // set by Down, cleared by Up
	open    bool
	worked  time.Time // since when nothing fails any more; zero while something does
	now     tally     // counts since the last reset
	minute  tally     // counts at the time of the last line
	folded  map[string]int
	timer   *time.Timer
	ends    *time.Timer
}

// streak is a series of consecutive failures.
type streak struct {
	n     int
	first error
	since time.Time
	last  time.Time
}

// tally counts the effects of an outage.
type tally struct{ failed, passed, folded int }

// Failed records a call that failed for a reason which counts against the callee. op is the kind
// of call, one of a few.
func (o *Outage) Failed(op string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing.Store(true)
	now := time.Now() //nolint:forbidigo // it measures how long it lasts, whatever the clock is set to
	r, some := o.streaks[op]
	if !some {
		r = streak{first: err, since: now}
	}
	r.n, r.last = r.n+1, now
	o.streaks[op] = r
	o.latest = err
	o.worked = time.Time{}
	if o.ends != nil {
		o.ends.Stop()
	}
	o.now.failed++
	alert := fault.KindOf(err).Rule().Alert
	if r.n >= minFailures || alert {
		o.begin(r)
	}
	if alert && !o.alerted { // the outage began for another reason, and this one does not pass by itself
		o.alerted = true
		o.report(slog.LevelError, "outage needs a person", slog.Any("error", err))
	}
}

// Down records that the dependency is down until Up is called. Whoever monitors it makes no
// calls in the meantime. err may be nil if the cause is not known.
func (o *Outage) Down(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing.Store(true)
	o.down = true
	now := time.Now() //nolint:forbidigo // as above
	first := streak{first: err, since: now}
	for _, r := range o.streaks {
		if r.since.Before(first.since) || err == nil {
			first = r
		}
	}
	o.begin(first)
}

// ifFailing calls change if something failed recently.
func (o *Outage) ifFailing(change func()) {
	if !o.failing.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// Up reverts Down. The outage ends once nothing fails any more.
func (o *Outage) Up() {
	o.ifFailing(func() {
		o.down = false
		o.recovers()
	})
}

// Passed records a call that was not made because the dependency is down.
func (o *Outage) Passed() { o.ifFailing(func() { o.now.passed++ }) }

// Worked records a call that succeeded.
func (o *Outage) Worked(op string) { o.ifFailing(func() { o.succeeded(op) }) }

func (o *Outage) succeeded(op string) {
	delete(o.streaks, op)
	if o.open {
		o.recovers()
		return
	}
	now := time.Now() //nolint:forbidigo // as above
	for op, r := range o.streaks {
		if now.Sub(r.last) > lineInterval { // the failures are rare, and everything else works
			delete(o.streaks, op)
		}
	}
	if len(o.streaks) == 0 {
		o.reset()
	}
}

// reset clears the failures and the counts.
func (o *Outage) reset() {
	o.cause, o.now, o.minute = streak{}, tally{}, tally{}
	o.latest, o.alerted = nil, false
	clear(o.streaks)
	o.failing.Store(false)
}

func (o *Outage) begin(cause streak) {
	if o.open {
		return
	}
	o.open, o.cause, o.folded, o.worked = true, cause, make(map[string]int), time.Time{}
	o.alerted = fault.KindOf(cause.first).Rule().Alert
	o.outages.open.Add(1)
	attrs := []slog.Attr{slog.Any("error", cause.first)}
	if o.effect != "" {
		attrs = append(attrs, slog.String("effect", o.effect))
	}
	o.report(slog.LevelError, "outage began", attrs...)
	o.timer = o.after(lineInterval, o.continues)
}

// after calls f after d.
func (o *Outage) after(d time.Duration, f func()) *time.Timer {
	return guard.AfterFunc(o.outages.log, d, "outages", f)
}

// report writes a line about the outage.
func (o *Outage) report(level slog.Level, msg string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("of", o.of), slog.String("provider", o.provider)}, attrs...)
	o.outages.log.LogAttrs(context.Background(), level, msg, attrs...) //nolint:sloglint // a constant of the caller
}

func (t tally) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Int("failed", t.failed), slog.Int("passed_over", t.passed), slog.Int("folded", t.folded)}
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Key != "failed" && a.Value.Int64() == 0 })
}

// continues logs an outage that continues. It logs nothing if nothing was counted since the last
// line.
func (o *Outage) continues() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open {
		return
	}
	o.timer.Reset(lineInterval)
	if o.now == o.minute {
		return
	}
	o.minute = o.now
	lasts := time.Since(o.cause.since).Round(time.Second) //nolint:forbidigo // as above
	attrs := append([]slog.Attr{slog.Duration("for", lasts)}, o.now.attrs()...)
	if err := cmp.Or(o.latest, o.cause.first); err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	o.report(slog.LevelWarn, "outage goes on", attrs...)
}

// recovers records that something works again, and schedules the end of the outage, since it may
// fail again in a moment.
func (o *Outage) recovers() {
	if !o.open || o.down {
		return
	}
	now := time.Now() //nolint:forbidigo // as above
	if o.worked.IsZero() {
		o.worked = now
	}
	if o.ends != nil {
		o.ends.Stop()
	}
	o.ends = o.after(quietPeriod-now.Sub(o.worked), o.end)
}

func (o *Outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || o.down || o.worked.IsZero() {
		return
	}
	o.timer.Stop()
	o.open = false
	lasted := o.worked.Sub(o.cause.since).Round(time.Millisecond)
	o.report(slog.LevelInfo, "outage ended", append([]slog.Attr{slog.Duration("for", lasted)}, o.now.attrs()...)...)
	o.reset()
	o.timer = o.after(lineInterval, o.over)
}

// over ends the period after an outage in which the lines that it caused are still folded.
func (o *Outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outages.open.Add(-1)
	if o.open { // another outage has begun
		return
	}
	o.folded = nil
	if n := o.now.folded; n > 0 {
		o.now.folded = 0
		o.report(slog.LevelInfo, "outage left more lines, written at debug", slog.Int("folded", n))
	}
}

// objects are the attributes that name what a line is about. A line without any of them adds
// nothing to the outage's own lines.
var objects = map[string]bool{"payment": true, "email": true, "webhook": true, "user": true, "record": true, "intent": true}

// folds reports whether an outage caused a line, and the line is to be folded.
func (o *Outages) folds(r *slog.Record) bool {
	if o.open.Load() == 0 || r.Level < slog.LevelInfo {
		return false
	}
	var failure error
	var provider string
	var object bool
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			failure = err
		}
		if a.Key == "provider" {
			provider = a.Value.String()
		}
		object = object || objects[a.Key]
		return true
	})
	o.mu.RLock()
	defer o.mu.RUnlock()
	unattributed := failure == nil || fault.From(failure).Provider == "" && causedByOutage(fault.KindOf(failure))
	if named := o.all[provider]; unattributed && named != nil && object {
		return named.fold(r.Message, maxUnfolded)
	}
	unfolded := 0
	if object {
		unfolded = maxUnfolded
	}
	for f := range faults(failure) {
		if one := o.all[f.Provider]; one != nil && causedByOutage(f.Kind) {
			return one.fold(r.Message, unfolded)
		}
	}
	return false
}

// causedByOutage reports whether an outage can cause this kind of failure. A declined card, for
// example, is not caused by one.
func causedByOutage(k fault.Kind) bool {
	return k.Rule().Trips || k == fault.Canceled || k == fault.Overloaded
}

// fold counts a line with this text, and reports whether more than unfolded of them have been
// counted.
func (o *Outage) fold(words string, unfolded int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folded == nil {
		return false
	}
	if o.folded[words]++; o.folded[words] <= unfolded {
		return false
	}
	o.now.folded++
	return true
}
