package emails

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Nothing is claimed from the queue of a provider without room, and then the oldest, so that nobody would see
// there that a message has expired, or that the provider may have forgotten a call that is to be repeated. Such a
// message has a second record, which waits elsewhere until then, and moves it into a queue that does not wait for
// room. It is ended there as any other.

// ExpiryKind is the kind of those second records.
const ExpiryKind = "mail_expiry"

const (
	expiringQueue = "mail_expiring"
	expiryTenant  = rateTenant // of the second records
	// Between two looks at a message that has waited as long as it may, and is not at rest yet, there are endPause, or a tenth
	// of the time since.
	endPause = time.Minute
)

// expiry is the second record of a message.
type expiry struct {
	Tenant  string    `json:"tenant"`
	Message string    `json:"message"`
	At      time.Time `json:"expiresAt"` // until when the message waits at most
}

// id names a message and until when it waits: another request may be given the id of a message that was never
// stored.
func (e expiry) id() string {
	return fmt.Sprintf("%s|%s|%d", e.Tenant, e.Message, e.At.UnixMilli())
}

// waitsUntil returns until when a message waits for room at most: until it expires, or the provider of a call that
// is to be repeated may have forgotten that. The zero time means that it waits for ever.
func (s *Service) waitsUntil(m *email.Message) time.Time {
	until := m.ExpiresAt
	if last := m.LastAttempt(); last.Outcome == email.Attempting {
		if end := s.forgottenAt(last); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	return until
}

func (s *Service) expiries() record.Repository[record.Entry[expiry]] {
	return record.Of(s.Journal, ExpiryKind, func(e expiry, id string) bool { return e.id() == id })
}

// Release takes a message that was held, or is a part of a held batch, out of the queue where it would wait for
// room: while it was held it may have got another id, and its second record may have been given up. If there is
// no room for it, it comes back as any other, with a second record.
func Release(held *ports.Record) {
	if waitsForRoom(held.Queue) {
		held.Queue = queueName + strings.TrimPrefix(held.Queue, ratedName)
	}
}

// waitsForRoom reports whether a queue is one of those from which nothing is claimed without room.
func waitsForRoom(queue string) bool {
	return queue == ratedName || strings.HasPrefix(queue, ratedName+":")
}

// saveExpiries stores the second records of those of the messages that need one in their queue. It comes
// before the save that puts them there: without their message, they do nothing. A Conflict says that one is
// stored already. Unavailable: the messages must not be saved.
func (s *Service) saveExpiries(ctx context.Context, messages ...*stored) error {
	var records []*ports.Record
	for _, st := range messages {
		m := &st.message
		if until := s.waitsUntil(m); !until.IsZero() && !st.watched && waitsForRoom(st.record.Queue) {
			e := expiry{m.Tenant, m.ID, until}
			body, _ := json.Marshal(e) // texts and a time always encode
			records = append(records, &ports.Record{
				Tenant: expiryTenant, Kind: ExpiryKind, ID: e.id(), Queue: expiringQueue, Due: e.At, Body: body,
				Index: ports.Index{Created: e.At}, // by which they are purged
			})
		}
	}
	if len(records) == 0 {
		return nil
	}
	for _, err := range s.Journal.Save(ctx, records...) {
		switch {
		case fault.Is(err, fault.UnknownOutcome):
			return fault.Wrap(fault.Unavailable, "emails.saveExpiries", err) // of the messages, nothing was saved
		case err != nil && !fault.Is(err, fault.Conflict):
			return err
		}
	}
	for _, st := range messages {
		st.watched = st.watched || waitsForRoom(st.record.Queue)
	}
	return nil
}

// endWaiting handles the second record of a message, which is due.
func (s *Service) endWaiting(ctx context.Context, c ports.Claim) error {
	e, err := s.expiries().Decode(c.Record)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	done, err := s.pullOut(ctx, e.Value, now)
	if e.Record.Queue, e.Record.Owner, e.Record.Due = "", "", (time.Time{}); !done {
		// The clock by which it came out of its queue may be ahead of this one.
		e.Record.Queue, e.Record.Due = expiringQueue, latest(e.Value.At, now.Add(max(endPause, now.Sub(e.Value.At)/10)))
	}
	if err == nil {
		err = s.expiries().Save(ctx, &e)
	}
	if err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.WarnContext(ctx, "email is not looked at when it expires", "email", e.Value.Message, "tenant", e.Value.Tenant, "error", err)
	}
	return nil // otherwise the lease expires
}

// pullOut moves a message that waits no longer out of the queue where it waits for room, and reports whether it
// does not wait any more. A message that is being handled is left alone while its lease runs. One that is not
// there for a day was never stored, or is held elsewhere: see Release.
func (s *Service) pullOut(ctx context.Context, e expiry, now time.Time) (done bool, err error) {
	st, err := s.messages.Get(ctx, e.Tenant, e.Message)
	switch {
	case fault.Is(err, fault.NotFound):
		return now.After(e.At.Add(day)), nil
	case err != nil:
		return false, err
	case st.message.Status != email.Queued && st.message.Status != email.Sending:
		return true, nil
	}
	err = s.messages.Update(ctx, &st, func(st *stored) error {
		m, r := &st.message, &st.record
		handled := r.Owner != "" && !now.After(r.Due.Add(endPause)) // the clocks of others may differ
		until := s.waitsUntil(m)
		if r.Held || handled || !waitsForRoom(r.Queue) || until.IsZero() || now.Before(until) {
			return record.ErrUnchanged
		}
		r.Queue, r.Owner, r.Due = s.queues.Repeats(s.queues.Provider(r.Queue)), "", m.Date()
		return nil
	})
	s.queues.Nudge(st.record.Queue)
	return false, err
}

// PurgeExpiries removes up to n second records of messages that expired before a time and do not wait any
// more. It returns how many it has removed, 0 if none are left. Unavailable; UnknownOutcome.
func (s *Service) PurgeExpiries(ctx context.Context, before time.Time, n int) (int, error) {
	return s.Journal.Purge(ctx, expiryTenant, ExpiryKind, before, n)
}

// SameExpiry reports whether two second records of one name are of the same message: the name says all that
// they do.
func SameExpiry(ports.Record, ports.Record) bool { return true }
