package resendmail

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/mail/labels"
	"patchbay/adapters/mail/refusal"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/mail/signed"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// happening is an event as Resend sends it, and as it is stored: of one that is not understood, the type and
// the marks.
type happening struct {
	Type      string `json:"type"`
	CreatedAt string `json:"created_at"` // RFC 3339
	Data      data   `json:"data"`
}

// data is the part of an event about a message that is used here.
type data struct {
	EmailID string   `json:"email_id"`
	To      []string `json:"to"` // the recipients that the event is about
	Tags    tags     `json:"tags,omitempty"`
	Bounce  struct {
		Type       string   `json:"type,omitempty"`
		SubType    string   `json:"subType,omitempty"`
		Message    string   `json:"message,omitempty"`
		Diagnostic []string `json:"diagnosticCode,omitempty"`
	} `json:"bounce"`
	Failed struct {
		Reason string `json:"reason,omitempty"`
	} `json:"failed"`
	Suppressed struct {
		Type    string `json:"type,omitempty"`
		Message string `json:"message,omitempty"`
	} `json:"suppressed"`
}

// tags are the tags of a message by name. Resend documents them as a list, and shows them in its
// examples as an object.
type tags map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (t *tags) UnmarshalJSON(raw []byte) error {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return json.Unmarshal(raw, (*map[string]string)(t))
	}
	var list []tag
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	*t = tags{}
	for _, one := range list {
		(*t)[one.Name] = one.Value
	}
	return nil
}

// parse returns the events of a delivery: one for each recipient that it is about, so that each is
// known by the delivery's id and a number.
func parse(provider string, d signed.Delivery, body []byte) ([]webhook.Event, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &kind); err != nil || kind.Type == "" {
		return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	event := webhook.Event{Provider: provider, ID: d.ID, Type: kind.Type, Created: d.At}
	var h happening
	if err := json.Unmarshal(body, &h); err != nil || names[h.Type] == "" {
		event.Object, err = json.Marshal(happening{Type: kind.Type, Data: data{Tags: marksIn(body)}})
		return []webhook.Event{event}, err // one that cannot be read has no recipient, and is refused when it is applied
	}
	h.Data.Tags = labels.Marks(h.Data.Tags)
	at := h.at(d.At)
	h.CreatedAt = at.Format(time.RFC3339Nano)
	recipients := h.Data.To
	if len(recipients) == 0 {
		recipients = []string{""}
	}
	var events []webhook.Event
	for i, to := range recipients {
		one := event
		if i > 0 {
			one.ID = fmt.Sprintf("%s/%d", d.ID, i+1)
		}
		one.Created, h.Data.To = at.Truncate(time.Second), []string{to}
		object, err := json.Marshal(h)
		if err != nil {
			return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
		}
		one.Object = object
		events = append(events, one)
	}
	return events, nil
}

// at returns when the event happened, or a time that is close to it if the event does not say so.
func (h happening) at(about time.Time) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, h.CreatedAt); err == nil {
		return at.UTC()
	}
	return about
}

// names maps Resend's events. Others, such as domain.created, are not about a message. Resend sends
// email.sent when it has taken a message, before it tries to deliver it.
//
// Source: https://resend.com/docs/webhooks/event-types
var names = map[string]email.Event{
	"email.sent": email.EventProcessed, "email.delivered": email.EventDelivered, "email.delivery_delayed": email.EventDeferred,
	"email.bounced": email.EventBounced, "email.complained": email.EventComplained, "email.failed": email.EventRejected,
	"email.suppressed": email.EventRejected, "email.opened": email.EventOpened, "email.clicked": email.EventClicked,
}

// notTried are the kinds of bounces that Resend reports instead of trying to deliver.
var notTried = []string{"Suppressed", "OnAccountSuppressionList"}

// causes maps the kinds of bounces to their causes. General says nothing but that it is permanent: the
// code in the server's words decides. OnAccountSuppressionList does not say why the address is there.
//
// Source: https://resend.com/docs/dashboard/emails/email-bounces
var causes = map[string]email.Cause{
	"NoEmail": email.CauseAddress, "Suppressed": email.CauseBouncedBefore, "MailboxFull": email.CauseOther, "MessageTooLarge": email.CauseOther,
	"ContentRejected": email.CauseOther, "AttachmentRejected": email.CauseOther,
}

// Notification implements ports.MailReader.
func (h *Hook) Notification(e webhook.Event) (email.Notification, bool, error) {
	var o happening
	err := json.Unmarshal(e.Object, &o)
	switch {
	case err == nil && names[o.Type] == "":
		return email.Notification{Message: labels.Mark(o.Data.Tags, email.IDVariable), Tenant: labels.Mark(o.Data.Tags, email.TenantVariable)}, false, nil
	case err != nil || len(o.Data.To) != 1:
		return email.Notification{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	n := email.Notification{
		Event: names[o.Type], Message: labels.Mark(o.Data.Tags, email.IDVariable), Attempt: labels.Mark(o.Data.Tags, email.AttemptVariable),
		Tenant: labels.Mark(o.Data.Tags, email.TenantVariable), Reference: o.Data.EmailID, Recipient: rfc5322.Bare(o.Data.To[0]), At: o.at(e.Created),
	}
	if b := o.Data.Bounce; n.Event == email.EventBounced {
		n.Cause = causes[b.SubType]
		if slices.Contains(notTried, b.SubType) {
			n.Event = email.EventRejected
		}
	}
	if n.Event == email.EventBounced || n.Event == email.EventRejected || n.Event == email.EventDeferred {
		n.Code, n.Reason = o.Data.reason()
	}
	return n, true, nil
}

// marksIn returns the marks in an event that cannot be read, or is of an unknown type, as far as it has them
// where others have them.
func marksIn(body []byte) map[string]string {
	var o struct {
		Data struct {
			Tags tags `json:"tags"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &o) != nil {
		return nil
	}
	return labels.Marks(o.Data.Tags)
}

// reason returns why a recipient did not get the message, in the words of the recipient's server or of
// Resend, and the code in them.
func (d data) reason() (code, words string) {
	diagnostic := strings.Join(d.Bounce.Diagnostic, " ")
	all := strings.Join([]string{d.Bounce.Type, d.Bounce.SubType, d.Suppressed.Type, diagnostic, d.Bounce.Message, d.Failed.Reason, d.Suppressed.Message}, " ")
	text := cmp.Or(diagnostic, d.Bounce.Message)
	code = cmp.Or(refusal.EnhancedCode(text), refusal.ReplyCode(text))
	return code, refusal.Redact(refusal.ProviderError{Words: all}, email.Message{}).Words
}
