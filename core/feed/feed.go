// Package feed is the stream of what happened: payments, messages and users, in
// one order, without gaps.
package feed

import (
	"context"
	"strconv"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Service reads the feed.
type Service struct{ journal ports.Journal }

// New makes a Service on a journal.
func New(journal ports.Journal) *Service { return &Service{journal} }

// Read gives up to limit events of a tenant after the cursor, oldest first, and
// the cursor after them. An empty cursor is the beginning. next is never empty:
// at the end of the feed it is where what comes next will be.
//
// Invalid: the cursor is not one of ours.
func (s *Service) Read(ctx context.Context, tenant, cursor string, limit int) (events []event.Feed, next string, err error) {
	var after int64
	if cursor != "" {
		after, err = strconv.ParseInt(cursor, 36, 64)
		if err != nil || after < 0 {
			return nil, "", fault.InvalidParam("cursor", "invalid_cursor", "cursor must be a nextCursor of this list")
		}
	}
	events, err = s.journal.Feed(ctx, tenant, after, limit)
	if err != nil {
		return nil, "", err
	}
	if len(events) > 0 {
		after = events[len(events)-1].Seq
	}
	return events, strconv.FormatInt(after, 36), nil
}
