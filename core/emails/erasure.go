package emails

import (
	"context"
	"maps"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

var (
	errErased = fault.New(fault.Conflict, codeErased, "what this message said was erased")
	errBusy   = fault.New(fault.Conflict, "message_busy", "it is being sent")
)

// PersonalObjects passes every message that has an address of the person to found. Terms lead to the
// recipients of messages only, and not of all: so it reads all messages of the tenant, and passes the
// number read to examined. Batches of which copies became messages of their own in the meantime are read
// once more, since some of these may belong to pages that were read before.
//
// Unavailable; otherwise the errors of examined and found. Those of Erase are Conflict, if the message is being
// sent or was split since, Unavailable and UnknownOutcome.
func (s *Service) PersonalObjects(ctx context.Context, p user.Person, examined func(int) error, found func(user.PersonalObject) error) error {
	since, passed, again := s.Clock.Now().Add(-keyMargin), map[string]bool{}, map[string]bool{} // clocks may differ
	each := func(st stored) error {
		if (st.message.Splitting || st.message.Status == email.Split) && st.message.UpdatedAt.After(since) {
			again[st.message.Batch] = true
		}
		if !st.message.Concerns(p.Has) || passed[st.message.ID] {
			return nil
		}
		passed[st.message.ID] = true
		return s.passPersonal(ctx, st, p, found)
	}
	if err := s.messages.WalkPast(ctx, p.Tenant, ports.Filter{}, examined, record.Unreadable(found), each); err != nil {
		return err
	}
	before := func(ports.Record, error) error { return nil } // it was passed to found
	for _, batch := range slices.Collect(maps.Keys(again)) {
		if err := s.messages.WalkPast(ctx, p.Tenant, ports.Filter{Customer: batch}, examined, before, each); err != nil {
			return err
		}
	}
	return nil
}

// passPersonal passes a message to found as it is now. One that was split since it was listed has nothing to
// show, and is pending: the person's copy has become another message.
func (s *Service) passPersonal(ctx context.Context, st stored, p user.Person, found func(user.PersonalObject) error) (err error) {
	id, listed := st.record.ID, st.message.Status
	if st.record.Partial {
		st, err = s.messages.Get(ctx, p.Tenant, id)
	}
	switch {
	case fault.Is(err, fault.NotFound): // purged in the meantime
		return nil
	case record.IsUndecodable(err):
		return found(user.PersonalObject{ID: id, Unreadable: err})
	case err != nil:
		return err
	}
	t := user.PersonalObject{
		ID: st.message.ID, View: view(st.message, p),
		Erase: func(ctx context.Context) error { return s.erase(ctx, st, p) },
	}
	if st.busy() || st.message.Status == email.Split && listed != email.Split {
		t.Pending = errBusy.Message
	}
	return found(t)
}

// erase removes the content of a message, its files and the person's data, and with the same save the
// terms of all that. A waiting message is canceled by that save, too, unless it has copies for others. What
// was split since it was read is busy: the person's data are in other messages now.
func (s *Service) erase(ctx context.Context, st stored, p user.Person) error {
	split := st.message.Status == email.Split
	return s.messages.Update(ctx, &st, func(st *stored) error {
		if st.busy() || st.message.Status == email.Split && !split {
			return errBusy
		}
		st.message.Erase(p.Has, s.Clock.Now())
		st.reindex = true
		if st.message.ErasedAt.IsZero() {
			return nil
		}
		s.Names.concealKey(st)
		if st.message.Status == email.Queued {
			s.dequeue(st, email.Canceled)
		}
		return nil
	})
}

// busy reports whether the message is being sent, or may be at any moment.
func (st *stored) busy() bool {
	return st.message.Status == email.Sending || st.message.Status == email.Queued && st.record.Owner != ""
}

// Personal returns a view of the message in a record if it has an address of the person.
func Personal(r ports.Record, p user.Person) (shown any, ok bool) {
	st, err := decode(r)
	if err != nil || r.Tenant != p.Tenant || !st.message.Concerns(p.Has) {
		return nil, false
	}
	return view(st.message, p), true
}

// shown is a message as it is disclosed to a person: files are described, without their contents,
// and copies for others and what only the gateway needs are left out.
type shown struct {
	email.Message
	Attachments []file          `json:"attachments,omitempty"`
	Attempts    []email.Attempt `json:"attempts,omitempty"`
}

type file struct {
	Filename    string `json:"filename"`
	ContentType string `json:"contentType"`
	Size        int    `json:"size"` // bytes
}

func view(m email.Message, p user.Person) shown {
	m = m.Shown()
	v := shown{Message: m, Attempts: m.Attempts}
	v.Fingerprint, v.KeyAge, v.Restore, v.HasTerms = "", idempotency.Age{}, nil, false
	if len(m.To) == 0 {
		v.Personalizations = slices.DeleteFunc(slices.Clone(m.Personalizations), func(c email.Personalization) bool {
			return !slices.ContainsFunc(c.To, func(a email.Address) bool { return p.Has(a.Email) })
		})
		v.Recipients = slices.DeleteFunc(slices.Clone(m.Recipients), func(r email.Recipient) bool { return !p.Has(r.Email) })
	}
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, file{a.Filename, a.ContentType, a.Bytes()})
	}
	v.Message.Attachments = nil
	return v
}
