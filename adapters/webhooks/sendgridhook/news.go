package sendgridhook

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/message"
)

// object is the part of an event that matters here. What a message was marked with stands
// beside the rest.
type object struct {
	Event     string         `json:"event"`
	Email     string         `json:"email"`
	Timestamp int64          `json:"timestamp"`
	MessageID string         `json:"sg_message_id"` // X-Message-Id, a dot, and where it was sent from
	Try       jsontext.Value `json:"attempt"`       // of a deferred one, counted
	URL       string         `json:"url"`           // that was clicked
	Status    string         `json:"status"`        // of SMTP: 5.1.1
	Reason    string         `json:"reason"`        // of a bounced or dropped one
	Response  string         `json:"response"`      // of the recipient's server

	Message string `json:"patchbay_message"`
	Tenant  string `json:"patchbay_tenant"`
	Attempt string `json:"patchbay_attempt"`
}

// read reads an event. Its members are told apart by case, and none may stand twice: what a
// caller has put beside our marks must not take their place. A time is one that JSON has.
func read(raw []byte) (o object, ok bool) {
	err := json.Unmarshal(raw, &o, jsontext.AllowInvalidUTF8(true))
	if err != nil || o.Event == "" || o.Timestamp < 0 || o.Timestamp > lastSecond {
		return object{}, false
	}
	return o, true
}

// lastSecond is the end of the year 9999, after which RFC 3339 has no times.
const lastSecond = 253402300799

// names are SendGrid's. Others, such as group_resubscribe, tell of no message.
var names = map[string]message.Event{
	"processed": message.EventProcessed, "deferred": message.EventDeferred, "delivered": message.EventDelivered,
	"bounce": message.EventBounced, "dropped": message.EventRejected, "spamreport": message.EventComplained,
	"open": message.EventOpened, "click": message.EventClicked,
	"unsubscribe": message.EventUnsubscribed, "group_unsubscribe": message.EventUnsubscribed,
}

// News implements ports.MailReader.
func (h *Hook) News(e event.Webhook) (message.News, bool, error) {
	o, ok := read(e.Object)
	if !ok {
		return message.News{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	name, known := names[o.Event]
	if !known {
		return message.News{}, false, nil
	}
	reference, _, _ := strings.Cut(o.MessageID, ".")
	n := message.News{
		Event: name, Tenant: o.Tenant, Message: o.Message, Attempt: o.Attempt, Reference: reference,
		Recipient: o.Email, At: time.Unix(o.Timestamp, 0).UTC(),
	}
	if name == message.EventBounced || name == message.EventRejected || name == message.EventDeferred {
		words := o.Reason
		if words == "" {
			words = o.Response
		}
		n.Code, n.Reason = o.Status, refusal.Blank(refusal.Said{Words: words}, message.Message{}).Words
	}
	return n, true, nil
}
