package storecopy

import (
	"context"
	"time"

	"patchbay/ports"
)

// Point is a position that a store's feed had reached at some time. It is kept outside of the
// store. If the feed has not reached it, or has another event there, the store was restored from
// an older copy.
type Point struct {
	Seq int64  `json:"seq"`
	ID  string `json:"id"` // of the event at Seq
}

// Behind reports whether a store is older than a point. The zero Point is older than every
// store.
func (p Point) Behind(ctx context.Context, j ports.Feed) (bool, error) {
	if p.Seq == 0 {
		return false, nil
	}
	events, err := j.Feed(ctx, ports.AllTenants, p.Seq-1, 1)
	if err != nil {
		return false, err
	}
	return len(events) == 0 || events[0].ID != p.ID, nil
}

// Latest returns the current end of the feed. It is not before p, unless the store is.
//
// Numbers have no gaps, so a search with doubling and halving steps finds the end in few reads,
// however long the feed.
func (p Point) Latest(ctx context.Context, j ports.Feed) (Point, error) {
	at, growing := p, true
	for step := int64(1); step > 0; {
		events, err := j.Feed(ctx, ports.AllTenants, at.Seq+step-1, 1)
		if err != nil {
			return p, err
		}
		if len(events) == 0 {
			growing = false
		} else {
			at = Point{events[0].Seq, events[0].ID}
		}
		if growing {
			step *= 2
		} else {
			step /= 2
		}
	}
	return at, nil
}

// lastWrite returns when the last event of a store's feed was written, the zero time if there is
// none.
func lastWrite(ctx context.Context, j ports.Feed) (time.Time, error) {
	last, err := Point{}.Latest(ctx, j)
	if err != nil || last.Seq == 0 {
		return time.Time{}, err
	}
	events, err := j.Feed(ctx, ports.AllTenants, last.Seq-1, 1)
	if err != nil || len(events) == 0 {
		return time.Time{}, err
	}
	return events[0].At, nil
}
