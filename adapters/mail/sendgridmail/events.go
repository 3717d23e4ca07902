package sendgridmail

import (
	"cmp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// object is the part of an event that is used here, and stored. The marks of a message are members of
// the same object.
type object struct {
	Event     string         `json:"event"`
	Email     string         `json:"email,omitzero"`
	Timestamp int64          `json:"timestamp,omitzero"`
	MessageID string         `json:"sg_message_id,omitzero"` // X-Message-Id, a dot, and the sending server
	Try       jsontext.Value `json:"attempt,omitzero"`       // of a deferred event, the number of the attempt
	URL       string         `json:"url,omitzero"`           // that was clicked
	Status    string         `json:"status,omitzero"`        // of SMTP: 5.1.1
	Reason    string         `json:"reason,omitzero"`        // of a bounced or dropped event
	Response  string         `json:"response,omitzero"`      // of the recipient's server
	Type      string         `json:"type,omitzero"`          // of a bounced event: bounce or blocked
	Class     string         `json:"bounce_classification,omitzero"`

	Message string `json:"patchbay_message,omitzero"`
	Tenant  string `json:"patchbay_tenant,omitzero"`
	Attempt string `json:"patchbay_attempt,omitzero"`
}

// read decodes an event. It is case-sensitive and refuses duplicate members, so that
// arguments set by a caller cannot replace our marks. The time must be one that JSON can
// express.
func read(raw []byte) (o object, ok bool) {
	err := json.Unmarshal(raw, &o, jsontext.AllowInvalidUTF8(true))
	if err != nil || o.Event == "" || o.Timestamp < 0 || o.Timestamp > lastSecond {
		return object{}, false
	}
	return o, true
}

// kept returns what is stored of an event: what Notification uses. Of one that cannot be read that is nothing.
func (o object) kept() []byte {
	o.Try, o.URL = nil, ""
	raw, err := json.Marshal(o)
	if err != nil {
		return []byte("{}")
	}
	return raw
}

// lastSecond is the end of the year 9999, the last time in RFC 3339.
const lastSecond = 253402300799

// names maps SendGrid's events. Others, such as group_resubscribe, are not about a message.
var names = map[string]email.Event{
	"processed": email.EventProcessed, "deferred": email.EventDeferred, "delivered": email.EventDelivered,
	"bounce": email.EventBounced, "dropped": email.EventRejected, "spamreport": email.EventComplained,
	"open": email.EventOpened, "click": email.EventClicked,
	"unsubscribe": email.EventUnsubscribed, "group_unsubscribe": email.EventUnsubscribed,
}

// Notification implements ports.MailReader.
func (h *Hook) Notification(e webhook.Event) (email.Notification, bool, error) {
	o, ok := read(e.Object)
	if !ok {
		return email.Notification{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	name, known := names[o.Event]
	if !known {
		return email.Notification{Tenant: o.Tenant, Message: o.Message, Recipient: o.Email}, false, nil
	}
	reference, _, _ := strings.Cut(o.MessageID, ".")
	n := email.Notification{
		Event: name, Tenant: o.Tenant, Message: o.Message, Attempt: o.Attempt, Reference: reference,
		Recipient: o.Email, At: time.Unix(o.Timestamp, 0).UTC(),
	}
	if name == email.EventBounced || name == email.EventRejected || name == email.EventDeferred {
		said := refusal.ProviderError{Words: cmp.Or(o.Reason, o.Response)}
		n.Code, n.Reason, n.Cause = o.Status, refusal.Redact(said, email.Message{}).Words, o.cause()
	}
	return n, true, nil
}

// dropped maps the reasons for which SendGrid drops a message, those about the address.
var dropped = map[string]email.Cause{
	"Bounced Address": email.CauseBouncedBefore, "Spam Reporting Address": email.CauseComplainedBefore,
	"Unsubscribed Address": email.CauseUnsubscribedBefore, "Invalid": email.CauseAddress,
}

// classes maps SendGrid's classification of a bounce. What is missing says nothing: Technical, which
// is about the servers, and Unclassified.
var classes = map[string]email.Cause{
	"Invalid Address": email.CauseAddress, "Mailbox Unavailable": email.CauseOther,
	"Content": email.CauseOther, "Reputation": email.CauseOther, "Frequency or Volume Too High": email.CauseOther,
}

// cause returns why a recipient did not get a message, as SendGrid classifies it. A blocked message
// is never about the address: SendGrid goes on sending to it.
//
// Source: SendGrid's reference, "Event Webhook Reference" and "Bounce and Block Classifications".
func (o object) cause() email.Cause {
	switch {
	case o.Event == "dropped":
		if cause, ok := dropped[o.Reason]; ok {
			return cause
		}
		return email.CauseOther
	case o.Event == "bounce" && o.Type == "blocked":
		return email.CauseOther
	case o.Event == "bounce":
		return classes[o.Class]
	}
	return ""
}
