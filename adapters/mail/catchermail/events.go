package catchermail

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// TestDomain is the domain of the addresses about which a Catcher reports events. The top-level domain
// is reserved for tests (RFC 2606), so no provider can deliver to them.
const TestDomain = "catcher.test"

// told is what is reported about an address: one event.
type told struct {
	event        email.Event
	code, reason string
}

// stories are the events that are reported about an address of TestDomain, in their order, by the local
// part without what follows a plus sign.
var stories = map[string][]told{
	"delivered": {{event: email.EventDelivered}},
	"deferred":  {{email.EventDeferred, "4.2.2", "452 4.2.2 The mailbox is full"}},
	"bounced":   {{email.EventBounced, "5.1.1", "550 5.1.1 There is no such mailbox"}},
	"rejected":  {{email.EventRejected, "", "The catcher does not deliver to this address"}},
	"complained": {
		{event: email.EventDelivered}, {event: email.EventComplained},
	},
	"unsubscribed": {{event: email.EventDelivered}, {event: email.EventUnsubscribed}},
	"opened":       {{event: email.EventDelivered}, {event: email.EventOpened}},
	"clicked":      {{event: email.EventDelivered}, {event: email.EventOpened}, {event: email.EventClicked}},
}

// storyOf returns the events to report about an address, none for most.
func storyOf(address string) []told {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || !strings.EqualFold(address[at+1:], TestDomain) {
		return nil
	}
	local, _, _ := strings.Cut(strings.ToLower(address[:at]), "+")
	return stories[local]
}

// happening is an event as the catcher sends it.
type happening struct {
	ID        string      `json:"id"` // unique
	Event     email.Event `json:"event"`
	At        time.Time   `json:"at"`
	Recipient string      `json:"recipient"`
	Code      string      `json:"code,omitempty"`
	Reason    string      `json:"reason,omitempty"`
	Reference string      `json:"reference"` // of the message: the name of its file

	// The marks of the message.
	Message string `json:"patchbay_message"`
	Tenant  string `json:"patchbay_tenant,omitempty"`
	Attempt string `json:"patchbay_attempt,omitempty"`
}

// happenings returns the events to report about a stored message.
func (c *Catcher) happenings(m email.Message, reference string) (all []happening) {
	marks := m.Variables()
	for _, to := range slices.Concat(m.To, m.Cc, m.Bcc) {
		for _, one := range storyOf(to.Email) {
			all = append(all, happening{
				ID: c.Events.IDs.New("evt"), Event: one.event, At: c.Events.Clock.Now(), Recipient: to.Email, Code: one.code, Reason: one.reason, Reference: reference,
				Message: marks[email.IDVariable], Tenant: marks[email.TenantVariable], Attempt: marks[email.AttemptVariable],
			})
		}
	}
	return all
}

// parse returns the event in the body of a webhook.
func parse(provider string, body []byte) ([]webhook.Event, error) {
	var h happening
	if err := json.Unmarshal(body, &h); err != nil || h.ID == "" {
		return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	return []webhook.Event{{
		Provider: provider, ID: h.ID, Type: string(h.Event), Created: h.At.Truncate(time.Second), Object: slices.Clone(json.RawMessage(body)),
	}}, nil
}

// Notification implements ports.MailReader.
func (h *Hook) Notification(e webhook.Event) (email.Notification, bool, error) {
	var o happening
	if err := json.Unmarshal(e.Object, &o); err != nil {
		return email.Notification{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of an event cannot be read")
	}
	if !slices.Contains(email.Events(), o.Event) {
		return email.Notification{Tenant: o.Tenant, Message: o.Message, Recipient: o.Recipient}, false, nil
	}
	return email.Notification{
		Event: o.Event, Tenant: o.Tenant, Message: o.Message, Attempt: o.Attempt, Reference: o.Reference,
		Recipient: o.Recipient, Code: o.Code, Reason: o.Reason, At: o.At,
	}, true, nil
}
