// Package events reads the feed: the events of payments, messages and users, in one order
// without gaps.
package events

import (
	"context"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// CodeGone is the code for a cursor whose event is missing from the feed, or is another one.
const CodeGone = "cursor_gone"

// Service reads the feed.
type Service struct{ feed ports.Feed }

// New returns a Service on a feed.
func New(feed ports.Feed) *Service { return &Service{feed} }

// Read returns up to limit events of a tenant after the cursor, oldest first, and the cursor
// after them. An empty cursor is the beginning of the feed. next is never empty: at the end of
// the feed it is the position of the next event to come.
//
// Events are never removed from the feed. So if the event of a cursor is missing or another one,
// the store was restored from an older copy of itself, or is another store: the events that
// follow do not continue what the reader has read.
//
// Invalid: the cursor is not one of ours. A number alone, which earlier versions gave out, is
// ours only if its event is there: otherwise it is more likely a mistake, which must not make a
// reader begin again. Conflict with CodeGone: see above; the reader must begin again without a
// cursor.
func (s *Service) Read(ctx context.Context, tenant, cursor string, limit int) (events []event.Event, next string, err error) {
	at, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	last, events, err := s.from(ctx, tenant, at.seq, limit)
	switch {
	case err != nil:
		return nil, "", err
	case at.seq > 0 && at.mark == "" && last == nil:
		return nil, "", errCursor
	case at.seq > 0 && at.mark != "" && (last == nil || markOf(*last) != at.mark):
		return nil, "", fault.New(fault.Conflict, CodeGone, "the event that this cursor points at is not in the feed: "+
			"an older copy of the store was put back, or it is another store; read from the beginning, without a cursor")
	case len(events) > 0:
		last = &events[len(events)-1]
	}
	if last != nil {
		at = cursorAfter(*last)
	}
	return events, at.String(), nil
}

// from returns the event of a tenant with the given number, nil if there is none, and up to
// limit events after it.
func (s *Service) from(ctx context.Context, tenant string, seq int64, limit int) (at *event.Event, after []event.Event, err error) {
	if seq == 0 {
		after, err = s.feed.Feed(ctx, tenant, 0, limit)
		return nil, after, err
	}
	all, err := s.feed.Feed(ctx, tenant, seq-1, limit+1)
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	if all[0].Seq != seq {
		return nil, all[:min(len(all), limit)], nil
	}
	if at, after = &all[0], all[1:]; len(after) == 0 && len(at.Data) >= ports.PageBytes { // it alone has filled the page
		after, err = s.feed.Feed(ctx, tenant, seq, limit)
	}
	return at, after, err
}
