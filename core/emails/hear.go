package emails

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"

	"patchbay/core/email"
	"patchbay/core/event"
	"patchbay/core/record"
	"patchbay/core/worker"
)

// heard is the result of applying news to a message.
type heard struct {
	come    string // the event, or the reason why it is ignored
	attempt string // the attempt that the news is about
	to      []int  // the recipients that the news is about, as indexes into Message.Recipients
	news    bool   // whether an event new to the feed is published
}

// hear applies news to a message. record.ErrUnchanged: the news changes nothing in it.
func (s *Service) hear(st *stored, provider string, n email.News) (heard, error) {
	m := &st.message
	h := heard{come: string(n.Event), attempt: attemptOf(m, provider, n.Attempt)}
	if h.attempt == "" {
		h.come = OtherAccount
		return h, record.ErrUnchanged
	}
	// The news proves that the provider accepted the message, even if its response never arrived.
	err := s.merge(st, worker.Lease{}, outcome{id: h.attempt, receipt: email.Receipt{Reference: n.Reference}}, nil)
	if h.to = s.recipients(m, n.Recipient); len(h.to) == 0 {
		h.come = UnknownAddress
		return h, err
	}
	n.Reason = m.Blank(n.Reason) // the feed is kept forever
	changed, told := s.learn(m, n, h)
	if !changed {
		return h, err
	}
	if m.Status == email.Sent || m.Status == email.Delivered {
		m.Status = m.Reached()
	}
	h.news = len(told) > 0
	st.news = s.newsOf(m, n, h.attempt, told)
	return h, nil
}

// learn applies news to the recipients it is about. told lists those for whom the feed has not
// had it yet.
func (s *Service) learn(m *email.Message, n email.News, h heard) (changed bool, told []int) {
	fate := email.Fate{Attempt: h.attempt, Event: n.Event, Code: n.Code, Reason: n.Reason, At: n.At}
	if !m.ErasedAt.IsZero() {
		fate.Reason = ""
	}
	for _, i := range h.to {
		more, another := m.Recipients[i].Learn(fate)
		changed = changed || more
		if another {
			told = append(told, i)
		}
	}
	return changed, told
}

// unsure lists the outcomes that may turn out to be an acceptance, the most likely first.
var unsure = []email.Outcome{
	email.Ambiguous, email.Attempting, email.NotAccepted, email.ProviderUnusable, email.RefusedHere, email.RejectedMessage,
}

// attemptOf returns the id of the attempt at a provider that news is about, "" if there is none.
// Mail sent by an earlier version is not marked with its attempt: then it is an accepted
// attempt, or else the one whose outcome is the least certain.
func attemptOf(m *email.Message, provider, marked string) (id string) {
	least := len(unsure)
	for _, a := range m.Attempts {
		switch known := slices.Index(unsure, a.Outcome); {
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
		ascii, err := s.Mailbox(r.Email)
		if email == "" || err == nil && strings.EqualFold(ascii, email) {
			to = append(to, i)
		}
	}
	return to
}

// passing reports whether an event only goes to the feed: it may happen any number of times, and
// does not change the state of a recipient.
func passing(e email.Event) bool {
	return e == email.EventOpened || e == email.EventClicked || e == email.EventUnsubscribed
}

// newsOf makes the feed's events for the recipients with the given indexes. They contain no
// addresses, and no clicked URLs, which may grant access to something.
func (s *Service) newsOf(m *email.Message, n email.News, attempt string, to []int) []event.Event {
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

// logNews logs that a recipient did not get the message, or complained about it.
func (s *Service) logNews(ctx context.Context, m *email.Message, n email.News, h heard) {
	bad := n.Event == email.EventBounced || n.Event == email.EventRejected || n.Event == email.EventComplained
	if h.news && bad {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "email did not do well with a recipient", slog.String("email", m.ID), slog.String("tenant", m.Tenant),
			slog.String("attempt", h.attempt), slog.String("provider", m.ProviderOf(h.attempt)), slog.String("outcome", string(n.Event)), slog.String("code", n.Code))
	}
}
