package emails

import (
	"context"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// prepare loads what a stored message is sent with: its files, and what its copies say. If it is not ready, the
// message is tried again when the lease expires, unless there is an error: that lasts.
//
// NotFound or Internal: its files are not there, or not whole. Otherwise as for ports.TemplateRenderer.
func (s *Service) prepare(ctx context.Context, st *stored) (ready bool, err error) {
	if err := s.loadFiles(ctx, st); err != nil {
		s.Log.ErrorContext(ctx, "files of an email are not read", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Internal) {
			return false, err
		}
		return false, nil
	}
	if len(st.message.Personalizations) == 0 {
		return true, nil
	}
	if st.copies, err = s.render(st.message); err != nil {
		s.Log.ErrorContext(ctx, "copies of an email are not rendered", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		return false, err
	}
	return true, nil
}

// loadFiles reads the contents of the files unless they are in memory. NotFound: a part is not
// stored (yet). Unavailable.
func (s *Service) loadFiles(ctx context.Context, st *stored) error {
	if st.message.Parts == 0 || st.files != nil {
		return nil
	}
	files := slices.Clone(st.message.Attachments)
	at := 0
	for n := range st.message.Parts {
		r, err := s.Journal.Get(ctx, st.message.Tenant, partKind, partID(st.message.ID, n))
		if err != nil {
			return err
		}
		at = fill(files, at, r.Body)
	}
	for _, f := range files {
		if len(f.Content) != f.Size {
			return fault.New(fault.Internal, "message_damaged", "the files of the message are not whole")
		}
	}
	st.files = files
	return nil
}

// outgoing returns the message as it is passed to providers: with its files, and without suppressed
// recipients.
func (st *stored) outgoing() email.Message {
	m := st.message
	if st.files != nil {
		m.Attachments = st.files
	}
	if st.copies != nil {
		m.Personalizations = st.copies
	}
	return m.WithoutSuppressed()
}
