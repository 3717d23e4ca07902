package emails

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
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

// repository returns the Repository of the messages. Files never change. If the response of a save
// was lost, it is not known whether that save removed them.
func (s *Service) repository() record.Repository[stored] {
	return record.Repository[stored]{
		Journal: s.Journal, Kind: Kind, Decode: decode, Save: s.save,
		Record: func(st *stored) *ports.Record { return &st.record },
		Keep: func(before, fresh *stored) {
			fresh.files, fresh.parts, fresh.cause = before.files, max(before.parts, fresh.parts), before.cause
		},
	}
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

// insert stores a new message with its parts. The stored message may come from another request
// with the same key.
func (s *Service) insert(ctx context.Context, st *stored) error {
	messages, parts := s.messages, pack(st)
	messages.Save = func(ctx context.Context, st *stored) error {
		return s.write(st, func(r *ports.Record) error {
			if len(parts) > 0 {
				return s.Journal.Attach(ctx, r, parts...)
			}
			return s.Journal.Save(ctx, r)[0]
		})
	}
	return messages.Insert(ctx, st, func(there *stored) error {
		if there.record.Rev > 1 || there.message.Fingerprint != st.message.Fingerprint {
			return errTaken
		}
		return nil // whichever process begins an attempt first sends it
	})
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
