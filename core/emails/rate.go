package emails

import (
	"context"
	"math"
	"sync"
	"time"

	"patchbay/core/record"
	"patchbay/ports"
)

// Rate limits how many recipients a provider is given. The zero Rate does not.
type Rate struct {
	// Most is how many in each window of Per, which is a second, a minute, an hour or a day of UTC; 0
	// means any number.
	Most int
	Per  time.Duration
	// WarmUp is a second limit, for each day, that grows.
	WarmUp WarmUp
	// Waits means that what exceeds the rate waits for the provider. Otherwise it goes to the next
	// provider that has room.
	Waits bool
}

// WarmUp is a limit for each day of UTC that grows from one day to the next, as long as a new address is
// not known to those who receive its mail. The zero WarmUp limits nothing.
type WarmUp struct {
	Begins   time.Time // midnight of the first day; nothing is sent before
	FirstDay int       // recipients
	Growth   int       // percent from one day to the next
}

const day = 24 * time.Hour

// most returns the limit on the day that begins at the given time.
func (w WarmUp) most(at time.Time) int {
	days := int(at.Sub(w.Begins) / day)
	if at.Before(w.Begins) {
		return 0
	}
	most := float64(w.FirstDay) * math.Pow(1+float64(w.Growth)/100, float64(days))
	return int(math.Min(most, math.MaxInt32))
}

// limits returns the limits that apply at a time, by the length of their windows.
func (r Rate) limits(at time.Time) map[time.Duration]int {
	all := map[time.Duration]int{}
	if r.Most > 0 {
		all[r.Per] = r.Most
	}
	if r.WarmUp.FirstDay > 0 {
		most := r.WarmUp.most(at.UTC().Truncate(day))
		if r.Most > 0 && r.Per == day {
			most = min(most, r.Most)
		}
		all[day] = most
	}
	return all
}

// smallest returns the smallest of the limits.
func (r Rate) smallest(at time.Time) int {
	least := math.MaxInt
	for _, most := range r.limits(at) {
		least = min(least, most)
	}
	return least
}

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
}

type window struct {
	Start time.Time `json:"start"`
	Used  int       `json:"used"` // recipients
}

// budget is how much room there is at a provider with a Rate, as far as this process knows.
type budget struct {
	Rate
	provider string
	records  record.Repository[record.Entry[given]]
	clock    ports.Clock
	used     func(until time.Time) // is called when there is no room left, once for each window

	taking sync.Mutex // held while more is taken from the record

	mu    sync.Mutex
	left  int       // taken from the record, and not used yet
	until time.Time // when what is left ends, being of a window that is over
	// Until full, no more than spare recipients can be given.
	full  time.Time
	spare int
	// pending are messages that were claimed from the queue and have not taken their room yet.
	pending int
}

// room returns for how many recipients there may be room now; if there is none, also when there will be.
func (b *budget) room() (n int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.roomLocked()
}

func (b *budget) roomLocked() (n int, until time.Time) {
	if !b.clock.Now().Before(b.full) {
		return math.MaxInt, time.Time{}
	}
	return b.spare, b.full
}

// claimable returns how many messages may be claimed so that the oldest get the room: those that there is
// room for, or a single one that finds out. wait is until when there are none.
func (b *budget) claimable() (n int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if room, until := b.roomLocked(); room == 0 {
		return 0, until.Sub(now)
	}
	left := b.left
	if !now.Before(b.until) {
		left = 0
	}
	if n := left - b.pending; n > 0 {
		return n, 0
	}
	if b.pending == 0 {
		return 1, 0
	}
	return 0, time.Second // it is nudged before
}

// claimed notes that messages were claimed, and with a negative n that they are done with.
func (b *budget) claimed(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending += n
}

