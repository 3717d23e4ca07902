// Package email is the domain of email: a message, its recipients, and the
// attempts to send it.
package email

import (
	"encoding/json"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
)

// Status is the state of a message.
type Status string

// The statuses of a message.
const (
	Queued    Status = "queued"    // accepted, waits for its SendAt or for a provider
	Sending   Status = "sending"   // an attempt is in progress
	Sent      Status = "sent"      // a provider has accepted it
	Delivered Status = "delivered" // each recipient's server has accepted it too
	Failed    Status = "failed"    // refused permanently, or given up after the last attempt
	Unknown   Status = "unknown"   // not tried any more, and an attempt was ambiguous: it may have been sent
	Canceled  Status = "canceled"  // by a person, whatever its attempts: one that was ambiguous may have sent it
	// Suppressed: each recipient is suppressed, and the message was certainly not sent.
	Suppressed Status = "suppressed"
	Split      Status = "split" // its personalizations have become messages of their own
)

var statuses = []Status{Queued, Sending, Sent, Delivered, Failed, Unknown, Canceled, Suppressed, Split}

// Statuses returns all statuses.
func Statuses() []Status { return slices.Clone(statuses) }

// Known reports whether s is one of the statuses.
func (s Status) Known() bool { return slices.Contains(statuses, s) }

// Delivery says what to do when the outcome of an attempt is unknown: send again (the message
// may arrive twice), or not (it may never arrive).
type Delivery string

// The delivery promises.
const (
	AtLeastOnce Delivery = "at_least_once"
	AtMostOnce  Delivery = "at_most_once"
)

// CodeExpired is the code of the end of a message that was not sent before its ExpiresAt, and of a request for
// one that has none left.
const CodeExpired = "expired"

// ErrExpired is the error of a call that is not made because the message has expired.
var ErrExpired = fault.New(fault.Canceled, CodeExpired, "no provider had taken the message when it expired")

