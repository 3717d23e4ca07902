package mailroom

import (
	"context"
	"fmt"
	"slices"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

const (
	partKind = "message_part"
	// Files of more bytes than this are not kept in the message's own record, which
	// is written at every step of its way.
	maxInline = 128 << 10
	partSize  = 4 << 20 // bytes: a document of MongoDB ends at 16 MB
)

// pack takes the contents of large files out of a message that is about to be
// stored, and gives them as records of their own.
func pack(st *stored) (parts []*ports.Record) {
	m := &st.message
	st.files = m.Attachments
	var all []byte
	for _, a := range m.Attachments {
		all = append(all, a.Content...)
	}
	if len(all) <= maxInline {
		return nil
	}
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		a := &m.Attachments[i]
		a.Size, a.Content = len(a.Content), nil
	}
	for chunk := range slices.Chunk(all, partSize) {
		parts = append(parts, &ports.Record{
			Tenant: m.Tenant, Kind: partKind, ID: partID(m.ID, len(parts)), Body: chunk, Index: ports.Index{Created: m.CreatedAt},
		})
	}
	m.Parts = len(parts)
	return parts
}

func partID(message string, n int) string { return fmt.Sprintf("%s.%d", message, n) }

// unpack reads the contents of the files, where they are not at hand. NotFound: a
// part is not there (yet). Unavailable.
func (s *Service) unpack(ctx context.Context, st *stored) error {
	if st.message.Parts == 0 || st.files != nil {
		return nil
	}
	var all []byte
	for n := range st.message.Parts {
		r, err := s.Journal.Get(ctx, st.message.Tenant, partKind, partID(st.message.ID, n))
		if err != nil {
			return err
		}
		all = append(all, r.Body...)
	}
	files := slices.Clone(st.message.Attachments)
	for i := range files {
		size := files[i].Size
		if size > len(all) {
			return fault.New(fault.Internal, "message_damaged", "the files of the message are not whole")
		}
		files[i].Content, all = all[:size:size], all[size:]
	}
	st.files = files
	return nil
}

// letter is the message as providers get it.
func (st *stored) letter() message.Message {
	m := st.message
	if st.files != nil {
		m.Attachments = st.files
	}
	return m
}
