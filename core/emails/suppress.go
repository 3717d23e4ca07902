package emails

import (
	"context"
	"encoding/json"
	"strings"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/suppression"
	"patchbay/ports"
)

// checkSuppressed notes which recipients of a message are suppressed, before a provider is asked. The
// attempt saves it. It reports whether the attempt may begin: not if nobody is left, and the message
// ends; not if what is left needs another provider; and not if it is not known, and the message is
// retried when the lease expires.
func (s *Service) checkSuppressed(ctx context.Context, st *stored, to ports.Mailer) bool {
	m := &st.message
	reasons, err := s.suppressed(ctx, m)
	if err != nil {
		s.Log.WarnContext(ctx, "suppressions are not read; the email is not sent yet", "email", m.ID, "tenant", m.Tenant, "error", err)
		return false
	}
	fresh, left := m.Suppress(reasons)
	st.events = append(st.events, s.suppressedEvents(m, fresh)...)
	if left && carry(to.Features(), st.outgoing()) == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	if left {
		s.retryNow(st)
	} else {
		s.giveUp(st)
	}
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "recipients of an email are suppressed, and that is not saved", "email", m.ID, "tenant", m.Tenant, "error", err)
		return false
	}
	s.queues.Nudge(st.record.Queue)
	return false
}

// suppressed returns the reasons of the recipients of a message that are suppressed, by address. It
// makes one read: no message has more than ports.MaxGetAll recipients.
func (s *Service) suppressed(ctx context.Context, m *email.Message) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	addresses := make([]string, len(m.Recipients))
	for i, r := range m.Recipients {
		addresses[i] = r.Email
	}
	found, err := s.Suppressions.Suppressed(ctx, m.Tenant, m.Category, addresses)
	reasons := make(map[string]string, len(found))
	for address, r := range found {
		reasons[address] = string(r)
	}
	return reasons, err
}

// suppressedEvents makes the feed's events for recipients that are left out. They contain no
// addresses.
func (s *Service) suppressedEvents(m *email.Message, to []int) (all []event.Event) {
	for _, i := range to {
		raw, _ := json.Marshal(map[string]any{"recipient": i, "reason": m.Recipients[i].Suppressed}) // strings and a number always encode
		all = append(all, event.Event{
			ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(email.Suppressed), Subject: m.ID, At: s.Clock.Now(), Data: raw,
		})
	}
	return all
}

// learn suppresses the recipients of a notification if it is a reason to. It is repeated with the
// event until it is done, so that a crash between the message and the suppression loses nothing.
func (s *Service) learn(ctx context.Context, m *email.Message, provider string, n email.Notification, h applied) error {
	reason, ok := suppression.ReasonFor(n)
	if !ok || n.Recipient == "" || h.result != string(n.Event) {
		return nil
	}
	from := suppression.Source{Provider: provider, Message: m.ID, Code: n.Code}
	for _, i := range h.recipients {
		address := m.Recipients[i].Email
		if address == email.ErasedAddress {
			continue
		}
		if err := s.Suppressions.Learn(ctx, m.Tenant, address, n, reason, from); err != nil {
			return err
		}
	}
	return nil
}

// learnRefused suppresses the recipients whom a provider refused because there is no such mailbox. A refusal
// that names nobody counts only if there is one recipient: otherwise it does not say whose it was. A failure
// is only logged: the next message to the address is refused again.
func (s *Service) learnRefused(ctx context.Context, st *stored, provider string, err error) {
	m := &st.message
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	for _, r := range s.refusedRecipients(m, err) {
		n := email.Notification{Event: email.EventBounced, Code: r.Code, Reason: r.Reason, At: s.Clock.Now()}
		reason, ok := suppression.ReasonFor(n)
		if !ok {
			continue
		}
		from := suppression.Source{Provider: provider, Message: m.ID, Code: r.Code}
		for _, to := range m.Recipients {
			if to.Email == email.ErasedAddress || !s.isAddress(to, r.Email) {
				continue
			}
			if err := s.Suppressions.Learn(ctx, m.Tenant, to.Email, n, reason, from); err != nil {
				s.Log.WarnContext(ctx, "recipient of an email is not suppressed", "email", m.ID, "tenant", m.Tenant, "error", err)
			}
		}
	}
}

