package email

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
)

// Batch is a template that is sent to many, each with data of their own.
type Batch struct {
	ID               string          `json:"id"` // bat_…
	Tenant           string          `json:"tenant"`
	TemplateID       string          `json:"templateId"`
	Personalizations int             `json:"personalizations"` // how many it has
	Recipients       int             `json:"recipients"`       // of all personalizations
	SendAt           time.Time       `json:"sendAt,omitzero"`
	Key              string          `json:"key,omitempty"` // the caller's idempotency key
	Fingerprint      string          `json:"fingerprint,omitempty"`
	KeyAge           idempotency.Age `json:"keyAge,omitzero"` // how much of the key's retention has passed
	CreatedAt        time.Time       `json:"createdAt"`
	CanceledAt       time.Time       `json:"canceledAt,omitzero"` // of its last cancellation
	// UsedAt is when a message of it was last tried, was due or has ended, or was seen to wait, as of the last look.
	UsedAt time.Time `json:"usedAt,omitzero"`
}

// Cancels reports whether a message of the batch is canceled by its last cancellation, unless a person has
// queued that message since. It compares no clocks: those of two gateways differ.
func (b Batch) Cancels(m *Message) bool {
	return !b.CanceledAt.IsZero() && !m.BatchCanceledAt.Equal(b.CanceledAt)
}

// Personalization is one copy of a message: its recipients, who see each other but no recipient of
// another copy, and the data that the template is rendered with for them.
type Personalization struct {
	Index        int             `json:"index"` // its place in the batch, from 0
	To           []Address       `json:"to"`
	TemplateData json.RawMessage `json:"templateData,omitempty"` // a JSON object
	// Content is what the copy says, rendered by the message's Source when it is sent. It is nil if
	// there is no Source, and is not stored.
	Content *template.Content `json:"-"`
}

// BatchDraft is a batch that a caller wants to send. Fields that it shares with Draft have the same
// meaning; Subject is that of a template without one.
type BatchDraft struct {
	From             Address
	Subject          string
	TemplateID       string
	Personalizations []Personalization
	Tags             []string
	Metadata         map[string]string
	SendAt           time.Time
	Delivery         Delivery
	Category         Category
	Keeping          Keeping
	Tracking         Tracking
	ExpiresAt        time.Time
	HTMLOnly         bool
}

// MaxPersonalizations is how many personalizations a batch may have.
const MaxPersonalizations = 10_000

// copy returns the draft of one personalization alone, with its Content if it has one.
func (d BatchDraft) copy(p Personalization) Draft {
	one := Draft{
		From: d.From, To: p.To, Subject: d.Subject, Tags: d.Tags, Metadata: d.Metadata, SendAt: d.SendAt,
		Delivery: d.Delivery, Category: d.Category, Keeping: d.Keeping, TemplateID: d.TemplateID, TemplateData: p.TemplateData,
	}
	if p.Content != nil {
		one.Subject, one.HTML, one.Text = p.Content.Subject, p.Content.HTML, p.Content.Text
	}
	return one
}

// Check returns Invalid, with the name of the field in the API, unless every provider could accept
// each of the copies. The error is about the first of them, and its message names others. render returns what a
// copy with these data says, or nil if that is not known here.
func (d BatchDraft) Check(render func(data json.RawMessage) (*template.Content, error)) error {
	switch n := len(d.Personalizations); {
	case d.TemplateID == "":
		return fault.InvalidParam("template_id", "template_missing", "a batch needs a template_id")
	case n == 0 || n > MaxPersonalizations:
		return fault.InvalidParam("personalizations", "invalid_personalizations", "a batch takes 1 to 10000 personalizations")
	}
	var wrong []*fault.Error
	for _, p := range d.Personalizations {
		content, err := render(p.TemplateData)
		p.Content = content
		if err == nil {
			err = d.copy(p).Check()
		}
		if err != nil {
			wrong = append(wrong, p.name(err))
		}
	}
	return together(wrong)
}

// maxNamed is how many wrong copies an error names beside the first one.
const maxNamed = 20

// together returns the first of the errors about copies, with the others in its message. What is wrong with the
// whole batch is wrong with each of them, and is said once.
func together(wrong []*fault.Error) error {
	if len(wrong) == 0 {
		return nil
	}
	first := wrong[0]
	wrong = slices.DeleteFunc(wrong[1:], func(f *fault.Error) bool { return f.Param == first.Param || f.Param == "" })
	if len(wrong) == 0 {
		return first
	}
	names := make([]string, min(len(wrong), maxNamed))
	for i := range names {
		names[i] = wrong[i].Param + " (" + wrong[i].Code + ")"
	}
	first.Message += "; also wrong: " + strings.Join(names, ", ")
	if more := len(wrong) - len(names); more > 0 {
		first.Message += fmt.Sprintf(", and %d more", more)
	}
	return first
}

