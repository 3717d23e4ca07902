package mailroom

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// stored is a message with the record it is kept in. told is the status that
// the feed knows already. files are the attachments with their contents, where
// they are at hand. parts is how many records of files are there.
type stored struct {
	message message.Message
	record  ports.Record
	told    message.Status
	files   []message.Attachment
	parts   int
	cause   error        // what the last attempt failed with; for the log
	aside   bool         // it is given up, after its last attempt
	news    []event.Feed // of its recipients, not told yet
}

func (s *Service) load(ctx context.Context, tenant, id string) (stored, error) {
	r, err := s.Journal.Get(ctx, tenant, Kind, id)
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}

// save writes a message. The records of files that it has given up go with it.
func (s *Service) save(ctx context.Context, st *stored) error {
	before := st.told
	err := s.write(st, func(r *ports.Record) error {
		if st.parts > st.message.Parts {
			return s.Journal.Detach(ctx, r)
		}
		return s.Journal.Save(ctx, r)[0]
	})
	if err == nil {
		s.report(ctx, before, st)
	}
	return err
}

// write has a message put into the journal.
func (s *Service) write(st *stored, put func(*ports.Record) error) error {
	m := &st.message
	m.UpdatedAt = s.Clock.Now()
	m.Stand()
	r := &st.record
	if err := encode(m, r); err != nil {
		return err
	}
	r.Tenant, r.Kind, r.ID = m.Tenant, Kind, m.ID
	r.Index = ports.Index{Status: string(m.Status), Created: m.CreatedAt}
	r.Index.Flag, r.Index.Flagged = flagOf(m)
	r.Events = nil
	if now := announced(m.Status); announced(st.told) != now {
		r.Events = []event.Feed{s.news(m, now)}
	}
	r.Events = append(r.Events, st.news...)
	if err := put(r); err != nil {
		return err
	}
	st.told, st.news = m.Status, nil
	return nil
}

// announced is what the feed is told of a status. That a message has reached everybody is
// told of its recipients, one by one.
func announced(s message.Status) message.Status {
	if s == message.Delivered {
		return message.Sent
	}
	return s
}

// news tells the feed of a new status. Addresses stay out of it.
func (s *Service) news(m *message.Message, now message.Status) event.Feed {
	data := map[string]any{"status": m.Status}
	if n := len(m.Attempts); n > 0 && m.Attempts[n-1].Provider != "" {
		data["provider"] = m.Attempts[n-1].Provider
	}
	raw, _ := json.Marshal(data) // two strings
	return event.Feed{
		ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(now), Subject: m.ID, At: m.UpdatedAt, Data: raw,
	}
}

// errTaken says that a message is there, and somebody else at it.
var errTaken = fault.New(fault.Conflict, "message_taken", "the message is there already")

// insert stores a new message. Where the answer was lost it looks whether the
// message is there. It may be another's, under the same key.
func (s *Service) insert(ctx context.Context, st *stored) error {
	parts := pack(st)
	err := s.write(st, func(r *ports.Record) error {
		if len(parts) > 0 {
			return s.Journal.Attach(ctx, r, parts...)
		}
		return s.Journal.Save(ctx, r)[0]
	})
	if !fault.Is(err, fault.UnknownOutcome) {
		return err
	}
	ctx, cancel := ports.Grace(ctx)
	defer cancel()
	fresh, rerr := s.load(ctx, st.message.Tenant, st.message.ID)
	if rerr != nil {
		return err
	}
	if fresh.record.Rev > 1 || fresh.message.Fingerprint != st.message.Fingerprint {
		return errTaken
	}
	st.become(fresh) // whoever begins first sends it
	return nil
}

// update changes a message until the change is saved: where somebody else was
// quicker it reads again. change must not call anybody, and may be called
// several times.
func (s *Service) update(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.updateBy(ctx, ports.Once, st, change)
}

// updateBy is update with a way to make each call of the journal.
func (s *Service) updateBy(ctx context.Context, try func(context.Context, func() error) error, st *stored, change func(*stored) error) error {
	return ports.Update(ctx, ports.Edit{
		Try:    try,
		Change: func() error { return change(st) },
		Save:   func() error { return s.save(ctx, st) },
		Reload: func(failed error) (final, err error) {
			fresh, err := s.load(ctx, st.message.Tenant, st.message.ID)
			if err != nil {
				return nil, err
			}
			if fresh.record.Held {
				return failed, nil
			}
			st.become(fresh)
			return nil, nil
		},
	})
}

// become takes what was read again. Files never change; whether they are gone with a
// save whose answer was lost is not known.
func (st *stored) become(fresh stored) {
	fresh.files, fresh.parts, fresh.cause = st.files, max(st.parts, fresh.parts), st.cause
	*st = fresh
}

// park takes a message out of the queue: it goes nowhere from here, and only ages.
func (s *Service) park(st *stored, status message.Status) {
	st.message.Status = status
	s.rest(st)
}

// wait puts a message back into the queue of the provider that is to be asked first.
func (s *Service) wait(st *stored, due time.Time) {
	st.message.Next = ""
	s.waitFor(st, s.first(st.message), due)
}

// waitFor puts a message into the queue of a provider.
func (s *Service) waitFor(st *stored, provider string, due time.Time) {
	st.message.Status = message.Queued
	s.note(&st.message)
	st.record.Queue, st.record.Owner, st.record.Due = s.queues.Queue(provider), "", due
}