// Address is a mailbox with an optional display name.
type Address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// Message is one email of a tenant. All To recipients see each other.
type Message struct {
	ID      string    `json:"id"` // msg_…
	Tenant  string    `json:"tenant"`
	Status  Status    `json:"status"`
	From    Address   `json:"from"`
	To      []Address `json:"to"`
	Cc      []Address `json:"cc,omitempty"`
	Bcc     []Address `json:"bcc,omitempty"`
	ReplyTo []Address `json:"replyTo,omitempty"`
	Subject string    `json:"subject"`
	HTML    string    `json:"html,omitempty"`
	Text    string    `json:"text,omitempty"` // derived from HTML if the caller gave none, unless HTMLOnly
	// HTMLOnly means that a message, or a copy, without a text is sent without one.
	HTMLOnly bool `json:"htmlOnly,omitempty"`
	// TemplateID is the template that a provider which stores it renders with TemplateData. Any other
	// provider sends the subject, HTML and Text. HTML and Text are empty if no source of the template is here,
	// and then no other provider can carry the message.
	TemplateID   string            `json:"templateId,omitempty"`
	TemplateData json.RawMessage   `json:"templateData,omitempty"`
	Headers      map[string]string `json:"headers,omitempty"`
	Attachments  []Attachment      `json:"attachments,omitempty"`
	Tags         []string          `json:"tags,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	// Batch is the id of the batch that the message belongs to, if any. Personalizations are the
	// copies that the message stands for; it then has no To, Cc and Bcc. A message of a batch without
	// Personalizations is one copy.
	Batch            string            `json:"batch,omitempty"`
	Personalizations []Personalization `json:"personalizations,omitempty"`
	// Source is the template that the personalizations are rendered with, as it was when the batch was
	// accepted. It is nil if only a provider has the template.
	Source *template.Source `json:"source,omitempty"`
	// Envelope is not nil for a message that was handed over as MIME; see Envelope.
	Envelope *Envelope `json:"envelope,omitempty"`
	// Splitting is set before the first personalization becomes a message of its own. Since then the
	// personalizations are not sent together any more.
	Splitting bool `json:"splitting,omitempty"`
	// Parts is how many additional records hold the contents of the attachments; 0 if the
	// message's own record holds them.
	Parts  int       `json:"parts,omitempty"`
	SendAt time.Time `json:"sendAt,omitzero"`
	// ExpiresAt is when the message is not worth sending any more; the zero time for never.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// NextAttempt is when the message is tried next, while it waits for that; otherwise the zero time.
	NextAttempt time.Time `json:"-"`
	Delivery    Delivery  `json:"delivery"`
	Tracking    Tracking  `json:"tracking,omitempty"`
	Category    Category  `json:"category,omitempty"` // empty means Transactional: written by an earlier version
	Keeping     Keeping   `json:"content,omitempty"`  // empty means Keep
	// MessageID is the RFC 5322 Message-ID without angle brackets. It is the same for every
	// provider and every attempt.
	MessageID string `json:"messageId"`

	Recipients []Recipient `json:"recipients"`
	Attempts   []Attempt   `json:"attempts"` // oldest first
	// Failures counts the failed attempts since a person last queued the message; it is the
	// position in the retry schedule.
	Failures int `json:"failures"`
	// RetryAt is when the schedule makes the next attempt. The message may be sent earlier, since a provider
	// works again. If that fails, it is no further failure: the schedule goes on.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// Earlier counts the attempts made before a person last queued the message.
	Earlier int `json:"earlier,omitempty"`
	// Change is the last change that a person made: that it is retried, canceled or sent at another time.
	Change Change `json:"change,omitzero"`
	// BatchCanceledAt is the CanceledAt that the message's batch had when a person last queued the message.
	BatchCanceledAt time.Time `json:"batchCanceledAt,omitzero"`
	// Next is the provider to ask next, if the message has failed over to it; empty means the
	// first provider that can carry the message.
	Next        string          `json:"next,omitempty"`
	Key         string          `json:"key,omitempty"` // the caller's idempotency key
	Fingerprint string          `json:"fingerprint,omitempty"`
	KeyAge      idempotency.Age `json:"keyAge,omitzero"` // how much of the key's retention has passed
	CreatedAt   time.Time       `json:"createdAt"`
	UpdatedAt   time.Time       `json:"updatedAt"`
	// EndedAt is when the message last stopped waiting to be sent, whatever the reason; the zero time if it
	// never did, or did in an earlier version.
	EndedAt  time.Time `json:"endedAt,omitzero"`
	PurgedAt time.Time `json:"purgedAt,omitzero"` // when its text and files were removed because of their age, or of its Keeping
	ErasedAt time.Time `json:"erasedAt,omitzero"` // when its content was erased on a person's request
	// Restore is when the store had last been restored from an older copy at the time the message
	// was last queued; the zero time if it never was. Nil means unknown: the message was written
	// by an earlier version.
	Restore *time.Time `json:"restore,omitempty"`
	// HasTerms says that what the message is found by is stored with it. A message that an earlier
	// version has written gets that when it changes for the next time.
	HasTerms bool `json:"hasTerms,omitempty"`
}

// Date returns the date of the message, which is the same at every attempt and provider: when it was
// accepted, or is due.
func (m Message) Date() time.Time {
	if m.SendAt.After(m.CreatedAt) {
		return m.SendAt
	}
	return m.CreatedAt
}

// HasAttempt reports whether the message has an attempt with this id.
func (m Message) HasAttempt(id string) bool {
	return slices.ContainsFunc(m.Attempts, func(a Attempt) bool { return a.ID == id })
}

// ProviderOf returns the provider of an attempt, or "" if there is no such attempt.
func (m Message) ProviderOf(attempt string) string {
	for _, a := range m.Attempts {
		if a.ID == attempt {
			return a.Provider
		}
	}
	return ""
}

// LastAttempt returns the latest attempt, or the zero Attempt if there was none.
func (m Message) LastAttempt() Attempt {
	if len(m.Attempts) == 0 {
		return Attempt{}
	}
	return m.Attempts[len(m.Attempts)-1]
}

// HasOutcome reports whether any attempt has this outcome.
func (m Message) HasOutcome(o Outcome) bool {
	return slices.ContainsFunc(m.Attempts, func(a Attempt) bool { return a.Outcome == o })
}

// GivenUp returns the status of a message that is not tried any more, whatever the reason, unless a person
// has canceled it. Once an attempt was ambiguous the message may have been sent, whatever came after it: it
// is neither failed nor suppressed.
func (m *Message) GivenUp() Status {
	switch {
	case m.HasOutcome(Ambiguous):
		return Unknown
	case !m.AnyLeft() && !m.HasRefused():
		return Suppressed
	}
	return Failed
}

// RefusedBy reports whether the provider has refused the message permanently since a person last
// queued it.
func (m Message) RefusedBy(provider string) bool {
	return slices.ContainsFunc(m.Attempts[min(m.Earlier, len(m.Attempts)):], func(a Attempt) bool {
		return a.Provider == provider && a.Outcome == RefusedHere
	})
}

// Attachment is a file. With a ContentID it is inline: <img src="cid:…">.
type Attachment struct {
	Filename    string `json:"filename"`
	ContentType string `json:"contentType"`
	ContentID   string `json:"contentId,omitempty"`
	Size        int    `json:"size,omitempty"` // bytes of Content
	Content     []byte `json:"content"`        // base64 in JSON; may be stored in separate records, see Message.Parts
}

// Bytes returns the number of bytes of the file, also if its Content is stored in other records.
func (a Attachment) Bytes() int { return max(a.Size, len(a.Content)) }

// AttachmentBytes returns the number of bytes of all files.
func (m Message) AttachmentBytes() (n int) {
	for _, a := range m.Attachments {
		n += a.Bytes()
	}
	return n
}

// Recipient is one address and what became of the message there.
type Recipient struct {
	Email string `json:"email"`
	// Personalization is the place of the recipient's copy in the batch, from 0.
	Personalization int `json:"personalization,omitempty"`
	// Status is the status of the message or Suppressed or, once a provider has reported on a copy
	// for this recipient, the Event of the best copy; see Fate.
	Status Status `json:"status"`
	Fates  []Fate `json:"fates,omitempty"` // one per copy that a provider has reported on
	// Suppressed is why the last attempt left the recipient out; empty if it did not.
	Suppressed string `json:"suppressed,omitempty"`
	// Refused is how a provider refused this recipient by name, before it was sent anything. Nil if none did
	// since a person last queued the message.
	Refused *Fate `json:"refused,omitempty"`
}

// Caught is a message stored by a mail catcher.
type Caught struct {
	Name    string // name of the .eml file
	From    string
	To      string
	Subject string
	Size    int64 // bytes
	At      time.Time
}

const (
	// Erased replaces text that was erased on a person's request.
	Erased = "erased"
	// ErasedAddress replaces the person's address. It can never exist (RFC 2606).
	ErasedAddress = Erased + "@" + erasedDomain
	erasedDomain  = "erased.invalid"
)

// Erase removes the message's content, and the addresses that are the person's; the addresses of
// others stay. What remains is that there was a message, when, and how each attempt to send it
// ended. A message with personalizations for others loses only those for the person.
func (m *Message) Erase(theirs func(email string) bool, now time.Time) {
	if len(m.Personalizations) > 0 && m.eraseCopies(theirs) {
		return
	}
	if m.ErasedAt.IsZero() { // a second person of the same message may ask later
		m.ErasedAt = now
	}
	m.Subject, m.HTML, m.Text = Erased, "", ""
	m.Headers, m.Attachments, m.Tags, m.Metadata, m.Parts, m.TemplateData = nil, nil, nil, nil, 0, nil
	m.Personalizations, m.Source = nil, nil
	if theirs(m.From.Email) {
		m.MessageID = m.ID + "@" + erasedDomain // it contained the domain of the address
		m.From = Address{Email: ErasedAddress}
	}
	if m.Envelope != nil {
		m.MessageID = m.ID + "@" + erasedDomain // the caller chose it
		if theirs(m.Envelope.Sender) {
			m.Envelope = &Envelope{Sender: ErasedAddress}
		}
	}
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc, m.ReplyTo} {
		for i := range list {
			if theirs(list[i].Email) {
				list[i] = Address{Email: ErasedAddress}
			}
		}
	}
	for i := range m.Recipients {
		m.Recipients[i].erase(theirs)
	}
	m.eraseAnswers()
}

// eraseAnswers removes what providers have answered, who may quote whom they answered about.
func (m *Message) eraseAnswers() {
	for i := range m.Attempts {
		m.Attempts[i].Message, m.Attempts[i].Answer = "", nil
	}
}

// erase removes the address if it is the person's, and what others said of the copy.
func (r *Recipient) erase(theirs func(email string) bool) {
	if theirs(r.Email) {
		r.Email = ErasedAddress
	}
	for n := range r.Fates {
		r.Fates[n].Reason = ""
	}
	if r.Refused != nil {
		f := *r.Refused
		f.Reason, r.Refused = "", &f
	}
}

// RecipientAddresses returns the addresses that the message was accepted for, and that were not erased
// since. An address may stand there twice.
func (m *Message) RecipientAddresses() (all []string) {
	for _, r := range m.Recipients {
		all = append(all, r.Email)
	}
	if len(m.Recipients) == 0 { // an earlier version wrote no recipients
		for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
			all = append(all, a.Email)
		}
	}
	return slices.DeleteFunc(all, func(address string) bool { return address == ErasedAddress })
}

// Concerns reports whether one of the message's addresses is the person's.
func (m *Message) Concerns(theirs func(email string) bool) bool {
	return slices.ContainsFunc(m.addresses(), func(a Address) bool { return theirs(a.Email) })
}

// addresses returns the addresses of the sender, of the recipients, those of the personalizations
// included, and for replies.
func (m *Message) addresses() []Address {
	all := slices.Concat([]Address{m.From}, m.To, m.Cc, m.Bcc, m.ReplyTo)
	for _, p := range m.Personalizations {
		all = append(all, p.To...)
	}
	if len(m.To) == 0 { // a list leaves out the personalizations
		for _, r := range m.Recipients {
			all = append(all, Address{Email: r.Email})
		}
	}
	if m.Envelope != nil && m.Envelope.Sender != "" {
		all = append(all, Address{Email: m.Envelope.Sender})
	}
	return all
}

// Change is a change that a person made to a waiting, or ended, message.
type Change struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}