// take takes room for n recipients, of a window that ends at until. If there is none, until says when to
// ask again. The errors are those of the journal.
func (b *budget) take(ctx context.Context, n int) (ok bool, until time.Time, err error) {
	b.taking.Lock()
	defer b.taking.Unlock()
	now := b.clock.Now()
	if ok, until := b.takeLeft(now, n); !until.IsZero() {
		return ok, until, nil
	}
	b.mu.Lock()
	missing := n - b.left
	b.mu.Unlock()
	var got taken
	_, err = b.records.Put(ctx, rateTenant, b.provider, func(e *record.Entry[given]) error {
		got = b.reserve(&e.Value, now, missing, n)
		if got.n == 0 {
			return record.ErrUnchanged
		}
		e.Record.Index.Created = time.Unix(0, 0)
		return nil
	})
	if err != nil {
		return false, time.Time{}, err
	}
	ok, until = b.settle(got, n)
	return ok, until, nil
}

// takeLeft takes room from what is left. If it is known that there is not enough, it returns until when; if
// the record must be asked, the zero time.
func (b *budget) takeLeft(now time.Time, n int) (ok bool, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.until) {
		b.left = 0
	}
	switch {
	case b.left >= n:
		b.left -= n
		b.spare = max(b.spare-n, 0)
		return true, b.until
	case now.Before(b.full) && n > b.spare:
		return false, b.full
	}
	return false, time.Time{}
}

// taken is what was taken from the record: n recipients until a time, or none, and then how many there
// would be.
type taken struct {
	n, free int
	until   time.Time
}

// reserve takes at least missing recipients from the record, and as many as a share of the window has. A
// message for more recipients than a window ever has is given alone, as the first of a window.
func (b *budget) reserve(g *given, now time.Time, missing, whole int) taken {
	if g.Windows == nil {
		g.Windows = map[time.Duration]window{}
	}
	limits := b.limits(now)
	t := taken{free: math.MaxInt}
	least, alone := math.MaxInt, true
	var ends time.Time // of the windows without enough room, the last
	for per, most := range limits {
		w := current(g.Windows[per], per, now)
		g.Windows[per] = w
		free, end := max(most-w.Used, 0), w.Start.Add(per)
		least, t.free = min(least, most), min(t.free, free)
		if t.until.IsZero() || end.Before(t.until) {
			t.until = end
		}
		if free < missing && end.After(ends) {
			ends = end
		}
		alone = alone && most > 0 && (w.Used == 0 || free >= missing)
	}
	switch {
	case t.free >= missing:
		t.n = min(t.free, max(missing, least/share))
	case whole > least && alone:
		t.n = missing
	default:
		t.until = ends
		return t
	}
	for per := range limits {
		w := g.Windows[per]
		w.Used += t.n
		g.Windows[per] = w
	}
	return t
}

// apart is how far apart the clocks of gateways may be while they share a rate: ten times as far as they
// should be.
const apart = 5 * time.Minute

// current returns the window that is counted at a time. A process whose clock is behind counts in the
// window that others have begun already: if it began its own, the next of them would begin theirs again,
// and each would be given a whole window. One that was begun by a clock that was wrong is given up.
func current(w window, per time.Duration, now time.Time) window {
	start := now.UTC().Truncate(per)
	if w.Start.Before(start) || w.Start.After(now.Add(max(per, apart))) {
		return window{Start: start}
	}
	return w
}

// settle notes what was taken for a message of n recipients.
func (b *budget) settle(got taken, n int) (ok bool, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if got.n == 0 {
		news := !b.full.Equal(got.until)
		b.full, b.spare = got.until, b.left+got.free
		if news && b.spare == 0 && b.used != nil {
			b.used(got.until)
		}
		return false, got.until
	}
	b.left, b.until, b.spare = b.left+got.n-n, got.until, max(b.spare-n, 0)
	return true, got.until
}

// giveBack gives back the room of n recipients who were not sent anything, which was taken of the window
// that ends at until. Room of another window than the present one is of no use any more.
func (b *budget) giveBack(n int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.clock.Now(); until.Equal(b.until) && now.Before(until) {
		b.left += n
		if now.Before(b.full) {
			b.spare += n
		}
	}
}
