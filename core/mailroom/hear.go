package mailroom

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"

	"patchbay/core/event"
	"patchbay/core/message"
)

// heard is what has come of news.
type heard struct {
	come    string // the event, or why it is ignored
	attempt string // that it is about
	to      []int  // whom it is about, by their places in the message
	news    bool   // the feed is told, and did not know
}

// hear takes news into a message. errSettled: they change nothing in it.
func (s *Service) hear(st *stored, provider string, n message.News) (heard, error) {
	m := &st.message
	h := heard{come: string(n.Event), attempt: attemptOf(m, provider, n.Attempt)}
	if h.attempt == "" {
		h.come = OtherAccount
		return h, errSettled
	}
	// It is the acceptance that counts, and not whether it is told by an answer.
	err := s.merge(st, claim{}, outcome{id: h.attempt, receipt: message.Receipt{Reference: n.Reference}}, nil)
	if h.to = s.recipients(m, n.Recipient); len(h.to) == 0 {
		h.come = UnknownAddress
		return h, err
	}
	n.Reason = m.Blank(n.Reason) // the feed is kept for ever
	changed, told := s.learn(m, n, h)
	if !changed {
		return h, err
	}
	if m.Status == message.Sent || m.Status == message.Delivered {
		m.Status = m.Reached()
	}
	h.news = len(told) > 0
	st.news = s.newsOf(m, n, h.attempt, told)
	return h, nil
}

// learn takes news into the recipients it is about. told are those of whom the feed does
// not know it.
func (s *Service) learn(m *message.Message, n message.News, h heard) (changed bool, told []int) {
	fate := message.Fate{Attempt: h.attempt, Event: n.Event, Code: n.Code, Reason: n.Reason, At: n.At}
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

// unsure are the outcomes that an attempt may have had otherwise, the most likely first.
var unsure = []message.Outcome{
	message.Ambiguous, message.Attempting, message.NotAccepted, message.ProviderUnusable, message.RefusedHere, message.RejectedMessage,
}

// attemptOf is the attempt at a provider that news is about, "" where there is none. Mail
// that an earlier version has sent is not marked with it: then it is one that was accepted,
// or else the one of whose outcome the least is known.
func attemptOf(m *message.Message, provider, marked string) (id string) {
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

// recipients are those of a message who have an address, by their places; all where it is
// empty.
func (s *Service) recipients(m *message.Message, email string) (to []int) {
	for i, r := range m.Recipients {
		ascii, err := s.Mailbox(r.Email)
		if email == "" || err == nil && strings.EqualFold(ascii, email) {
			to = append(to, i)
		}
	}
	return to
}

// passing reports whether an event goes to the feed alone: it may happen any number of
// times, and says nothing of where a copy is.
func passing(e message.Event) bool {
	return e == message.EventOpened || e == message.EventClicked || e == message.EventUnsubscribed
}

// newsOf tells the feed of recipients, by their places in the message. Addresses stay out
// of it, and so does what was clicked, which may let somebody in.
func (s *Service) newsOf(m *message.Message, n message.News, attempt string, to []int) []event.Feed {
	var all []event.Feed
	for _, i := range to {
		data := map[string]any{"status": m.Status, "recipient": i, "provider": m.ProviderOf(attempt), "attempt": attempt, "at": n.At}
		if n.Code != "" {
			data["code"] = n.Code
		}
		if n.Reason != "" && m.ErasedAt.IsZero() {
			data["reason"] = n.Reason
		}
		raw, _ := json.Marshal(data) // texts, a number and a time
		all = append(all, event.Feed{
			ID: s.IDs.New("fev"), Tenant: m.Tenant, Type: "message." + string(n.Event), Subject: m.ID, At: s.Clock.Now(), Data: raw,
		})
	}
	return all
}

// logNews tells in the log of a copy that somebody did not get, or did not want.
func (s *Service) logNews(ctx context.Context, m *message.Message, n message.News, h heard) {
	bad := n.Event == message.EventBounced || n.Event == message.EventRejected || n.Event == message.EventComplained
	if h.news && bad {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "email did not do well with a recipient", slog.String("email", m.ID), slog.String("tenant", m.Tenant),
			slog.String("attempt", h.attempt), slog.String("provider", m.ProviderOf(h.attempt)), slog.String("outcome", string(n.Event)), slog.String("code", n.Code))
	}
}