// name returns an error about the draft of the copy as one about the batch: what only the copy has is
// named with its place.
func (p Personalization) name(err error) *fault.Error {
	f := *fault.From(err)
	path, ofData := strings.CutPrefix(f.Param, "templateData")
	if p.Content != nil && (f.Param == "subject" || f.Param == "html") {
		path, ofData = "", true // it has them from its data
	}
	switch {
	case f.Param == "to", strings.HasPrefix(f.Param, "to["):
		f.Param = fmt.Sprintf("personalizations[%d].%s", p.Index, f.Param)
	case ofData:
		f.Param = fmt.Sprintf("personalizations[%d].dynamic_template_data%s", p.Index, path)
	case f.Param == "templateId":
		f.Param = "template_id"
	}
	return &f
}

// Chunks returns the personalizations in groups of up to size, each for one message, which has no more
// recipients than any message. Those of a group have one recipient each, or several each. No address is in a
// group twice, because providers refuse that, and report what became of a copy by its address alone. mailbox
// returns the form in which addresses are compared.
func Chunks(all []Personalization, size int, mailbox func(address string) string) (chunks [][]Personalization) {
	var rounds [][]Personalization // by how often the address was there before
	var shared []Personalization   // copies of several recipients
	times := map[string]int{}
	for _, p := range all {
		if len(p.To) != 1 {
			shared = append(shared, p)
			continue
		}
		address := mailbox(p.To[0].Email)
		n := times[address]
		times[address]++
		if n == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], p)
	}
	for _, group := range append(rounds, shared) {
		chunks = append(chunks, parts(group, size)...)
	}
	return chunks
}

// parts returns consecutive personalizations in groups of up to size and MaxRecipients.
func parts(all []Personalization, size int) (parts [][]Personalization) {
	recipients := 0
	for i, p := range all {
		last := len(parts) - 1
		if i == 0 || len(parts[last]) == size || recipients+len(p.To) > MaxRecipients {
			parts, last, recipients = append(parts, nil), last+1, 0
		}
		parts[last], recipients = append(parts[last], p), recipients+len(p.To)
	}
	return parts
}

// Copy returns one personalization of the message as a message of its own, which has no attempts
// yet. Its text is that of the personalization's Content.
func (m Message) Copy(id string, p Personalization) Message {
	domain := m.MessageID[strings.LastIndexByte(m.MessageID, '@'):]
	one := m
	one.ID, one.MessageID, one.Status = id, id+domain, Queued
	one.Personalizations, one.Source, one.Splitting, one.To, one.TemplateData = nil, nil, false, p.To, p.TemplateData
	one.Recipients, one.Attempts, one.Failures, one.RetryAt, one.Earlier, one.Next = RecipientsOf(p), nil, 0, time.Time{}, 0, ""
	if p.Content != nil {
		one.Subject, one.HTML, one.Text = p.Content.Subject, p.Content.HTML, p.Content.Text
	}
	return one
}

// RecipientsOf returns the recipients of personalizations, none of whom was sent anything yet.
func RecipientsOf(all ...Personalization) (to []Recipient) {
	for _, p := range all {
		for _, a := range p.To {
			to = append(to, Recipient{Email: a.Email, Personalization: p.Index, Status: Queued})
		}
	}
	return to
}

// merges reports whether the provider can carry the personalizations of a message in one call.
func (f Features) merges(m Message) bool {
	several := slices.ContainsFunc(m.Personalizations, func(p Personalization) bool { return len(p.To) != 1 })
	return len(m.Personalizations) <= f.Personalizations && !several &&
		(f.MergesData && f.Stores(m.TemplateID) || f.MergesContent && m.Source != nil)
}

// eraseCopies removes the copies for a person from a message with copies for others, and reports
// whether there are any for others. A copy of several recipients is removed for all of them. If nothing was
// sent, nothing of the person's copies stays.
func (m *Message) eraseCopies(theirs func(email string) bool) (others bool) {
	gone := map[int]bool{} // the places of the copies
	left := slices.DeleteFunc(slices.Clone(m.Personalizations), func(p Personalization) bool {
		gone[p.Index] = slices.ContainsFunc(p.To, func(a Address) bool { return theirs(a.Email) })
		return gone[p.Index]
	})
	if len(m.Recipients) == 0 || len(left) == 0 || theirs(m.From.Email) {
		return false
	}
	m.Personalizations = left
	m.eraseAnswers()
	if !m.HasOutcome(Accepted) && !m.HasOutcome(Ambiguous) {
		m.Recipients = slices.DeleteFunc(slices.Clone(m.Recipients), func(r Recipient) bool { return theirs(r.Email) || gone[r.Personalization] })
		return true
	}
	for i := range m.Recipients {
		if r := &m.Recipients[i]; theirs(r.Email) {
			r.erase(theirs)
		}
	}
	return true
}
