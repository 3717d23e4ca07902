package emails

import (
	"context"
	"time"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/core/webhook"
)

// EventPatience is how long an event waits for its message. Each message is on disk before its
// provider is called, so an event without a message by then belongs to another installation.
const EventPatience = 5 * time.Minute

// Reasons why an event is ignored; Options.Told gets one instead of the event.
const (
	NotOurs        = "ignored_not_ours"        // not about a message of this installation
	UnknownType    = "ignored_unknown_type"    // not about a message, or of an unknown type
	OtherAccount   = "ignored_other_account"   // the account that sent it was never asked to send the message
	UnknownAddress = "ignored_unknown_address" // not a recipient of the message; it still proves that the message was accepted
)

// Told lists every value that Options.Told may get.
func Told() []string {
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
// NotFound: the message is not stored (yet). Invalid: the event cannot be read. Otherwise as for
// the journal.
func (s *Service) ApplyWebhook(ctx context.Context, e webhook.Event) (webhook.Applied, error) {
	n, ok, err := s.read(e)
	switch {
	case err != nil:
		return webhook.Applied{}, err
	case !ok:
		s.count(e.Provider, UnknownType)
		return webhook.Applied{}, nil
	case n.Message == "":
		s.count(e.Provider, NotOurs)
		return webhook.Applied{}, nil
	}
	st, err := s.subject(ctx, n)
	if err != nil {
		return webhook.Applied{}, err
	}
	var h heard
	err = s.messages.Update(ctx, &st, func(st *stored) (err error) {
		h, err = s.hear(st, e.Provider, n)
		return err
	})
	if err != nil {
		return webhook.Applied{}, err
	}
	s.count(e.Provider, h.come)
	s.logNews(ctx, &st.message, n, h)
	a := webhook.Applied{Erased: !st.message.ErasedAt.IsZero()}
	if h.come == string(n.Event) && passing(n.Event) {
		a.News = s.newsOf(&st.message, n, h.attempt, h.to)
	}
	return a, nil
}

// IgnoreWebhook counts an event whose message never arrived.
func (s *Service) IgnoreWebhook(e webhook.Event) { s.count(e.Provider, NotOurs) }

func (s *Service) count(provider, what string) {
	if s.Told != nil {
		s.Told(provider, what)
	}
}

// read reads an event of a provider, which may no longer be configured.
func (s *Service) read(e webhook.Event) (email.News, bool, error) {
	reader, ok := s.Events[e.Provider]
	if !ok {
		return email.News{}, false, fault.New(fault.Unavailable, "no_such_provider", "the provider of this event is not configured any more")
	}
	return reader.News(e)
}

// subject finds the message that news is about. NotFound; Unavailable while it is held.
func (s *Service) subject(ctx context.Context, n email.News) (stored, error) {
	tenant := n.Tenant
	if tenant == "" {
		tenant = s.Unmarked
	}
	st, err := s.messages.Get(ctx, tenant, n.Message)
	if err == nil && st.record.Held {
		return stored{}, errHeld
	}
	return st, err
}

// Subject reports whether the message that an event is about is the person's. NotFound: it is
// not about a stored message.
func (s *Service) Subject(ctx context.Context, e webhook.Event, p user.Person) (event.Subject, error) {
	n, ok, err := s.read(e)
	if err != nil || !ok || n.Message == "" {
		return event.Subject{}, errNoMessage
	}
	st, err := s.subject(ctx, n)
	if err != nil {
		return event.Subject{}, err
	}
	m := &st.message
	theirs := p.Has(n.Recipient) || n.Recipient == "" && m.Concerns(p.Has)
	return event.Subject{Tenant: m.Tenant, Theirs: m.Tenant == p.Tenant && theirs, Erased: !m.ErasedAt.IsZero()}, nil
}
