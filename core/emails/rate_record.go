package emails

import (
	"slices"
	"time"
)

const (
	rateTenant = "rates" // tenant of the records of what providers were given
	rateKind   = "mail_rate"
	// share is the part of a window that a process takes from the record at once. What it does not use is
	// lost if it dies: the rate is never exceeded for that.
	share = 20
)

// given is the record of what a provider was given, by all processes that share the store.
type given struct {
	Windows map[time.Duration]window `json:"windows"`
	Kept    kept                     `json:"kept,omitzero"`
	Repeats kept                     `json:"repeats,omitzero"` // for calls that are to be repeated
}

type window struct {
	Start time.Time `json:"start"`
	Used  int       `json:"used"` // recipients
}

// kept is room that younger messages leave to the oldest one that did not find enough, or to calls that are to be
// repeated. It is kept for a short time from when there is to be some: the message is due then. If it does not come,
// it may have been canceled.
type kept struct {
	Recipients int       `json:"recipients"`
	Date       time.Time `json:"date"` // of the message, or of the youngest
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
}

// keptFor is for how long room is kept at most.
const keptFor = time.Minute

// isFor reports whether the room is kept now, and a message of this date may take it.
func (k kept) isFor(date, now time.Time) bool {
	return !now.Before(k.From) && now.Before(k.Until) && !date.After(k.Date)
}

// from returns how much room a message of this date must leave now.
func (k kept) from(date, now time.Time) int {
	if now.Before(k.From) || !now.Before(k.Until) || !date.After(k.Date) {
		return 0
	}
	return k.Recipients
}

// taken notes that room was taken for a call, perhaps some that was kept.
func (g *given) taken(c wanted, now time.Time) {
	if g.Kept.isFor(c.date, now) && c.recipients >= g.Kept.Recipients {
		g.Kept = kept{}
	}
	if c.repeat && g.Repeats.isFor(c.date, now) {
		if g.Repeats.Recipients -= c.recipients; g.Repeats.Recipients <= 0 {
			g.Repeats = kept{}
		}
	}
}

// keeps are all the room that is kept.
type keeps [2]kept

// areFor reports whether a message of this date may take room that is kept now.
func (k keeps) areFor(date, now time.Time) bool {
	return slices.ContainsFunc(k[:], func(one kept) bool { return one.isFor(date, now) })
}

// from returns how much room a message of this date must leave now, and until when at least.
func (k keeps) from(date, now time.Time) (n int, until time.Time) {
	for _, one := range k {
		if left := one.from(date, now); left > 0 {
			n += left
			if until.IsZero() || one.Until.Before(until) {
				until = one.Until
			}
		}
	}
	return n, until
}

// without forgets what is kept for messages of this date.
func (k *keeps) without(date time.Time) {
	for i := range k {
		if !date.After(k[i].Date) {
			k[i] = kept{}
		}
	}
}

// apart is how far apart the clocks of gateways may be while they share a rate: ten times as far as they
// should be.
const apart = 5 * time.Minute

// current returns the window that is counted at a time. A process whose clock is behind counts in the
// window that others have begun already: if it began its own, the next of them would begin theirs again,
// and each would be given a whole window. One that was begun by a clock that was wrong is given up.
func (g *given) current(per time.Duration, now time.Time) window {
	w, start := g.Windows[per], now.UTC().Truncate(per)
	if w.Start.Before(start) || w.Start.After(now.Add(max(per, apart))) {
		w = window{Start: start}
	}
	g.Windows[per] = w
	return w
}

// notBefore counts what was counted before in the windows that last, where the record is older: a copy of the
// store was put back.
func (g *given) notBefore(seen given, now time.Time) {
	if g.Windows == nil {
		g.Windows = map[time.Duration]window{}
	}
	for per, was := range seen.Windows {
		w, start := g.Windows[per], now.UTC().Truncate(per)
		if w.Start.Equal(was.Start) && w.Used < was.Used || w.Start.Before(start) && was.Start.Equal(start) {
			g.Windows[per] = was
		}
	}
}

// use counts recipients in the current window.
func (g *given) use(per time.Duration, recipients int) {
	w := g.Windows[per]
	w.Used += recipients
	g.Windows[per] = w
}
