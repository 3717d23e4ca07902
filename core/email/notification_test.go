package email_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
)

var noon = time.Unix(1_700_000_000, 0).UTC()

// told is a notification of a copy, by the attempt, minutes after noon.
type told struct {
	attempt string
	event   email.Event
	minute  int
	reason  string
}

func (n told) fate() email.Fate {
	return email.Fate{Attempt: n.attempt, Event: n.event, Reason: n.reason, At: noon.Add(time.Duration(n.minute) * time.Minute)}
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

// In whatever order notifications come, and how often, the result is the same.
func TestWhatBecomesOfARecipient(t *testing.T) {
	t.Parallel()
	const a, b = "att_a", "att_b"
	for _, c := range []struct {
		name   string
		news   []told
		status email.Status
		reason string
	}{
		{"it was only taken", []told{{a, email.EventProcessed, 0, ""}, {a, email.EventSent, 1, ""}}, email.Sent, ""},
		{"it was put off, then taken", []told{{a, email.EventProcessed, 0, ""}, {a, email.EventDeferred, 1, "busy"}, {a, email.EventDelivered, 2, ""}}, "delivered", ""},
		{"it was put off twice", []told{{a, email.EventDeferred, 1, "busy"}, {a, email.EventDeferred, 9, "still busy"}}, "deferred", "still busy"},
		{"it bounced, which was told by two in one second", []told{{a, email.EventBounced, 1, "no such user"}, {a, email.EventBounced, 1, "gone"}}, "bounced", "no such user"},
		{"it was taken, then given back", []told{{a, email.EventDelivered, 1, ""}, {a, email.EventBounced, 2, "no such user"}}, "bounced", "no such user"},
		{"it was given back, by a clock that is behind", []told{{a, email.EventDelivered, 2, ""}, {a, email.EventBounced, 1, "no such user"}}, "bounced", "no such user"},
		{"it was not wanted", []told{{a, email.EventDelivered, 1, ""}, {a, email.EventComplained, 9, ""}}, "complained", ""},
		{"it was not tried", []told{{a, email.EventProcessed, 0, ""}, {a, email.EventRejected, 1, "on our list"}}, "rejected", "on our list"},
		{"it was read", []told{{a, email.EventDelivered, 1, ""}, {a, email.EventOpened, 2, ""}, {a, email.EventClicked, 3, ""}, {a, email.EventUnsubscribed, 4, ""}}, "delivered", ""},
		{"one copy bounced, another arrived", []told{{a, email.EventBounced, 2, "blocked"}, {b, email.EventDelivered, 1, ""}}, "delivered", ""},
		{"one copy bounced, another is put off", []told{{a, email.EventBounced, 2, "blocked"}, {b, email.EventDeferred, 1, "busy"}}, "deferred", "busy"},
		{"both copies bounced", []told{{a, email.EventRejected, 2, "on our list"}, {b, email.EventBounced, 1, "no such user"}}, "bounced", "no such user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, order := range orders(c.news) {
				m := email.Message{Status: email.Sent, Recipients: []email.Recipient{{Email: "ada@example.com"}}}
				r := &m.Recipients[0]
				for _, n := range slices.Concat(order, order) {
					r.AddFate(n.fate())
				}
				m.SetRecipientStatuses()
				if f, _ := r.Fate(); r.Status != c.status || f.Reason != c.reason {
					t.Errorf("after %v: %s, %q", order, r.Status, f.Reason)
				}
			}
		})
	}
}

func TestNewsIsToldOnce(t *testing.T) {
	t.Parallel()
	var r email.Recipient
	for i, c := range []struct {
		told          told
		changed, news bool
	}{
		{told{"a", email.EventProcessed, 0, ""}, false, false},
		{told{"a", email.EventDeferred, 1, "busy"}, true, true},
		{told{"a", email.EventDeferred, 1, "busy"}, false, false},
		{told{"a", email.EventDeferred, 2, "still busy"}, true, false},
		{told{"a", email.EventDelivered, 3, ""}, true, true},
		{told{"a", email.EventDeferred, 4, "late"}, false, false},
		{told{"b", email.EventDelivered, 3, ""}, true, true},
		{told{"a", email.EventOpened, 5, ""}, false, false},
	} {
		if changed, news := r.AddFate(c.told.fate()); changed != c.changed || news != c.news {
			t.Errorf("%d: %+v: changed %v, news %v", i, c.told, changed, news)
		}
	}
}

func TestAMessageIsDeliveredOnceAllHaveIt(t *testing.T) {
	t.Parallel()
	m := email.Message{Status: email.Sent, Recipients: []email.Recipient{{Email: "ada@example.com"}, {Email: "eve@example.com"}}}
	for _, c := range []struct {
		of     int
		told   told
		status email.Status
	}{
		{0, told{"a", email.EventDelivered, 1, ""}, email.Sent},
		{1, told{"a", email.EventComplained, 1, ""}, email.Delivered},
		{0, told{"a", email.EventBounced, 2, ""}, email.Sent},
	} {
		m.Recipients[c.of].AddFate(c.told.fate())
		if got := m.AcceptedStatus(); got != c.status {
			t.Errorf("after %+v: %s, want %s", c.told, got, c.status)
		}
	}
	if got := (&email.Message{}).AcceptedStatus(); got != email.Sent {
		t.Errorf("without recipients, as an earlier version kept it: %s", got)
	}
}

func TestVariablesAreTheMarksAndTheMetadata(t *testing.T) {
	t.Parallel()
	m := email.Message{
		ID: "msg_1", Tenant: "acme", Metadata: map[string]string{"order": "17"},
		Attempts: []email.Attempt{{ID: "att_1", Outcome: email.Ambiguous}, {ID: "att_2", Outcome: email.Attempting}},
	}
	want := map[string]string{"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_2", "order": "17"}
	if got := m.Variables(); !maps.Equal(got, want) {
		t.Errorf("variables %v, want %v", got, want)
	}
}
