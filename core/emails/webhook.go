package emails

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/core/worker"
)

// EventPatience is how long an event waits for its message. Each message is on disk before its
// provider is called, so an event without a message by then belongs to another installation.
const EventPatience = 5 * time.Minute

// Reasons why an event is ignored; Options.Counted gets one instead of the event.
const (
	NotOurs        = "ignored_not_ours"        // not about a message of this installation
	UnknownType    = "ignored_unknown_type"    // not about a message, or of an unknown type
	OtherAccount   = "ignored_other_account"   // the account that sent it was never asked to send the message
	UnknownAddress = "ignored_unknown_address" // not a recipient of the message; it still proves that the message was accepted
)

// Results lists every value that Options.Counted may get.
func Results() []string {
	all := []string{NotOurs, UnknownType, OtherAccount, UnknownAddress}
	for _, e := range email.Events() {
		all = append(all, string(e))
	}
	return all
}

var errNoMessage = fault.New(fault.NotFound, "no_message", "the event is not about a message")

// ApplyWebhook applies a provider's event to the message it is about. It changes only messages
// that were sent through the account whose key verified the event. Any event about an attempt
// proves that the provider accepted it, even if it was recorded as failed. Applying an event
// twice, late or out of order has the same result.
//
// NotFound: the message is not stored (yet). Invalid: the event cannot be read. Unavailable, also while the
// message is held, or if the provider is not configured any more; UnknownOutcome: repeat it.
func (s *Service) ApplyWebhook(ctx context.Context, e webhook.Event) (webhook.Applied, error) {
	n, ok, err := s.read(e)
	switch {
	case err != nil:
		return webhook.Applied{}, err
	case !ok:
		return s.passOver(ctx, e, n)
	case n.Message == "":
		s.Counted(e.Provider, NotOurs)
		return webhook.Applied{}, nil
	}
	st, err := s.messageOf(ctx, n)
	if err != nil {
		return webhook.Applied{}, err
	}
	var h applied
	err = s.messages.Update(ctx, &st, func(st *stored) (err error) {
		h, err = s.applyNotification(st, e.Provider, n)
		return err
	})
	if err != nil {
		return webhook.Applied{}, err
	}
	if err := s.learn(ctx, &st.message, e.Provider, n, h); err != nil {
		return webhook.Applied{}, err
	}
	s.Counted(e.Provider, h.result)
	s.logNotification(ctx, &st.message, n, h)
	a := webhook.Applied{Erased: s.mustForget(&st.message, n)}
	if h.result == string(n.Event) && feedOnly(n.Event) {
		a.Events = s.recipientEvents(&st.message, n, h.attempt, h.recipients)
	}
	return a, nil
}

// passOver ignores an event of a type that says nothing about a message, though it may name one. What such
// an event quotes is kept no longer than what the others quote.
func (s *Service) passOver(ctx context.Context, e webhook.Event, n email.Notification) (webhook.Applied, error) {
	var a webhook.Applied
	if n.Message != "" {
		st, err := s.messageOf(ctx, n)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return webhook.Applied{}, err
		}
		a.Erased = err == nil && s.mustForget(&st.message, n)
	}
	s.Counted(e.Provider, UnknownType)
	return a, nil
}

// mustForget reports whether nothing is kept of what an event says about a message: it may quote the subject,
// or name who was erased.
func (s *Service) mustForget(m *email.Message, n email.Notification) bool {
	return m.Keeping.Brief() || s.isErased(m, n.Recipient)
}

// IgnoreWebhook counts an event whose message never arrived.
func (s *Service) IgnoreWebhook(e webhook.Event) { s.Counted(e.Provider, NotOurs) }

// read reads an event of a provider, which may no longer be configured.
func (s *Service) read(e webhook.Event) (email.Notification, bool, error) {
	reader, ok := s.Events[e.Provider]
	if !ok {
		return email.Notification{}, false, fault.New(fault.Unavailable, "no_such_provider", "the provider of this event is not configured any more")
	}
	return reader.Notification(e)
}

// messageOf finds the message that a notification is about. NotFound; Unavailable while it is held.
func (s *Service) messageOf(ctx context.Context, n email.Notification) (stored, error) {
	tenant := n.Tenant
	if tenant == "" {
		tenant = s.UnmarkedTenant
	}
	st, err := s.messages.Get(ctx, tenant, n.Message)
	if err == nil && st.record.Held {
		return stored{}, errHeld
	}
	return st, err
}

// Subject reports whether the message that an event is about is the person's. NotFound: it is
// not about a stored message. Unavailable, also while the message is held.
func (s *Service) Subject(ctx context.Context, e webhook.Event, p user.Person) (event.Subject, error) {
	n, _, err := s.read(e) // of whatever type
	if err != nil || n.Message == "" {
		return event.Subject{}, errNoMessage
	}
	st, err := s.messageOf(ctx, n)
	if err != nil {
		return event.Subject{}, err
	}
	m := &st.message
	theirs := p.Has(n.Recipient) || n.Recipient == "" && m.Concerns(p.Has)
	return event.Subject{Tenant: m.Tenant, Theirs: m.Tenant == p.Tenant && theirs, Erased: s.isErased(m, n.Recipient)}, nil
}

// isErased reports whether a message, or its copy for an address, was erased on a person's request.
func (s *Service) isErased(m *email.Message, address string) bool {
	if !m.ErasedAt.IsZero() || len(m.To) > 0 {
		return !m.ErasedAt.IsZero()
	}
	erased := slices.ContainsFunc(m.Recipients, func(r email.Recipient) bool { return r.Email == email.ErasedAddress })
	return erased && len(s.recipients(m, address)) == 0
}

