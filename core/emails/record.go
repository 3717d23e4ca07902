package emails

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// stored is a message with its record. told is the status that the feed already knows. files are
// the attachments with their contents, if they are in memory. parts is how many records of files
// are stored.
type stored struct {
	message email.Message
	record  ports.Record
	told    email.Status
	files   []email.Attachment
	parts   int
	cause   error         // error of the last attempt, for the log
	aside   bool          // given up after its last attempt
	news    []event.Event // events about recipients, not published yet
}

func (s *Service) load(ctx context.Context, tenant, id string) (stored, error) {
	r, err := s.Journal.Get(ctx, tenant, Kind, id)
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}

// save writes a message. Records of files that the message no longer refers to are removed with
// it.
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

// write encodes a message into its record and calls put to store it.
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
		r.Events = []event.Event{s.news(m, now)}
	}
	r.Events = append(r.Events, st.news...)
	if err := put(r); err != nil {
		return err
	}
	st.told, st.news = m.Status, nil
	return nil
}

// announced returns the status under which the feed knows s. Delivered is not announced: the
// feed has an event for each recipient.
func announced(s email.Status) email.Status {
	if s == email.Delivered {
		return email.Sent
	}
	return s
}

// news makes the feed's event for a new status. It contains no addresses.
func (s *Service) news(m *email.Message, now email.Status) event.Event {
	data := map[string]any{"status": m.Status}
	if n := len(m.Attempts); n > 0 && m.Attempts[n-1].Provider != "" {
		data["provider"] = m.Attempts[n-1].Provider
	}
	raw, _ := json.Marshal(data) // strings always encode
	return event.Event{
		ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(now), Subject: m.ID, At: m.UpdatedAt, Data: raw,
	}
}

// errTaken says that the message is stored already and another process or request works on it.
var errTaken = fault.New(fault.Conflict, "message_taken", "the message is there already")

// insert stores a new message. If the response was lost, it reads the message to see whether it
// was stored. The stored message may come from another request with the same key.
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
	st.become(fresh) // whichever process begins an attempt first sends it
	return nil
}

// update applies change and saves, repeating both after a conflict with another writer. change
// must not make any calls, and may run several times.
func (s *Service) update(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.updateBy(ctx, ports.Once, st, change)
}

// updateBy is like update; try makes each call of the journal.
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

// become takes over what was read again. Files never change. If the response of a save was lost,
// it is not known whether that save removed them.
func (st *stored) become(fresh stored) {
	fresh.files, fresh.parts, fresh.cause = st.files, max(st.parts, fresh.parts), st.cause
	*st = fresh
}

// park takes a message out of the queue: it is not sent any more, and only waits for removals.
func (s *Service) park(st *stored, status email.Status) {
	st.message.Status = status
	s.rest(st)
}

// wait requeues a message for the provider that is to be asked first.
func (s *Service) wait(st *stored, due time.Time) {
	st.message.Next = ""
	s.waitFor(st, s.first(st.message), due)
}

// waitFor queues a message for a provider.
func (s *Service) waitFor(st *stored, provider string, due time.Time) {
	st.message.Status = email.Queued
	s.note(&st.message)
	st.record.Queue, st.record.Owner, st.record.Due = s.queues.Queue(provider), "", due
}
