package logging

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
)

const (
	// inARow is after how many failures of one sort of call, without a success between,
	// something is down.
	inARow = 3
	// settled is how long nothing may have failed before an outage is over.
	settled = 5 * time.Second
	// again is how often an outage is told of while it lasts.
	again = time.Minute
	// shown is how many lines with the same words, about different objects, an outage
	// leaves as they are.
	shown = 3
)

// Outages are those of all that the gateway needs: they are told of when they begin, with
// the first cause, each minute, and when they end. What others write of the same is folded:
// it is written at debug only.
type Outages struct {
	write func(level slog.Level, msg string, attrs ...slog.Attr)

	open atomic.Int64 // how many there are, or were lately: most of the time none
	mu   sync.RWMutex
	all  map[string]*Outage // by provider
}

// Of gives the Outage of one thing that may be down, always the same of a provider's name.
// of says what it is: payments, mail, database, standby or spool. effect says in words what
// its failing means.
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

// Outage is what is known of one thing that may be down. Its methods may be called at
// once from anywhere; while all is well they cost nothing.
type Outage struct {
	outages              *Outages
	of, provider, effect string

	uneasy atomic.Bool // something failed lately

	mu     sync.Mutex
	rows   map[string]row // by what was called
	cause  row            // of the outage
	down   bool           // it is down by what somebody says who looks after it
	open   bool
	worked time.Time // since when all goes well again
	now    tally     // since it began
	minute tally     // as it was when it was told of last
	folded map[string]int
	timer  *time.Timer
	ends   *time.Timer
}

// row is a number of failures without a success between.
type row struct {
	n     int
	first error
	since time.Time
	last  time.Time
}

// tally counts what an outage has done.
type tally struct{ failed, passed, folded int }

// Failed tells of a call that failed, for a reason that is held against whoever was called.
// op is the sort of call: one of few.
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

// Down tells that it is down, and stays so until Up: whoever looks after it leaves it
// alone. err may be nil where it is not known why.
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

// Up ends what Down began, once nothing fails any more.
func (o *Outage) Up() {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
	o.well()
}

// Worked tells of a call that went well.
func (o *Outage) Worked(op string) {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rows, op)
	if o.open {
		o.well()
		return
	}
	now := time.Now() //nolint:forbidigo // as above
	for op, r := range o.rows {
		if now.Sub(r.last) > again { // it is rare, and the rest goes well
			delete(o.rows, op)
		}
	}
	if len(o.rows) == 0 {
		o.rest()
	}
}

// Passed tells of a call that was not made, since it is down.
func (o *Outage) Passed() {
	if !o.uneasy.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now.passed++
}

// rest forgets what failed.
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
	o.timer = o.after(again, o.goesOn)
}

// after calls f later.
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
	attrs := []slog.Attr{slog.Int("failed", t.failed)}
	for _, a := range []slog.Attr{slog.Int("passed_over", t.passed), slog.Int("folded", t.folded)} {
		if a.Value.Int64() > 0 {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// goesOn tells of an outage that lasts. Where nothing was asked in this minute, nothing
// is known.
func (o *Outage) goesOn() {
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

// well tells that something went well. It may fail again in a moment.
func (o *Outage) well() {
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

// over ends the time after an outage in which what it has left behind is still folded.
func (o *Outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outages.open.Add(-1)
	if o.open { // it began again
		return
	}
	o.folded = nil
	if n := o.now.folded; n > 0 {
		o.now.folded = 0
		o.tell(slog.LevelInfo, "outage left more lines, written at debug", slog.Int("folded", n))
	}
}
