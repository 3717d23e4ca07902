package mailroom

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// Page is a part of a list, newest first. Next is empty at the end.
type Page struct {
	Messages []message.Message
	Next     string
}

// Get reads a message. NotFound, also for another tenant's.
func (s *Service) Get(ctx context.Context, tenant, id string) (message.Message, error) {
	st, err := s.load(ctx, tenant, id)
	return st.message, err
}

// List reads messages newest first; an empty status means all.
func (s *Service) List(ctx context.Context, tenant string, status message.Status, cursor string, limit int) (Page, error) {
	records, err := s.Journal.List(ctx, tenant, Kind, ports.Filter{Status: string(status)}, cursor, limit)
	if err != nil {
		return Page{}, err
	}
	page := Page{Messages: make([]message.Message, 0, len(records.Records)), Next: records.Next}
	for _, r := range records.Records {
		st, err := decode(r)
		if err != nil {
			return Page{}, err
		}
		page.Messages = append(page.Messages, st.message)
	}
	return page, nil
}

// Retry queues a message again that failed, or whose outcome is unknown: a
// person says that it may go out (again). NotFound; Conflict with code
// unexpected_state or message_erased.
func (s *Service) Retry(ctx context.Context, tenant, id string) (message.Message, error) {
	return s.move(ctx, tenant, id, "retried", func(st *stored) bool {
		if !st.message.PurgedAt.IsZero() || st.message.Status != message.Failed && st.message.Status != message.Unknown {
			return false
		}
		st.message.Failures, st.message.Earlier = 0, len(st.message.Attempts)
		s.wait(st, s.Clock.Now())
		return true
	})
}

// Cancel stops a message that waits. NotFound; Conflict with code
// unexpected_state: it is being sent, or was; or message_erased.
func (s *Service) Cancel(ctx context.Context, tenant, id string) (message.Message, error) {
	return s.move(ctx, tenant, id, "canceled", func(st *stored) bool {
		// Once it is claimed it may go out any moment.
		if st.message.Status != message.Queued || st.record.Owner != "" {
			return false
		}
		s.park(st, message.Canceled)
		return true
	})
}

var errHeld = fault.New(fault.Unavailable, "message_held", "the message is safe and waits for the store; it cannot be changed before")

func (s *Service) move(ctx context.Context, tenant, id, what string, change func(*stored) bool) (message.Message, error) {
	st, err := s.load(ctx, tenant, id)
	if err != nil {
		return message.Message{}, err
	}
	if st.record.Held {
		return message.Message{}, errHeld
	}
	var before message.Status
	err = s.update(ctx, &st, func(st *stored) error {
		now := st.message.Status
		switch {
		case !st.message.ErasedAt.IsZero():
			return errErased
		case change(st):
			before = now
			return nil
		case before != "" && now != before: // it was saved, and only the answer lost
			return errMoved
		}
		return unexpected(st.message, what)
	})
	if err != nil && err != errMoved { //nolint:errorlint // our own sentinel, returned as it is
		return message.Message{}, err
	}
	s.queues.Nudge(st.record.Queue)
	return st.message, nil
}

// errMoved tells that a message has been moved already.
var errMoved = fault.New(fault.Conflict, "message_moved", "the message was moved")

func unexpected(m message.Message, what string) error {
	if !m.PurgedAt.IsZero() {
		return fault.New(fault.Conflict, "message_purged", "the text of this message is not kept any more; it cannot be "+what)
	}
	return fault.New(fault.Conflict, "unexpected_state", "a message that is "+string(m.Status)+" cannot be "+what)
}
