package logging

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
)

const (
	// inARow is how many consecutive failures of one kind of call begin an outage.
	inARow = 3
	// settled is how long nothing may fail before an outage ends.
	settled = 5 * time.Second
	// again is the interval between lines about a continuing outage.
	again = time.Minute
	// shown is how many lines with the same text, about different objects, are left unfolded
	// during an outage.
	shown = 3
)

// Outages has the outages of everything that the gateway depends on. An outage is logged when it
// begins, with its first cause, each minute, and when it ends. Other lines that it causes are
// folded: they are written at debug level only.
type Outages struct {
	write func(level slog.Level, msg string, attrs ...slog.Attr)

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
	if o.all == nil {
		o.all = make(map[string]*Outage)
	}
	one := &Outage{outages: o, of: of, provider: provider, effect: effect}
	o.all[provider] = one
	return one
}

// Outage is the state of one dependency. Its methods may be called concurrently; while
// everything works they cost nothing.
type Outage struct {
	outages              *Outages
	of, provider, effect string

	uneasy atomic.Bool // something failed recently

	mu     sync.Mutex
	rows   map[string]row // by kind of call
	cause  row            // of the current outage
	down   bool           // set by Down, cleared by Up
	open   bool
	worked time.Time // since when nothing fails any more; zero while something does
	now    tally     // counts since the last rest
	minute tally     // counts at the time of the last line
	folded map[string]int
	timer  *time.Timer
	ends   *time.Timer
}

// row is a series of consecutive failures.
type row struct {
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
	o.uneasy.Store(true)
	r := o.fail(op, err)
	o.now.failed++
	if r.n >= inARow || fault.KindOf(err).Rule().Alert {
		o.begin(r)
	}
}

func (o *Outage) fail(op string, err error) row {
	now := time.Now() //nolint:forbidigo // it measures how long it lasts, whatever the clock is set to
	r, some := o.rows[op]
	if !some {
		r = row{first: err, since: now}
	}
	r.n, r.last = r.n+1, now
	if o.rows == nil {
		o.rows = make(map[string]row)
	}
	o.rows[op] = r
	o.worked = time.Time{}
	if o.ends != nil {
		o.ends.Stop()
	}
	return r
}

// Down records that the dependency is down until Up is called. Whoever monitors it makes no
// calls in the meantime. err may be nil if the cause is not known.
func (o *Outage) Down(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.uneasy.Store(true)
	o.down = true
	now := time.Now() //nolint:forbidigo // as above
	first := row{first: err, since: now}
	for _, r := range o.rows {
		if r.since.Before(first.since) || err == nil {
			first = r
		}
	}
	o.begin(first)
}

// Up reverts Down. The outage ends once nothing fails any more.
func (o *Outage) Up() {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
	o.recovers()
}

// Worked records a call that succeeded.
func (o *Outage) Worked(op string) {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rows, op)
	if o.open {
		o.recovers()
		return
	}
	now := time.Now() //nolint:forbidigo // as above
	for op, r := range o.rows {
		if now.Sub(r.last) > again { // the failures are rare, and everything else works
			delete(o.rows, op)
		}
	}
	if len(o.rows) == 0 {
		o.rest()
	}
}

// Passed records a call that was not made because the dependency is down.
func (o *Outage) Passed() {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now.passed++
}

// rest clears the failures and the counts.
func (o *Outage) rest() {
	o.rows, o.cause, o.now, o.minute = nil, row{}, tally{}, tally{}
	o.uneasy.Store(false)
}

func (o *Outage) begin(cause row) {
	if o.open {
		return
	}
	o.open, o.cause, o.folded, o.worked = true, cause, make(map[string]int), time.Time{}
	o.outages.open.Add(1)
	attrs := []slog.Attr{slog.Any("error", cause.first)}
	if o.effect != "" {
		attrs = append(attrs, slog.String("effect", o.effect))
	}
	o.tell(slog.LevelError, "outage began", attrs...)
	o.timer = o.after(again, o.continues)
}

// after calls f after d.
func (o *Outage) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		if err := guard.Do(func() error { f(); return nil }); err != nil {
			o.outages.write(slog.LevelError, "panic in the background", slog.String("what", "outages"), slog.Any("error", err))
		}
	})
}

func (o *Outage) tell(level slog.Level, msg string, attrs ...slog.Attr) {
	o.outages.write(level, msg, append([]slog.Attr{slog.String("of", o.of), slog.String("provider", o.provider)}, attrs...)...)
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
	o.timer.Reset(again)
	if o.now == o.minute {
		return
	}
	o.minute = o.now
	lasts := time.Since(o.cause.since).Round(time.Second) //nolint:forbidigo // as above
	o.tell(slog.LevelWarn, "outage goes on", append([]slog.Attr{slog.Duration("for", lasts)}, o.now.attrs()...)...)
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
	o.ends = o.after(settled-now.Sub(o.worked), o.end)
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
	o.tell(slog.LevelInfo, "outage ended", append([]slog.Attr{slog.Duration("for", lasted)}, o.now.attrs()...)...)
	o.rest()
	o.timer = o.after(again, o.over)
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
		o.tell(slog.LevelInfo, "outage left more lines, written at debug", slog.Int("folded", n))
	}
}