// applied is the result of applying a notification to a message.
type applied struct {
	result     string // the event, or the reason why it is ignored
	attempt    string // the attempt that it is about
	recipients []int  // the recipients that it is about, as indexes into Message.Recipients
	published  bool   // whether an event new to the feed is published
}

// applyNotification applies a notification to a message. record.ErrUnchanged: it changes nothing in
// the message.
func (s *Service) applyNotification(st *stored, provider string, n email.Notification) (applied, error) {
	m := &st.message
	h := applied{result: string(n.Event), attempt: attemptOf(m, provider, n.Attempt)}
	if h.attempt == "" {
		h.result = OtherAccount
		return h, record.ErrUnchanged
	}
	// The provider accepted the message, even if its response never arrived.
	err := s.mergeOutcome(st, worker.Lease{}, outcome{id: h.attempt, receipt: email.Receipt{Reference: n.Reference}}, nil)
	if h.recipients = s.recipients(m, n.Recipient); len(h.recipients) == 0 {
		h.result = UnknownAddress
		return h, err
	}
	n.Reason = m.Redact(n.Reason) // the feed is kept forever
	if m.Keeping.Brief() {
		n.Reason = "" // it may quote the subject, which is not known any more
	}
	changed, fresh := s.addFates(m, n, h)
	if !changed {
		return h, err
	}
	if m.Status == email.Sent || m.Status == email.Delivered {
		m.Status = m.AcceptedStatus()
	}
	h.published = len(fresh) > 0
	st.events = s.recipientEvents(m, n, h.attempt, fresh)
	return h, nil
}

// addFates applies a notification to the recipients it is about. fresh lists those for whom the
// feed has no such event yet.
func (s *Service) addFates(m *email.Message, n email.Notification, h applied) (changed bool, fresh []int) {
	fate := email.Fate{Attempt: h.attempt, Event: n.Event, Code: n.Code, Reason: n.Reason, At: n.At}
	if !m.ErasedAt.IsZero() {
		fate.Reason = ""
	}
	for _, i := range h.recipients {
		more, another := m.Recipients[i].AddFate(fate)
		changed = changed || more
		if another {
			fresh = append(fresh, i)
		}
	}
	return changed, fresh
}

// mayBeAccepted lists the outcomes that may turn out to be an acceptance, the most likely first.
var mayBeAccepted = []email.Outcome{
	email.Ambiguous, email.Attempting, email.NotAccepted, email.ProviderUnusable, email.RefusedHere, email.RejectedMessage,
}

// attemptOf returns the id of the attempt at a provider that a notification is about, "" if there
// is none. Mail sent by an earlier version is not marked with its attempt: then it is an accepted
// attempt, or else the one whose outcome is the least certain.
func attemptOf(m *email.Message, provider, marked string) (id string) {
	least := len(mayBeAccepted)
	for _, a := range m.Attempts {
		switch known := slices.Index(mayBeAccepted, a.Outcome); {
		case a.Provider != provider:
		case a.ID == marked:
			return a.ID
		case marked == "" && !a.Marked && known < least: // an accepted one is not in the list
			id, least = a.ID, known
		}
	}
	return id
}

// recipients returns the indexes of the recipients of a message that have the address, or all if
// it is empty.
func (s *Service) recipients(m *email.Message, email string) (to []int) {
	for i, r := range m.Recipients {
		if email == "" || s.isAddress(r, email) {
			to = append(to, i)
		}
	}
	return to
}

// isAddress reports whether a provider's form of an address is that of a recipient.
func (s *Service) isAddress(r email.Recipient, address string) bool {
	return s.mailbox(r.Email) == s.mailbox(address)
}

// feedOnly reports whether an event only goes to the feed: it may happen any number of times, and
// does not change the state of a recipient.
func feedOnly(e email.Event) bool {
	return e == email.EventOpened || e == email.EventClicked || e == email.EventUnsubscribed
}

// recipientEvents makes the feed's events for the recipients with the given indexes. They contain no
// addresses, and no clicked URLs, which may grant access to something.
func (s *Service) recipientEvents(m *email.Message, n email.Notification, attempt string, to []int) []event.Event {
	var all []event.Event
	for _, i := range to {
		data := map[string]any{"status": m.Status, "recipient": i, "provider": m.ProviderOf(attempt), "attempt": attempt, "at": n.At}
		if n.Code != "" {
			data["code"] = n.Code
		}
		if n.Reason != "" && m.ErasedAt.IsZero() {
			data["reason"] = n.Reason
		}
		raw, _ := json.Marshal(data) // strings, a number and a time always encode
		all = append(all, event.Event{
			ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(n.Event), Subject: m.ID, At: s.Clock.Now(), Data: raw,
		})
	}
	return all
}

// logNotification logs that a recipient did not get the message, or complained about it.
func (s *Service) logNotification(ctx context.Context, m *email.Message, n email.Notification, h applied) {
	bad := n.Event == email.EventBounced || n.Event == email.EventRejected || n.Event == email.EventComplained
	if h.published && bad {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "email did not do well with a recipient", slog.String("email", m.ID), slog.String("tenant", m.Tenant),
			slog.String("attempt", h.attempt), slog.String("provider", m.ProviderOf(h.attempt)), slog.String("outcome", string(n.Event)), slog.String("code", n.Code))
	}
}
