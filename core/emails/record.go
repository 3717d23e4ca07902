package emails

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/template"
	"patchbay/ports"
)

// stored is a message with its record.
type stored struct {
	message   email.Message
	record    ports.Record
	published email.Status            // the status that the feed already knows
	events    []event.Event           // events about recipients, not published yet
	files     []email.Attachment      // with their contents, if they are in memory
	copies    []email.Personalization // rendered, if they are in memory
	newParts  []*ports.Record         // new records of files, to be stored with the message
	parts     int                     // number of stored records of files
	cause     error                   // error of the last attempt, for the log
	exhausted bool                    // given up after its last attempt
	reindex   bool                    // the terms are stored anew by the next save
	canceled  bool                    // its batch was, so that its copies are not sent
	left      func()                  // is called once the message has taken its room; see budget.claimable
	room      room                    // that the message has taken
	watched   bool                    // its second record is stored, if it needs one: see expiry
}

// repository returns the Repository of the messages. Files never change. If the response of a save
// was lost, it is not known whether that save removed them.
func (s *Service) repository() record.Repository[stored] {
	return record.Repository[stored]{
		Journal: s.Journal, Kind: Kind, Save: s.save,
		Decode: func(r ports.Record) (stored, error) {
			st, err := decode(r)
			st.message.NextAttempt = s.nextAttempt(&st.message, &st.record)
			return st, err
		},
		Record: func(st *stored) *ports.Record { return &st.record },
		Keep: func(before, fresh *stored) {
			fresh.files, fresh.copies, fresh.parts, fresh.cause, fresh.room = before.files, before.copies, max(before.parts, fresh.parts), before.cause, before.room
		},
	}
}

// save writes a message, and publishes what the feed does not know of it yet.
func (s *Service) save(ctx context.Context, st *stored) error {
	m, r, before := &st.message, &st.record, st.published
	m.UpdatedAt = s.Clock.Now()
	m.SetRecipientStatuses()
	if st.reindex = st.reindex || r.Rev == 0 || !m.HasTerms; st.reindex {
		s.setTerms(m, r)
	}
	if err := encode(m, r); err != nil {
		return err
	}
	index(m, r)
	r.Events = nil
	if now := feedStatus(m.Status); feedStatus(before) != now && now != email.Split {
		r.Events = []event.Event{s.statusEvent(m, now)}
	}
	r.Events = append(r.Events, st.events...)
	if err := s.saveExpiries(ctx, st); err != nil {
		return err
	}
	if err := s.put(ctx, st); err != nil {
		return err
	}
	st.published, st.events, st.newParts, st.parts = m.Status, nil, nil, m.Parts
	st.reindex, r.Terms = false, nil
	m.NextAttempt = s.nextAttempt(m, r)
	s.logChange(ctx, before, st)
	s.cancelRequeued(ctx, st)
	return nil
}

// index sets by what the record of a message is found and counted. The messages of a batch are
// listed by it.
func index(m *email.Message, r *ports.Record) {
	r.Tenant, r.Kind, r.ID = m.Tenant, Kind, m.ID
	r.Index = ports.Index{Status: string(m.Status), Customer: m.Batch, Created: m.CreatedAt}
	r.Index.Flag, r.Index.Flagged = flagOf(m)
}

// put stores the record of a message. New records of files are stored with it, and those that the
// message no longer refers to are removed with it.
func (s *Service) put(ctx context.Context, st *stored) error {
	switch {
	case len(st.newParts) > 0:
		return s.Journal.Attach(ctx, &st.record, st.newParts...)
	case st.parts > st.message.Parts:
		return s.Journal.Detach(ctx, &st.record)
	}
	return s.Journal.Save(ctx, &st.record)[0]
}

// feedStatus returns the status under which the feed knows s. Delivered is not announced: the
// feed has an event for each recipient.
func feedStatus(s email.Status) email.Status {
	if s == email.Delivered {
		return email.Sent
	}
	return s
}

// statusEvent makes the feed's event for a new status. It contains no addresses.
func (s *Service) statusEvent(m *email.Message, now email.Status) event.Event {
	data := map[string]any{"status": m.Status}
	if last := m.LastAttempt(); last.Provider != "" {
		data["provider"] = last.Provider
	} else if last.Code != "" {
		data["code"] = last.Code
	}
	raw, _ := json.Marshal(data) // strings always encode
	return event.Event{
		ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(now), Subject: m.ID, At: m.UpdatedAt, Data: raw,
	}
}

// errExists says that the message is stored already and another process or request works on it.
var errExists = fault.New(fault.Conflict, "message_taken", "the message is there already")

