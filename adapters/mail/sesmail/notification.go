package sesmail

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"patchbay/adapters/mail/labels"
	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// names maps SES's events. SES publishes Send when it has taken a message, before it tries to deliver
// it. Notification tells apart what the type alone does not.
//
// Source: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
var names = map[string]email.Event{
	"Send": email.EventProcessed, "Delivery": email.EventDelivered, "DeliveryDelay": email.EventDeferred, "Bounce": email.EventBounced,
	"Complaint": email.EventComplained, "Reject": email.EventRejected, "Rendering Failure": email.EventRejected,
	"Open": email.EventOpened, "Click": email.EventClicked, "Subscription": email.EventUnsubscribed,
}

// notTried are the kinds of bounces that SES reports instead of trying to deliver.
var notTried = []string{"Suppressed", onAccountList, "UnsubscribedRecipient"}

const onAccountList = "OnAccountSuppressionList"

// causes maps the kinds of permanent bounces to their causes. General says nothing but that it is
// permanent: the code decides. OnAccountSuppressionList does not say why the address is there.
var causes = map[string]email.Cause{
	"NoEmail": email.CauseAddress, "Suppressed": email.CauseBouncedBefore, "UnsubscribedRecipient": email.CauseUnsubscribedBefore,
}

// reports are the kinds of complaints that are none of the recipient: one that a mail is not spam, and
// one that it could not be authenticated.
var reports = []string{"not-spam", "auth-failure"}

// Notification implements ports.MailReader.
func (h *Hook) Notification(e webhook.Event) (email.Notification, bool, error) {
	var o happening
	if err := json.Unmarshal(e.Object, &o); err != nil || o.Reference == "" && names[e.Type] != "" {
		return email.Notification{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	n := email.Notification{
		Message: labels.Mark(o.Tags, email.IDVariable), Attempt: labels.Mark(o.Tags, email.AttemptVariable), Tenant: labels.Mark(o.Tags, email.TenantVariable),
		Reference: o.Reference, Recipient: o.Recipient, At: o.At,
	}
	if n.Event, n.Cause = o.event(); names[e.Type] == "" {
		return email.Notification{Message: n.Message, Tenant: n.Tenant}, false, nil
	}
	if n.Event == email.EventBounced || n.Event == email.EventRejected || n.Event == email.EventDeferred {
		n.Code, n.Reason = o.reason()
	}
	return n, n.Event != "", nil
}

// event returns what happened, "" if it is nothing that is reported, and why.
func (h happening) event() (email.Event, email.Cause) {
	switch {
	case h.Type == "Bounce" && slices.Contains(notTried, h.SubKind):
		return email.EventRejected, causes[h.SubKind]
	case h.Type == "Bounce" && (h.Action == "delayed" || h.Kind == "Transient" && h.SubKind == "General" && h.Action+h.Status == ""):
		// SES takes an automatic reply, such as "out of office", for the latter.
		return email.EventDeferred, ""
	case h.Type == "Bounce" && h.Kind == "Permanent":
		return email.EventBounced, causes[h.SubKind]
	case h.Type == "Bounce":
		return email.EventBounced, email.CauseOther
	case h.Type == "Complaint" && h.SubKind == onAccountList:
		return email.EventRejected, email.CauseComplainedBefore
	case h.Type == "Complaint" && slices.Contains(reports, h.Kind), h.Type == "Subscription" && h.Kind != unsubscribedAll:
		return "", ""
	case h.Type == "Reject", h.Type == "Rendering Failure":
		return email.EventRejected, email.CauseOther
	}
	return names[h.Type], ""
}

// reason returns why a recipient did not get the message, in the words of the recipient's server or of
// SES, and its code. A status that says only that it is permanent gives way to the code in the words.
func (h happening) reason() (code, words string) {
	code = h.Status
	if code == "" || strings.HasSuffix(code, ".0.0") {
		code = cmp.Or(refusal.EnhancedCode(h.Words), code, refusal.ReplyCode(h.Words))
	}
	all := slices.DeleteFunc([]string{h.Kind, h.SubKind, h.Words}, func(s string) bool { return s == "" })
	return code, refusal.Redact(refusal.ProviderError{Words: strings.Join(all, " ")}, email.Message{}).Words
}