// refusedRecipients returns the recipients that a refusal is about: those that it names, or the only one.
func (s *Service) refusedRecipients(m *email.Message, err error) email.RefusedRecipients {
	if named := refusedByName(err); len(named) > 0 {
		return named
	}
	sole, ok := m.SoleRecipient()
	if err == nil || !ok {
		return nil
	}
	f := fault.From(err)
	if f.Kind != fault.Invalid || f.Code != email.CodeRecipientRejected || f.Answer == nil {
		return nil
	}
	return email.RefusedRecipients{{Email: s.ascii(sole.Email), Reason: f.Answer.Words}}
}

// nobody are the suppressions of a Service that has none.
type nobody struct{}

// Suppressed implements ports.Suppressions.
func (nobody) Suppressed(context.Context, string, email.Category, []string) (map[string]suppression.Reason, error) {
	return nil, nil
}

// Learn implements ports.Suppressions.
func (nobody) Learn(context.Context, string, string, email.Notification, suppression.Reason, suppression.Source) error {
	return nil
}

// UnsubscribeURL implements ports.Suppressions.
func (nobody) UnsubscribeURL(_, _, _ string) string { return "" }

// Unsubscriber implements ports.Suppressions.
func (nobody) Unsubscriber(string) (ports.Unsubscriber, error) {
	return ports.Unsubscriber{}, fault.New(fault.NotFound, "no_such_link", "there are no links")
}

// Unsubscribe implements ports.Suppressions.
func (nobody) Unsubscribe(context.Context, ports.Unsubscriber, string) error { return nil }

// The headers by which a mail reader unsubscribes with one click (RFC 8058).
const (
	listUnsubscribe     = "List-Unsubscribe"
	listUnsubscribePost = "List-Unsubscribe-Post"
	oneClick            = "List-Unsubscribe=One-Click"
)

// withUnsubscribe adds the headers by which the recipient of a marketing message unsubscribes. They
// are only for messages with one recipient, since whoever has the URL unsubscribes that recipient. A
// caller's own header wins. A provider that takes no headers sends the message without: the caller
// did not ask for them, so they are no reason to refuse it.
func (s *Service) withUnsubscribe(m email.Message, f email.Features) email.Message {
	sole, ok := m.SoleRecipient()
	if m.Category != email.Marketing || !ok || !f.Headers || m.Envelope != nil { // what was handed over stays as it is
		return m
	}
	headers := make(map[string]string, len(m.Headers)+2)
	for name, value := range m.Headers {
		if strings.EqualFold(name, listUnsubscribe) || strings.EqualFold(name, listUnsubscribePost) {
			return m
		}
		headers[name] = value
	}
	url := s.Suppressions.UnsubscribeURL(m.Tenant, m.ID, sole.Email)
	if url == "" {
		return m
	}
	headers[listUnsubscribe], headers[listUnsubscribePost] = "<"+url+">", oneClick
	m.Headers = headers
	return m
}

// mustSplitForLinks reports whether the copies of a marketing message go out one by one, because each
// has a link of its own. It is not split any more if it may have been sent.
func (s *Service) mustSplitForLinks(m email.Message, to ports.Mailer) bool {
	return len(m.Personalizations) > 0 && m.Category == email.Marketing && to.Features().Headers && !m.HasOutcome(email.Ambiguous) &&
		s.Suppressions.UnsubscribeURL(m.Tenant, m.ID, m.From.Email) != ""
}

// Unsubscribe suppresses marketing to the recipient whose message had a token in its
// List-Unsubscribe.
//
// NotFound: the token is not one of ours. Unavailable; UnknownOutcome: repeat it.
func (s *Service) Unsubscribe(ctx context.Context, token string) error {
	u, err := s.Suppressions.Unsubscriber(token)
	if err != nil {
		return err
	}
	var address string
	st, err := s.messages.Get(ctx, u.Tenant, u.Message)
	switch {
	case err == nil:
		if sole, ok := st.message.SoleRecipient(); ok {
			address = sole.Email
		}
	case !fault.Is(err, fault.NotFound): // a message that is not stored any more leaves the hash
		return err
	}
	return s.Suppressions.Unsubscribe(ctx, u, address)
}

// CheckUnsubscribe returns NotFound if a token is not one of ours. It reads nothing.
func (s *Service) CheckUnsubscribe(token string) error {
	_, err := s.Suppressions.Unsubscriber(token)
	return err
}
