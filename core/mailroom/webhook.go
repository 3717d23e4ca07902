package mailroom

import (
	"context"
	"errors"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/core/user"
)

// EventPatience is how long an event waits for its message. Each message is on disk before
// its provider is called: what has not come by then is another installation's.
const EventPatience = 5 * time.Minute

// Why an event is ignored: what Told is told in place of the event.
const (
	NotOurs        = "ignored_not_ours"        // it is about no message of this installation
	UnknownType    = "ignored_unknown_type"    // it is about no message, or of a kind that is new
	OtherAccount   = "ignored_other_account"   // the account that tells it was not asked to send the message
	UnknownAddress = "ignored_unknown_address" // the message did not go there; it counts as proof that it was taken
)

// Told is all that Options.Told may be told of a provider.
func Told() []string {
	all := []string{NotOurs, UnknownType, OtherAccount, UnknownAddress}
	for _, e := range message.Events() {
		all = append(all, string(e))
	}
	return all
}

var errNoMessage = fault.New(fault.NotFound, "no_message", "the event is not about a message")

// ApplyWebhook takes what a provider tells into the message that it tells of. It touches
// only messages that the account whose key verified the event was asked to send. Whatever
// it tells of an attempt proves that the attempt was accepted, however that had ended.
// Applying an event twice, late, or in another order comes to the same.
//
// NotFound: the message is not here (yet). Invalid: the event cannot be read. Otherwise as
// for the journal.
func (s *Service) ApplyWebhook(ctx context.Context, e event.Webhook) (event.Applied, error) {
	n, ok, err := s.read(e)
	switch {
	case err != nil:
		return event.Applied{}, err
	case !ok:
		s.count(e.Provider, UnknownType)
		return event.Applied{}, nil
	case n.Message == "":
		s.count(e.Provider, NotOurs)
		return event.Applied{}, nil
	}
	st, err := s.subject(ctx, n)
	if err != nil {
		return event.Applied{}, err
	}
	var h heard
	err = s.update(ctx, &st, func(st *stored) (err error) {
		h, err = s.hear(st, e.Provider, n)
		return err
	})
	if err != nil && !errors.Is(err, errSettled) {
		return event.Applied{}, err
	}
	s.count(e.Provider, h.come)
	s.logNews(ctx, &st.message, n, h)
	a := event.Applied{Erased: !st.message.ErasedAt.IsZero()}
	if h.come == string(n.Event) && passing(n.Event) {
		a.News = s.newsOf(&st.message, n, h.attempt, h.to)
	}
	return a, nil
}

// IgnoreWebhook counts an event whose message has not come.
func (s *Service) IgnoreWebhook(e event.Webhook) { s.count(e.Provider, NotOurs) }

func (s *Service) count(provider, what string) {
	if s.Told != nil {
		s.Told(provider, what)
	}
}

// read reads an event of a provider, which may not be configured any more.
func (s *Service) read(e event.Webhook) (message.News, bool, error) {
	reader, ok := s.Events[e.Provider]
	if !ok {
		return message.News{}, false, fault.New(fault.Unavailable, "no_such_provider", "the provider of this event is not configured any more")
	}
	return reader.News(e)
}

// subject finds the message that news is about. NotFound; Unavailable while it is held.
func (s *Service) subject(ctx context.Context, n message.News) (stored, error) {
	tenant := n.Tenant
	if tenant == "" {
		tenant = s.Unmarked
	}
	st, err := s.load(ctx, tenant, n.Message)
	if err == nil && st.record.Held {
		return stored{}, errHeld
	}
	return st, err
}

// Subject tells of the message that an event speaks of whether it is a person's. NotFound:
// it is about none that is here.
func (s *Service) Subject(ctx context.Context, e event.Webhook, p user.Person) (event.Subject, error) {
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
