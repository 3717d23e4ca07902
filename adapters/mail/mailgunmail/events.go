package mailgunmail

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// object is the part of an event that is used here, and stored. The types of the library include
// everything, and fail if any part has changed.
type object struct {
	Event     string  `json:"event"`
	Recipient string  `json:"recipient,omitzero"`
	Timestamp float64 `json:"timestamp,omitzero"`
	Severity  string  `json:"severity,omitzero"` // of a failed event: permanent or temporary
	Reason    string  `json:"reason,omitzero"`   // of a failed event: a word, such as suppress-bounce
	Status    struct {
		Code         text `json:"code,omitzero"`
		EnhancedCode text `json:"enhanced-code,omitzero"`
		BounceCode   text `json:"bounce-code,omitzero"` // enhanced, of a mail that came back
		Message      text `json:"message,omitzero"`
		Description  text `json:"description,omitzero"`
	} `json:"delivery-status,omitzero"`
	Reject struct {
		Reason      string `json:"reason,omitzero"`
		Description string `json:"description,omitzero"`
	} `json:"reject,omitzero"`
	Message struct {
		Headers struct {
			MessageID string `json:"message-id,omitzero"`
		} `json:"headers,omitzero"`
	} `json:"message,omitzero"`
	Variables jsontext.Value `json:"user-variables,omitzero"`
}

// unmarshal is case-sensitive and refuses duplicate members, so that variables set by a
// caller cannot replace our marks.
func unmarshal(raw []byte, into any) error {
	return json.Unmarshal(raw, into, jsontext.AllowInvalidUTF8(true))
}

// marks are the marks of a message among its variables.
type marks struct {
	Message text `json:"patchbay_message,omitzero"`
	Tenant  text `json:"patchbay_tenant,omitzero"`
	Attempt text `json:"patchbay_attempt,omitzero"`
}

// text is a string, or a value that Mailgun has converted to a number.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	*t = text(s)
	return nil
}

// names maps Mailgun's events, except failed. Other events, such as stored, are not about
// mail that we send.
var names = map[string]email.Event{
	"accepted": email.EventProcessed, "rejected": email.EventRejected, "delivered": email.EventDelivered,
	"complained": email.EventComplained, "opened": email.EventOpened, "clicked": email.EventClicked,
	"unsubscribed": email.EventUnsubscribed,
}

// read decodes an event. Marks that cannot be read are none, in an event that says nothing about a message.
func read(raw []byte) (o object, m marks, err error) {
	if err := unmarshal(raw, &o); err != nil {
		return o, m, err
	}
	if o.Variables.Kind() == '{' { // without variables it is an empty list
		if err := unmarshal(o.Variables, &m); err != nil {
			if _, known := o.name(); known {
				return o, m, err
			}
			m = marks{}
		}
	}
	return o, m, nil
}

// unreadable is stored of an event that cannot be read, whose type is known: it is refused when it is applied.
const unreadable = "[]"

// kept returns what is stored of an event: what Notification uses. Mailgun's own has the subject and the other
// recipients.
func kept(raw []byte) []byte {
	o, m, err := read(raw)
	if err != nil {
		return []byte(unreadable)
	}
	if o.Variables, err = json.Marshal(m); err != nil {
		return []byte(unreadable)
	}
	short, err := json.Marshal(o)
	if err != nil {
		return []byte(unreadable)
	}
	return short
}

// Notification implements ports.MailReader.
func (h *Hook) Notification(e webhook.Event) (email.Notification, bool, error) {
	o, m, err := read(e.Object)
	if err != nil {
		return email.Notification{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	name, ok := o.name()
	if !ok {
		return email.Notification{Tenant: string(m.Tenant), Message: string(m.Message), Recipient: o.Recipient}, false, nil
	}
	n := email.Notification{
		Event: name, Tenant: string(m.Tenant), Message: string(m.Message), Attempt: string(m.Attempt),
		Reference: strings.Trim(o.Message.Headers.MessageID, "<>"), Recipient: o.Recipient, At: timeOf(o.Timestamp),
	}
	if name == email.EventBounced || name == email.EventRejected || name == email.EventDeferred {
		n.Code, n.Cause = string(cmp.Or(o.Status.EnhancedCode, o.Status.BounceCode, o.Status.Code)), o.cause()
		n.Reason = refusal.Redact(refusal.ProviderError{Words: o.reason()}, email.Message{}).Words
	}
	return n, true, nil
}

// name returns what has happened. Mailgun also reports failed if it did not try, because
// the address is on one of its suppression lists.
func (o object) name() (email.Event, bool) {
	if o.Event != "failed" {
		name, ok := names[o.Event]
		return name, ok
	}
	switch {
	case o.Severity == "temporary":
		return email.EventDeferred, true
	case strings.HasPrefix(o.Reason, "suppress-"):
		return email.EventRejected, true
	}
	return email.EventBounced, true
}

// causes maps Mailgun's reasons for a permanent failure. It puts an address on its list of bounces
// where the reason is bounce: the recipient is not found. Generic, old and others say nothing about
// the address.
//
// Source: Mailgun's manual, "Tracking Failures" and "Suppressions".
var causes = map[string]email.Cause{
	"bounce": email.CauseAddress, "suppress-bounce": email.CauseBouncedBefore,
	"suppress-complaint": email.CauseComplainedBefore, "suppress-unsubscribe": email.CauseUnsubscribedBefore,
	"espblock": email.CauseOther, "old": email.CauseOther,
}

// cause returns why a recipient did not get a message, as Mailgun classifies it. A message that it
// rejected itself was not about the address.
func (o object) cause() email.Cause {
	if o.Event == "rejected" {
		return email.CauseOther
	}
	return causes[o.Reason]
}

// reason returns the reason in words, if there is one.
func (o object) reason() string {
	said := cmp.Or(string(o.Status.Message), string(o.Status.Description), o.Reject.Description, o.Reject.Reason)
	if said == "" || strings.HasPrefix(o.Reason, "suppress-") {
		return strings.TrimSpace(o.Reason + " " + said)
	}
	return said
}
