package emails

import (
	"context"
	"encoding/json"
	"io"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// Codes that say why it cannot be read, or sent again, what a message said.
const (
	codeErased  = "message_erased"  // on a person's request
	codePurged  = "message_purged"  // because of its age
	codeRemoved = "content_removed" // because of its email.Keeping
)

// PartBytes is how many bytes of a file are in memory at once while it is read.
const PartBytes = partSize

// Content is what a message says, or one copy of it.
type Content struct {
	Subject, HTML, Text string
	TemplateID          string
	TemplateData        json.RawMessage
	Headers             map[string]string
	// Attachments are without their contents: see OpenFile.
	Attachments []email.Attachment
	// MIME means that the message was handed over as MIME: its text is its only attachment.
	MIME bool
}

// Content returns what a message says. If it has several copies, place is that of one of them in the
// batch; otherwise it may be nil. A copy that only a provider renders has no HTML and Text.
//
// NotFound: there is no such message or copy, or with a code that says why what it says cannot be read:
// message_erased, message_purged, content_removed, message_split, or content_private for email.Never.
// Invalid: place is missing, or the copy cannot be rendered. Unavailable.
func (s *Service) Content(ctx context.Context, tenant, id string, place *int) (Content, error) {
	m, err := s.readable(ctx, tenant, id)
	if err == nil && (len(m.Personalizations) > 0 || place != nil) {
		m, err = s.copyOf(m, place)
	}
	if err != nil {
		return Content{}, err
	}
	c := Content{
		Subject: m.Subject, HTML: m.HTML, Text: m.Text, TemplateID: m.TemplateID, TemplateData: m.TemplateData,
		Headers: m.Headers, Attachments: m.Attachments, MIME: m.Envelope != nil,
	}
	return c, nil
}

// readable returns a message whose content may be read. NotFound, as for Content.
func (s *Service) readable(ctx context.Context, tenant, id string) (email.Message, error) {
	m, err := s.Get(ctx, tenant, id)
	if err != nil {
		return email.Message{}, err
	}
	gone := func(code, why string) (email.Message, error) {
		return email.Message{}, fault.New(fault.NotFound, code, why)
	}
	switch {
	case !m.ErasedAt.IsZero():
		return gone(codeErased, "what this message said was erased")
	case !m.PurgedAt.IsZero() && m.Keeping.Brief():
		return gone(codeRemoved, "what this message said was not to be kept")
	case m.Keeping == email.Never:
		return gone("content_private", "nobody may read what this message says")
	case !m.PurgedAt.IsZero():
		return gone(codePurged, "what this message said is not kept any more")
	case m.Status == email.Split:
		return gone("message_split", "its personalizations have become messages of their own")
	}
	return m, nil
}

// copyOf returns a copy of a message as a message of its own, which is not stored.
func (s *Service) copyOf(m email.Message, place *int) (email.Message, error) {
	var n int
	switch {
	case len(m.Personalizations) == 0 && m.Batch != "" && len(m.Recipients) > 0 && m.Recipients[0].Personalization == *place:
		return m, nil // it is one copy
	case place != nil:
		n = slices.IndexFunc(m.Personalizations, func(p email.Personalization) bool { return p.Index == *place })
	case len(m.Personalizations) > 1:
		return email.Message{}, fault.InvalidParam("personalization", "personalization_missing", "the message has several personalizations; name one by its place in the batch")
	}
	if n < 0 {
		return email.Message{}, fault.New(fault.NotFound, "no_such_personalization", "the message has no such personalization")
	}
	p := m.Personalizations[n]
	if err := s.renderCopy(m, &p); err != nil {
		return email.Message{}, err
	}
	return m.Copy(m.ID, p), nil
}

// OpenFile returns an attachment of a message, by its place from 0, without its content, and a reader of
// the content, which has Bytes bytes. The reader holds at most PartBytes of them, and fails if they are
// removed meanwhile.
//
// NotFound, as for Content, also for an attachment that there is not; Unavailable. The errors of the reader are
// those of ports.Records.Get.
func (s *Service) OpenFile(ctx context.Context, tenant, id string, place int) (email.Attachment, io.Reader, error) {
	m, err := s.readable(ctx, tenant, id)
	if err != nil {
		return email.Attachment{}, nil, err
	}
	if place < 0 || place >= len(m.Attachments) {
		return email.Attachment{}, nil, fault.New(fault.NotFound, "no_such_attachment", "the message has no such attachment")
	}
	r := &fileReader{s: s, tenant: tenant, message: id, left: m.Attachments[place].Bytes()}
	if m.Parts == 0 {
		r.part = m.Attachments[place].Content
	}
	for _, before := range m.Attachments[:place] {
		r.skip += before.Bytes()
	}
	a := m.Attachments[place]
	a.Size, a.Content = a.Bytes(), nil
	return a, r, nil
}

// fileReader reads a file part by part.
type fileReader struct {
	s               *Service
	tenant, message string
	next            int    // the part to read next
	skip            int    // bytes of the parts that belong to files before this one
	left            int    // bytes of the file that were not read yet
	part            []byte // what is in memory
}

// Read implements io.Reader.
func (r *fileReader) Read(into []byte) (int, error) {
	for len(r.part) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.load(); err != nil {
			return 0, err
		}
	}
	n := copy(into, r.part[:min(len(r.part), r.left)])
	r.part, r.left = r.part[n:], r.left-n
	if r.left == 0 {
		r.part = nil
	}
	return n, nil
}

// load reads the next part, and drops what belongs to files before this one.
func (r *fileReader) load() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkDeadline)
	defer cancel()
	one, err := r.s.Journal.Get(ctx, r.tenant, partKind, partID(r.message, r.next))
	if err != nil {
		return err
	}
	r.next++
	drop := min(r.skip, len(one.Body))
	r.part, r.skip = one.Body[drop:], r.skip-drop
	return nil
}
