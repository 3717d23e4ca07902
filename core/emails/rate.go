package emails

import (
	"context"
	"maps"
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

// budget is how much room there is at a provider with a Rate, as far as this process knows.
type budget struct {
	Rate
	provider string
	records  record.Repository[record.Entry[given]]
	clock    ports.Clock
	used     func(until time.Time) // is called when there is no room left, once for each window

	taking sync.Mutex // held while more is taken from the record, or room is kept there
	seen   given      // the record as it was last

	mu   sync.Mutex
	left map[time.Duration]part // taken from the record, and not used yet
	// Before full, no more than spare recipients can be given.
	full  time.Time
	spare int
	kept  keeps // as the record had it last
	// pending are messages that were claimed from the queue and have not taken their room yet.
	pending int
}

// part is what is left of a window until it ends.
type part struct {
	recipients int
	until      time.Time
}

// room says of which windows the room of a call was taken, by when they end.
type room map[time.Duration]time.Time

// room returns for how many recipients of a message there may be room now, by the date of the message. If that
// is not enough, until says when to ask again.
func (b *budget) room(date time.Time) (n int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.roomLocked(date)
}

func (b *budget) roomLocked(date time.Time) (n int, until time.Time) {
	now := b.clock.Now()
	if !now.Before(b.full) || b.kept.areFor(date, now) { // the record knows
		return math.MaxInt, time.Time{}
	}
	return b.spare, b.full
}

// uncounted returns the limits of those windows in which a call is not counted yet, if its attempt is in some.
func (b *budget) uncounted(now time.Time, counted room) map[time.Duration]int {
	limits := b.limits(now)
	maps.DeleteFunc(limits, func(per time.Duration, _ int) bool { return now.Before(counted[per]) })
	return limits
}

// leftLocked returns for how many recipients these limits leave room without asking the record.
func (b *budget) leftLocked(now time.Time, limits map[time.Duration]int) int {
	n := math.MaxInt
	for per := range limits {
		p := b.left[per]
		if !now.Before(p.until) {
			return 0
		}
		n = min(n, p.recipients)
	}
	return n
}

// claimable returns how many messages may be claimed so that the oldest get the room: those that there is
// room for, or a single one that finds out. wait is until when there are none.
func (b *budget) claimable() (n int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if room, until := b.roomLocked(now); room == 0 {
		return 0, until.Sub(now)
	}
	if n := b.leftLocked(now, b.limits(now)) - b.pending; n > 0 {
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

// wanted is what a call wants room for.
type wanted struct {
	recipients int
	date       time.Time // of the message
	repeat     bool      // it is the repeat of a call
	counted    room      // says in which windows the calls before are counted
}

// take takes room for a call, once for each window. If there is none, of is nil, and until says when to ask again.
// The errors are those of the journal.
func (b *budget) take(ctx context.Context, c wanted) (of room, until time.Time, err error) {
	b.taking.Lock()
	defer b.taking.Unlock()
	now := b.clock.Now()
	limits := b.uncounted(now, c.counted)
	if of, until := b.takeLeft(now, limits, c.recipients, c.date); of != nil || !until.IsZero() {
		return of, until, nil
	}
	var got taken
	err = b.change(ctx, func(g *given) (changed bool) {
		got = b.reserve(g, now, limits, c)
		return got.of != nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	b.settle(got, c.recipients, c.date)
	return got.of, got.until, nil
}

// change changes the record. The caller holds taking.
func (b *budget) change(ctx context.Context, change func(*given) (changed bool)) error {
	e, err := b.records.Put(ctx, rateTenant, b.provider, func(e *record.Entry[given]) error {
		e.Value.notBefore(b.seen, b.clock.Now())
		changed := change(&e.Value)
		b.mu.Lock()
		b.kept = keeps{e.Value.Kept, e.Value.Repeats}
		b.mu.Unlock()
		if !changed {
			return record.ErrUnchanged
		}
		e.Record.Index.Created = time.Unix(0, 0)
		return nil
	})
	if err == nil {
		b.seen = e.Value
	}
	return err
}

// takeLeft takes room from what is left. If it is known that there is not enough, it returns until when; if
// the record must be asked, the zero time.
func (b *budget) takeLeft(now time.Time, limits map[time.Duration]int, n int, date time.Time) (of room, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leftLocked(now, limits) >= n {
		return b.useLocked(limits, n), time.Time{}
	}
	// What is known is the room in all windows. There may be some in those that are asked for.
	if most, until := b.roomLocked(date); n > most && len(limits) == len(b.limits(now)) {
		return nil, until
	}
	return nil, time.Time{}
}

// useLocked takes room for n recipients from what is left.
func (b *budget) useLocked(limits map[time.Duration]int, n int) room {
	of := room{}
	for per := range limits {
		p := b.left[per]
		p.recipients -= n
		b.left[per], of[per] = p, p.until
	}
	b.spare = max(b.spare-n, 0)
	return of
}

// taken is what was taken from the record: nothing if of is nil, and then how many recipients there would be
// room for, and until when.
type taken struct {
	add   map[time.Duration]part
	of    room
	free  int
	until time.Time
	keeps bool // room is kept for another message
}

// reserve takes room for a call from the record, beside what is left, and as many as a share of the
// window has. A message for more recipients than a window ever has is given alone, as the first of a window.
func (b *budget) reserve(g *given, now time.Time, limits map[time.Duration]int, c wanted) taken {
	n, date := c.recipients, c.date
	keep, kept := keeps{g.Kept, g.Repeats}.from(date, now)
	t := taken{free: math.MaxInt, keeps: keep > 0}
	least, alone, had := math.MaxInt, true, map[time.Duration]part{}
	for per, most := range limits {
		w := g.current(per, now)
		p := b.leftOf(per, w.Start.Add(per))
		had[per] = p
		free := p.recipients + max(most-w.Used-keep, 0)
		least, t.free = min(least, most), min(t.free, free)
		opens := p.until
		if per == day {
			opens = latest(opens, b.WarmUp.Begins)
		}
		if free < n && opens.After(t.until) {
			t.until = opens
		}
		alone = alone && most > 0 && (w.Used+keep == 0 || free >= n)
	}
	whole := min(t.free, max(n, least/share)) // with what is left
	switch {
	case t.free >= n:
	case n > least && alone:
		whole = n
	default:
		if t.keeps && kept.Before(t.until) {
			t.until = kept
		}
		return t
	}
	t.add, t.of, t.until = map[time.Duration]part{}, room{}, time.Time{}
	for per, p := range had {
		more := max(whole-p.recipients, 0)
		g.use(per, more)
		t.add[per], t.of[per] = part{more, p.until}, p.until
	}
	g.taken(c, now)
	return t
}

// leftOf returns what is left of the window that ends at a time.
func (b *budget) leftOf(per time.Duration, until time.Time) part {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.left[per]; p.until.Equal(until) {
		return p
	}
	return part{until: until}
}

// settle notes what was taken for a message.
func (b *budget) settle(got taken, n int, date time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if got.of == nil {
		another := !b.full.Equal(got.until) // window
		b.full, b.spare = got.until, got.free
		b.kept.without(date) // there was not enough for it
		if another && b.spare == 0 && !got.keeps && b.used != nil {
			b.used(got.until)
		}
		return
	}
	for per, add := range got.add {
		p := b.left[per]
		if !p.until.Equal(add.until) {
			p = part{until: add.until}
		}
		p.recipients += add.recipients - n
		b.left[per] = p
	}
	b.spare = max(b.spare-n, 0)
}

// giveBack gives back the room of n recipients who were not sent anything. Room of a window that is over is of
// no use any more.
func (b *budget) giveBack(n int, of room) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, all := b.clock.Now(), len(of) > 0
	for per, until := range of {
		p := b.left[per]
		if !until.Equal(p.until) || !now.Before(until) {
			all = false
			continue
		}
		p.recipients += n
		b.left[per] = p
	}
	switch {
	case all:
		b.spare += n
	case len(of) > 0:
		b.full = time.Time{} // how much there is now, the record knows
	}
}

// keep keeps room for a message that does not find enough, once there is some at a time. Younger ones leave it
// then; an older one that waits as well comes first.
func (b *budget) keep(ctx context.Context, n int, date, from time.Time) error {
	b.taking.Lock()
	defer b.taking.Unlock()
	now := b.clock.Now()
	return b.change(ctx, func(g *given) (changed bool) {
		if now.Before(g.Kept.Until) && g.Kept.Date.Before(date) {
			return false
		}
		g.Kept = kept{n, date, from, from.Add(keptFor)}
		return true
	})
}

// keepRepeat keeps room for a call that is to be repeated and does not find enough, as keep does: but for all such
// calls, since what is not repeated in time is not repeated at all.
func (b *budget) keepRepeat(ctx context.Context, n int, date, from time.Time) error {
	b.taking.Lock()
	defer b.taking.Unlock()
	now := b.clock.Now()
	return b.change(ctx, func(g *given) (changed bool) {
		switch k := &g.Repeats; {
		case !now.Before(k.Until):
			*k = kept{n, date, from, from.Add(keptFor)}
		case k.From.Equal(from):
			k.Recipients, k.Date = k.Recipients+n, latest(k.Date, date)
		default: // those who need it sooner come first
			return false
		}
		return true
	})
}
