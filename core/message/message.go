// Package message is the domain of email: a message, its recipients, and the
// attempts to send it.
package message

import (
	"slices"
	"time"

	"patchbay/core/idem"
)

// Status is where a message stands.
type Status string

// The statuses of a message.
const (
	Queued    Status = "queued"    // accepted, waits for its time or for a provider
	Sending   Status = "sending"   // an attempt is under way
	Sent      Status = "sent"      // a provider has accepted it
	Delivered Status = "delivered" // and each recipient's server too
	Failed    Status = "failed"    // refused for good, or dead after the last attempt
	Unknown   Status = "unknown"   // at_most_once, and one attempt was ambiguous
	Canceled  Status = "canceled"
)

// Known reports whether s is one of the statuses.
func (s Status) Known() bool {
	switch s {
	case Queued, Sending, Sent, Delivered, Failed, Unknown, Canceled:
		return true
	}
	return false
}

// Delivery is the promise a message is sent under when an attempt's outcome is
// not known: send again (perhaps twice), or leave it (perhaps never).
type Delivery string

// The two promises.
const (
	AtLeastOnce Delivery = "at_least_once"
	AtMostOnce  Delivery = "at_most_once"
)

// Address is a mailbox with an optional display name.
type Address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// Message is one email of a tenant. All To recipients see each other.
type Message struct {
	ID          string            `json:"id"` // msg_…
	Tenant      string            `json:"tenant"`
	Status      Status            `json:"status"`
	From        Address           `json:"from"`
	To          []Address         `json:"to"`
	Cc          []Address         `json:"cc,omitempty"`
	Bcc         []Address         `json:"bcc,omitempty"`
	ReplyTo     []Address         `json:"replyTo,omitempty"`
	Subject     string            `json:"subject"`
	HTML        string            `json:"html,omitempty"`
	Text        string            `json:"text,omitempty"` // derived from HTML where the caller gave none
	Headers     map[string]string `json:"headers,omitempty"`
	Attachments []Attachment      `json:"attachments,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	// Parts is how many records beside the message's own keep the contents of the
	// attachments; 0 where the message has them itself.
	Parts    int       `json:"parts,omitempty"`
	SendAt   time.Time `json:"sendAt,omitzero"`
	Delivery Delivery  `json:"delivery"`
	// MessageID is the RFC 5322 Message-ID without its brackets, the same on
	// every provider and every attempt.
	MessageID string `json:"messageId"`

	Recipients []Recipient `json:"recipients"`
	Attempts   []Attempt   `json:"attempts"` // oldest first
	// Failures counts the attempts since the message was last queued by a
	// person; the schedule goes by it.
	Failures int `json:"failures"`
	// Earlier counts the attempts before the message was last queued by a person.
	Earlier int `json:"earlier,omitempty"`
	// Next is the provider that is to be asked next, where the message has moved on to
	// it from another; empty where the first that can is.
	Next        string    `json:"next,omitempty"`
	Key         string    `json:"key,omitempty"` // the caller's idempotency key
	Fingerprint string    `json:"fingerprint,omitempty"`
	KeyAge      idem.Age  `json:"keyAge,omitzero"` // how much of the time is over for which the key is kept
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
	PurgedAt    time.Time `json:"purgedAt,omitzero"` // when its text and files were removed, being old
	ErasedAt    time.Time `json:"erasedAt,omitzero"` // since when what it said is gone
	// Restore is the last time that an older copy of the store was put back before the
	// message was last queued; the zero time where that never was. Nil: not known, as of
	// what an earlier version has written.
	Restore *time.Time `json:"restore,omitempty"`
}

// Attempted reports whether an attempt with this id was made.
func (m Message) Attempted(id string) bool {
	return slices.ContainsFunc(m.Attempts, func(a Attempt) bool { return a.ID == id })
}

// ProviderOf is the provider of an attempt, empty where there is no such attempt.
func (m Message) ProviderOf(attempt string) string {
	for _, a := range m.Attempts {
		if a.ID == attempt {
			return a.Provider
		}
	}
	return ""
}

// Any reports whether one of the attempts has this outcome.
func (m Message) Any(o Outcome) bool {
	return slices.ContainsFunc(m.Attempts, func(a Attempt) bool { return a.Outcome == o })
}

// RefusedBy reports whether the provider has refused the message for good since it was
// last queued by a person.
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
	Content     []byte `json:"content"`        // base64 in JSON; may be kept elsewhere, see Message.Parts
}

// Recipient is one address with its own fate.
type Recipient struct {
	Email string `json:"email"`
	// Status is the message's, or the Event of the copy that counts once its provider has
	// told what became of it.
	Status Status `json:"status"`
	Fates  []Fate `json:"fates,omitempty"` // one a copy of which something is known
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. Only Attempting and Ambiguous leave it open whether mail went out.
const (
	Attempting       Outcome = "attempting" // durable before the call; after a crash it means Ambiguous
	Accepted         Outcome = "accepted"
	RejectedMessage  Outcome = "rejected_message"  // this message is refused for good
	RefusedHere      Outcome = "refused_here"      // this provider refuses this message for good; another may take it
	ProviderUnusable Outcome = "provider_unusable" // credentials, quota, domain
	NotAccepted      Outcome = "not_accepted"      // proved: nothing went out
	Ambiguous        Outcome = "ambiguous"
)

// Attempt is one try at one provider.
type Attempt struct {
	ID        string    `json:"id"`       // att_…
	Provider  string    `json:"provider"` // empty where none could carry the message
	Outcome   Outcome   `json:"outcome"`
	Reference string    `json:"reference,omitempty"` // the provider's id of the message
	Marked    bool      `json:"marked,omitempty"`    // the message bears the attempt's id; not where an earlier version has sent it
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"` // without addresses and secrets
	Answer    *Answer   `json:"answer,omitempty"`  // the provider's, where it gave one and did not take the message
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
}

// Answer is what a provider said when it did not take a message, without addresses and
// secrets.
type Answer struct {
	Status int    `json:"status"`          // of HTTP
	Field  string `json:"field,omitempty"` // the part of the message that is wrong, as the provider calls it
	Words  string `json:"words,omitempty"`
}

// Receipt is a provider's answer to a message it has accepted.
type Receipt struct {
	Reference string // the provider's id, empty where it gives none
}

// Features says what a mail provider can do beyond a plain message. What is not
// declared is refused with Unsupported before anything is sent.
type Features struct {
	Attachments bool
	Inline      bool // attachments with a ContentID
	Headers     bool
	Tags        int // how many
	Metadata    bool
	MultiReply  bool // several ReplyTo

	// What it takes less of than Draft.Check allows; 0 where it takes all of that.
	MaxMetadata    int // bytes of names and values
	MaxAttachments int // bytes of all files, before they are encoded
}

// Caught is one message that a catcher has kept.
type Caught struct {
	Name    string // of the .eml file
	From    string
	To      string
	Subject string
	Size    int64 // bytes
	At      time.Time
}
