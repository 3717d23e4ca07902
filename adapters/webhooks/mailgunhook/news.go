package mailgunhook

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"patchbay/adapters/mail/refusal"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/message"
)

// object is the part of an event that matters here. Those of the library are whole, and
// fail at any part that has changed.
type object struct {
	Event     string  `json:"event"`
	Recipient string  `json:"recipient"`
	Timestamp float64 `json:"timestamp"`
	Severity  string  `json:"severity"` // of a failed one: permanent or temporary
	Reason    string  `json:"reason"`   // of a failed one: a word, such as suppress-bounce
	Status    struct {
		Code         text `json:"code"`
		EnhancedCode text `json:"enhanced-code"`
		Message      text `json:"message"`
		Description  text `json:"description"`
	} `json:"delivery-status"`
	Reject struct {
		Reason      string `json:"reason"`
		Description string `json:"description"`
	} `json:"reject"`
	Message struct {
		Headers struct {
			MessageID string `json:"message-id"`
		} `json:"headers"`
	} `json:"message"`
	Variables jsontext.Value `json:"user-variables"`
}

// unmarshal tells members apart by case, and takes none twice: what a caller has put beside
// our marks must not take their place.
func unmarshal(raw []byte, into any) error {
	return json.Unmarshal(raw, into, jsontext.AllowInvalidUTF8(true))
}

// marks are those of a message, among its variables.
type marks struct {
	Message text `json:"patchbay_message"`
	Tenant  text `json:"patchbay_tenant"`
	Attempt text `json:"patchbay_attempt"`
}

// text is a text, or what Mailgun has taken for a number.
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

// names are Mailgun's, but for failed. Others, such as stored, tell of no mail of ours.
var names = map[string]message.Event{
	"accepted": message.EventProcessed, "rejected": message.EventRejected, "delivered": message.EventDelivered,
	"complained": message.EventComplained, "opened": message.EventOpened, "clicked": message.EventClicked,
	"unsubscribed": message.EventUnsubscribed,
}

// News implements ports.MailReader.
func (h *Hook) News(e event.Webhook) (message.News, bool, error) {
	var o object
	if err := unmarshal(e.Object, &o); err != nil {
		return message.News{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	name, ok := o.name()
	if !ok {
		return message.News{}, false, nil
	}
	var m marks
	if o.Variables.Kind() == '{' { // none of them is an empty list
		if err := unmarshal(o.Variables, &m); err != nil {
			return message.News{}, false, fault.New(fault.Invalid, "invalid_payload", "the variables of an event cannot be read")
		}
	}
	n := message.News{
		Event: name, Tenant: string(m.Tenant), Message: string(m.Message), Attempt: string(m.Attempt),
		Reference: strings.Trim(o.Message.Headers.MessageID, "<>"), Recipient: o.Recipient, At: moment(o.Timestamp),
	}
	if name == message.EventBounced || name == message.EventRejected || name == message.EventDeferred {
		n.Code = string(cmp.Or(o.Status.EnhancedCode, o.Status.Code))
		n.Reason = refusal.Blank(refusal.Said{Words: o.why()}, message.Message{}).Words
	}
	return n, true, nil
}

// name is what has happened. What Mailgun did not try, since the address is on a list of
// its own, it calls failed too.
func (o object) name() (message.Event, bool) {
	if o.Event != "failed" {
		name, ok := names[o.Event]
		return name, ok
	}
	switch {
	case o.Severity == "temporary":
		return message.EventDeferred, true
	case strings.HasPrefix(o.Reason, "suppress-"):
		return message.EventRejected, true
	}
	return message.EventBounced, true
}

// why is the reason in words, where there are any.
func (o object) why() string {
	said := cmp.Or(string(o.Status.Message), string(o.Status.Description), o.Reject.Description, o.Reject.Reason)
	if said == "" || strings.HasPrefix(o.Reason, "suppress-") {
		return strings.TrimSpace(o.Reason + " " + said)
	}
	return said
}