// insert stores a new message with its parts. The stored message may come from another request
// with the same key.
func (s *Service) insert(ctx context.Context, st *stored) error {
	st.newParts = splitFiles(st)
	return s.messages.Insert(ctx, st, func(there *stored) error {
		if s.isOwnID(&st.message) {
			return nil // it was saved, only the response was lost
		}
		if there.record.Rev > 1 || there.message.Fingerprint != st.message.Fingerprint {
			return errExists
		}
		return nil // whichever process begins an attempt first sends it
	})
}

// isOwnID reports whether the id of a new message was made for its request alone, not derived from a key.
func (s *Service) isOwnID(m *email.Message) bool {
	return m.Key == "" || m.ID != s.Names.id(idempotency.Key{Scoped: m.Key})
}

// dequeue takes a message out of the queue: it is not sent any more, and only waits for removals. What
// it says is removed by the same save, if it is not kept longer than that.
func (s *Service) dequeue(st *stored, status email.Status) {
	m := &st.message
	if slices.Contains(unended, m.Status) {
		m.EndedAt = s.Clock.Now()
	}
	m.Status = status
	if m.Keeping.Brief() {
		m.RemoveContent()
		m.Subject = ""
		s.Names.concealPrint(m)
		if m.PurgedAt.IsZero() {
			m.PurgedAt = s.Clock.Now()
		}
	}
	s.scheduleRemoval(st)
}

// maxListed is the number of bytes of text and files that a message may keep in the body of its
// record, which lists read. A larger message keeps them in the record's Content.
const maxListed = 4 << 10

// content is the part of a message that lists leave out when it is large.
type content struct {
	HTML        string             `json:"html,omitempty"`
	Text        string             `json:"text,omitempty"`
	Headers     map[string]string  `json:"headers,omitempty"`
	Attachments []email.Attachment `json:"attachments,omitempty"`
	// TemplateData is what the template is rendered with.
	TemplateData     json.RawMessage         `json:"templateData,omitempty"`
	Personalizations []email.Personalization `json:"personalizations,omitempty"`
	Source           *template.Source        `json:"source,omitempty"`
}

func contentOf(m *email.Message) content {
	return content{m.HTML, m.Text, m.Headers, m.Attachments, m.TemplateData, m.Personalizations, m.Source}
}

// put puts the content back into a message.
func (c content) put(m *email.Message) {
	m.HTML, m.Text, m.Headers, m.Attachments = c.HTML, c.Text, c.Headers, c.Attachments
	m.TemplateData, m.Personalizations, m.Source = c.TemplateData, c.Personalizations, c.Source
}

func (c *content) size() int {
	n := len(c.HTML) + len(c.Text) + len(c.TemplateData)
	for _, p := range c.Personalizations {
		n += len(p.TemplateData) + len(p.To)*100 // about as much as an address and a name take
	}
	if c.Source != nil {
		n += len(c.Source.HTML) + len(c.Source.Text)
	}
	for name, value := range c.Headers {
		n += len(name) + len(value)
	}
	for _, a := range c.Attachments {
		n += len(a.Filename) + len(a.ContentType) + len(a.Content)
	}
	return n
}

// encode writes a message into its record.
func encode(m *email.Message, r *ports.Record) (err error) {
	rest := contentOf(m)
	if rest.size() <= maxListed {
		r.Content = nil
		r.Body, err = marshal(m)
		return err
	}
	if r.Content, err = marshal(rest); err != nil {
		return err
	}
	shown := *m
	content{}.put(&shown)
	r.Body, err = marshal(&shown)
	return err
}

// marshal encodes v without escaping HTML: an escaped bracket would take six bytes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, "emails.encode", err)
	}
	return b.Bytes(), nil
}

// decode reads a message from its record. Records written by earlier versions have no Content. A
// record from a list yields the message without its content, unless that is small enough to be
// in the body.
func decode(r ports.Record) (stored, error) {
	m, err := record.Decode(r, func(m email.Message) bool { return m.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	if len(r.Content) > 0 {
		var rest content
		if err := record.DecodeJSON("content of a message", r.Content, &rest); err != nil {
			return stored{}, err
		}
		rest.put(&m)
	}
	return stored{message: m, record: r, published: m.Status, parts: m.Parts, watched: waitsForRoom(r.Queue)}, nil
}

const (
	partKind = "message_part"
	// Files with more bytes than this are kept out of the message's own record, because that is
	// rewritten at every state change.
	maxInline = 128 << 10
	partSize  = 4 << 20 // bytes; MongoDB limits a document to 16 MB
)

// splitFiles moves the contents of large files out of a message that is about to be stored, and
// returns them as records of their own.
func splitFiles(st *stored) (parts []*ports.Record) {
	m := &st.message
	st.files = m.Attachments
	if m.AttachmentBytes() <= maxInline {
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
