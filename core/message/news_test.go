package message_test

import (
	"slices"
	"testing"
	"time"

	"patchbay/core/message"
)

var noon = time.Unix(1_700_000_000, 0).UTC()

// told is one piece of news: of a copy, by the attempt, minutes after noon.
type told struct {
	attempt string
	event   message.Event
	minute  int
	reason  string
}

func (n told) fate() message.Fate {
	return message.Fate{Attempt: n.attempt, Event: n.event, Reason: n.reason, At: noon.Add(time.Duration(n.minute) * time.Minute)}
}

// orders gives every order of a list.
func orders(list []told) (all [][]told) {
	if len(list) < 2 {
		return [][]told{list}
	}
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, order := range orders(rest) {
			all = append(all, append([]told{list[i]}, order...))
		}
	}
	return all
}

// In whatever order news comes, and how often, it comes to the same.
func TestWhatBecomesOfARecipient(t *testing.T) {
	t.Parallel()
	const a, b = "att_a", "att_b"
	for _, c := range []struct {
		name   string
		news   []told
		status message.Status
		reason string
	}{
		{"it was only taken", []told{{a, message.EventProcessed, 0, ""}, {a, message.EventSent, 1, ""}}, message.Sent, ""},
		{"it was put off, then taken", []told{{a, message.EventProcessed, 0, ""}, {a, message.EventDeferred, 1, "busy"}, {a, message.EventDelivered, 2, ""}}, "delivered", ""},
		{"it was put off twice", []told{{a, message.EventDeferred, 1, "busy"}, {a, message.EventDeferred, 9, "still busy"}}, "deferred", "still busy"},
		{"it bounced, which was told by two in one second", []told{{a, message.EventBounced, 1, "no such user"}, {a, message.EventBounced, 1, "gone"}}, "bounced", "no such user"},
		{"it was taken, then given back", []told{{a, message.EventDelivered, 1, ""}, {a, message.EventBounced, 2, "no such user"}}, "bounced", "no such user"},
		{"it was given back, by a clock that is behind", []told{{a, message.EventDelivered, 2, ""}, {a, message.EventBounced, 1, "no such user"}}, "bounced", "no such user"},
		{"it was not wanted", []told{{a, message.EventDelivered, 1, ""}, {a, message.EventComplained, 9, ""}}, "complained", ""},
		{"it was not tried", []told{{a, message.EventProcessed, 0, ""}, {a, message.EventRejected, 1, "on our list"}}, "rejected", "on our list"},
		{"it was read", []told{{a, message.EventDelivered, 1, ""}, {a, message.EventOpened, 2, ""}, {a, message.EventClicked, 3, ""}, {a, message.EventUnsubscribed, 4, ""}}, "delivered", ""},
		{"one copy bounced, another arrived", []told{{a, message.EventBounced, 2, "blocked"}, {b, message.EventDelivered, 1, ""}}, "delivered", ""},
		{"one copy bounced, another is put off", []told{{a, message.EventBounced, 2, "blocked"}, {b, message.EventDeferred, 1, "busy"}}, "deferred", "busy"},
		{"both copies bounced", []told{{a, message.EventRejected, 2, "on our list"}, {b, message.EventBounced, 1, "no such user"}}, "bounced", "no such user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, order := range orders(c.news) {
				m := message.Message{Status: message.Sent, Recipients: []message.Recipient{{Email: "ada@example.com"}}}
				r := &m.Recipients[0]
				for _, n := range slices.Concat(order, order) {
					r.Learn(n.fate())
				}
				m.Stand()
				if f, _ := r.Fate(); r.Status != c.status || f.Reason != c.reason {
					t.Errorf("after %v: %s, %q", order, r.Status, f.Reason)
				}
			}
		})
	}
}

func TestNewsIsToldOnce(t *testing.T) {
	t.Parallel()
	var r message.Recipient
	for i, c := range []struct {
		told          told
		changed, news bool
	}{
		{told{"a", message.EventProcessed, 0, ""}, false, false},
		{told{"a", message.EventDeferred, 1, "busy"}, true, true},
		{told{"a", message.EventDeferred, 1, "busy"}, false, false},
		{told{"a", message.EventDeferred, 2, "still busy"}, true, false},
		{told{"a", message.EventDelivered, 3, ""}, true, true},
		{told{"a", message.EventDeferred, 4, "late"}, false, false},
		{told{"b", message.EventDelivered, 3, ""}, true, true},
		{told{"a", message.EventOpened, 5, ""}, false, false},
	} {
		if changed, news := r.Learn(c.told.fate()); changed != c.changed || news != c.news {
			t.Errorf("%d: %+v: changed %v, news %v", i, c.told, changed, news)
		}
	}
}

func TestAMessageIsDeliveredOnceAllHaveIt(t *testing.T) {
	t.Parallel()
	m := message.Message{Status: message.Sent, Recipients: []message.Recipient{{Email: "ada@example.com"}, {Email: "eve@example.com"}}}
	for _, c := range []struct {
		of     int
		told   told
		status message.Status
	}{
		{0, told{"a", message.EventDelivered, 1, ""}, message.Sent},
		{1, told{"a", message.EventComplained, 1, ""}, message.Delivered},
		{0, told{"a", message.EventBounced, 2, ""}, message.Sent},
	} {
		m.Recipients[c.of].Learn(c.told.fate())
		if got := m.Reached(); got != c.status {
			t.Errorf("after %+v: %s, want %s", c.told, got, c.status)
		}
	}
	if got := (&message.Message{}).Reached(); got != message.Sent {
		t.Errorf("without recipients, as an earlier version kept it: %s", got)
	}
}

func TestTheMarksOfAMessage(t *testing.T) {
	t.Parallel()
	m := message.Message{ID: "msg_1", Tenant: "acme", Attempts: []message.Attempt{{ID: "att_1", Outcome: message.Ambiguous}, {ID: "att_2", Outcome: message.Attempting}}}
	want := map[string]string{"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_2"}
	if got := m.Marks(); len(got) != len(want) || got["patchbay_message"] != "msg_1" || got["patchbay_tenant"] != "acme" || got["patchbay_attempt"] != "att_2" {
		t.Errorf("%v, want %v", got, want)
	}
}
