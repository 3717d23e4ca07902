package mailroom

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/core/user"
	"patchbay/ports"
)

// pageSize is how many messages are looked at at once; each may be large.
const pageSize = 20

var (
	errErased = fault.New(fault.Conflict, "message_erased", "what this message said was erased")
	errBusy   = fault.New(fault.Conflict, "message_busy", "it is being sent")
)

// Traces gives every message with an address of the person. Nothing else leads to
// them: all of the tenant's are looked at, and looked is told how many.
func (s *Service) Traces(ctx context.Context, p user.Person, looked func(int) error, found func(user.Trace) error) error {
	return ports.Walk(ctx, s.Journal, p.Tenant, Kind, pageSize, func(page []ports.Record) error {
		for _, r := range page {
			st, err := decode(r)
			if err != nil {
				return err
			}
			if !st.message.Concerns(p.Has) {
				continue
			}
			if r.Partial {
				if st, err = s.load(ctx, r.Tenant, r.ID); fault.Is(err, fault.NotFound) {
					continue // it was purged meanwhile
				}
			}
			if err == nil {
				err = found(s.trace(st, p))
			}
			if err != nil {
				return err
			}
		}
		return looked(len(page))
	})
}

func (s *Service) trace(st stored, p user.Person) user.Trace {
	t := user.Trace{
		ID: st.message.ID, View: view(st.message),
		Erase: func(ctx context.Context) error { return s.erase(ctx, st, p) },
	}
	if st.busy() {
		t.Pending = errBusy.Message
	}
	return t
}

// erase takes what a message says out of it, its files too, and what is the person's.
// One that waits is canceled by the same save.
func (s *Service) erase(ctx context.Context, st stored, p user.Person) error {
	return s.update(ctx, &st, func(st *stored) error {
		if st.busy() {
			return errBusy
		}
		if st.message.Status == message.Queued {
			s.park(st, message.Canceled)
		}
		st.message.Erase(p.Has, s.Clock.Now())
		return nil
	})
}

// busy reports whether the message goes out, or may any moment.
func (st *stored) busy() bool {
	return st.message.Status == message.Sending || st.message.Status == message.Queued && st.record.Owner != ""
}

// Personal shows the message in a record, if it has an address of the person.
func Personal(r ports.Record, p user.Person) (shown any, ok bool) {
	st, err := decode(r)
	if err != nil || r.Tenant != p.Tenant || !st.message.Concerns(p.Has) {
		return nil, false
	}
	return view(st.message), true
}

// shown is a message as a person gets it: of the files, what they are.
type shown struct {
	message.Message
	Attachments []file `json:"attachments,omitempty"`
}

type file struct {
	Filename    string `json:"filename"`
	ContentType string `json:"contentType"`
	Size        int    `json:"size"` // bytes
}

func view(m message.Message) shown {
	v := shown{Message: m}
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, file{a.Filename, a.ContentType, max(a.Size, len(a.Content))})
	}
	v.Message.Attachments = nil
	return v
}
