package catchermail

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/mail/testaddress"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

// TestDomain is the domain of the addresses about which a Catcher reports events. The top-level domain
// is reserved for tests (RFC 2606), so no provider can deliver to them.
const TestDomain = "catcher.test"

// outcomesOf returns the events to report about an address, none for most.
func outcomesOf(address string) []testaddress.Outcome {
	if !strings.EqualFold(address[strings.LastIndexByte(address, '@')+1:], TestDomain) {
		return nil
	}
	return testaddress.Of(address)
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
		for _, one := range outcomesOf(to.Email) {
			all = append(all, happening{
				ID: c.Events.IDs.New("evt"), Event: one.Event, At: c.Events.Clock.Now(), Recipient: to.Email, Code: one.Code, Reason: one.Reply, Reference: reference,
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
