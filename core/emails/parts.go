package emails

import (
	"context"
	"fmt"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	partKind = "message_part"
	// Files with more bytes than this are kept out of the message's own record, because that is
	// rewritten at every state change.
	maxInline = 128 << 10
	partSize  = 4 << 20 // bytes; MongoDB limits a document to 16 MB
)

// pack moves the contents of large files out of a message that is about to be stored, and
// returns them as records of their own.
func pack(st *stored) (parts []*ports.Record) {
	m := &st.message
	st.files = m.Attachments
	total := 0
	for _, a := range m.Attachments {
		total += len(a.Content)
	}
	if total <= maxInline {
		return nil
	}
	m.Attachments = slices.Clone(m.Attachments)
	add := func(body []byte) {
		parts = append(parts, &ports.Record{
			Tenant: m.Tenant, Kind: partKind, ID: partID(m.ID, len(parts)), Body: body, Index: ports.Index{Created: m.CreatedAt},
		})
	}
	for body := range chunks(st.files) {
		add(body)
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		a.Size, a.Content = len(a.Content), nil
	}
	m.Parts = len(parts)
	return parts
}

// chunks yields the contents of files, one after the other, in pieces of up to partSize. A piece
// that lies within one file is a subslice, not a copy: one mail may take most of the available
// memory.
func chunks(files []email.Attachment) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		var short []byte // short tails of several files, combined
		for _, f := range files {
			for chunk := range slices.Chunk(f.Content, partSize) {
				if len(short)+len(chunk) > partSize {
					if !yield(short) {
						return
					}
					short = nil
				}
				switch {
				case len(chunk) == partSize:
					if !yield(chunk) {
						return
					}
				case short == nil:
					short = chunk[:len(chunk):len(chunk)]
				default:
					short = append(short, chunk...)
				}
			}
		}
		if len(short) > 0 {
			yield(short)
		}
	}
}

func partID(message string, n int) string { return fmt.Sprintf("%s.%d", message, n) }

// unpack reads the contents of the files unless they are in memory. NotFound: a part is not
// stored (yet). Unavailable.
func (s *Service) unpack(ctx context.Context, st *stored) error {
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

// fill appends body to the files, of which the first at are complete, and returns how many are
// complete then. The memory of a file is allocated once.
func fill(files []email.Attachment, at int, body []byte) int {
	for ; at < len(files); at++ {
		f := &files[at]
		missing := f.Size - len(f.Content)
		if f.Content == nil && f.Size > 0 {
			f.Content = make([]byte, 0, f.Size)
		}
		take := min(missing, len(body))
		f.Content, body = append(f.Content, body[:take]...), body[take:]
		if take < missing {
			break
		}
	}
	return at
}

// letter returns the message as it is passed to providers.
func (st *stored) letter() email.Message {
	m := st.message
	if st.files != nil {
		m.Attachments = st.files
	}
	return m
}
