package emails_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/tests/memjournal"
)

// News of several recipients, in two orders, by two copies: what is known in the end is the
// same, and the feed has each once.
func TestNewsOfRecipients(t *testing.T) {
	inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
		of := func(m email.Message, email string, e email.Event, reason string) email.Notification {
			n := news(m, 0, e)
			n.Recipient, n.Reason, n.Code = email, reason, "5.1.1"
			return n
		}
		type one struct {
			email  string
			event  email.Event
			reason string
		}
		list := []one{
			{"ADA@example.com", email.EventDelivered, ""},
			{"ada@example.com", email.EventBounced, "no such user"},
			{"ada@example.com", email.EventOpened, ""},
			{"eve@xn--bcher-kva.example", email.EventDelivered, ""},
			{"EVE@bücher.example", email.EventDelivered, ""},
			{"stranger@example.com", email.EventBounced, "who?"},
			{"", email.EventDeferred, "busy"},
		}
		for _, backwards := range []bool{false, true} {
			m := o.accept(t, email.AtMostOnce, "eve@bücher.example")
			news := slices.Clone(list)
			if backwards {
				slices.Reverse(news)
			}
			opened := 0
			for _, n := range news {
				a := o.hear(t, "first", of(m, n.email, n.event, n.reason))
				opened += len(a.Events)
			}
			m = o.get(t, m.ID)
			ada, eve := m.Recipients[0], m.Recipients[1]
			f, _ := ada.Fate()
			if m.Status != email.Sent || ada.Status != "bounced" || f.Reason != "no such user" || f.Code != "5.1.1" || eve.Status != "delivered" {
				t.Errorf("%s, %+v", m.Status, m.Recipients)
			}
			feed := o.told(t, m.ID)
			for event, most := range map[string]int{"bounced": 1, "delivered": 2, "deferred": 2, "opened": 0, "sent": 1} {
				n := 0
				for _, e := range feed {
					if e == event {
						n++
					}
				}
				if n > most || event != "delivered" && event != "deferred" && n != most {
					t.Errorf("backwards %v: %d times %s in %q", backwards, n, event, feed)
				}
			}
			if opened != 1 {
				t.Errorf("%d news for the feed alone", opened)
			}
		}
	})
}

func TestTheFeedIsToldOfARecipientWithoutTheAddress(t *testing.T) {
	inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
		m := o.accept(t, email.AtMostOnce, "eve@example.com")
		n := news(m, 0, email.EventBounced)
		n.Recipient, n.Reason, n.Code = "eve@example.com", "550 no such user", "5.1.1"
		o.hear(t, "first", n)
		if _, err := o.journal.Publish(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		events, err := o.journal.Feed(t.Context(), tenant, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		want := fmt.Sprintf(`{"at":"2023-11-14T22:13:20Z","attempt":%q,"code":"5.1.1","provider":"first","reason":"550 no such user","recipient":1,"status":"sent"}`, m.Attempts[0].ID)
		if last.Type != "message.bounced" || last.Subject != m.ID || string(last.Data) != want {
			t.Errorf("%s %s, want %s", last.Type, last.Data, want)
		}
	})
}

// Mail that an earlier version has sent is marked with its id alone.
func TestNewsOfMailOfAnEarlierVersion(t *testing.T) {
	for name, c := range map[string]struct {
		first func(int) error
		want  string
	}{
		"it was accepted":     {nil, "first:accepted "},
		"it was unknown":      {always(fault.UnknownOutcome), "first:accepted "},
		"it was not accepted": {once(fault.Overloaded), "first:accepted "},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, c.first, nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, email.AtMostOnce)
				n := news(m, 0, email.EventDelivered)
				n.Attempt, n.Tenant = "", ""
				before := outcomes(m)
				if _, err := o.apply(t, "first", n); err != nil || outcomes(o.get(t, m.ID)) != before {
					t.Errorf("news without an attempt's id of an attempt that is marked with it: %s, %v", outcomes(o.get(t, m.ID)), err)
				}
				o.asEarlier(t, m.ID)
				o.hear(t, "first", n)
				if m = o.get(t, m.ID); m.Status != email.Delivered || outcomes(m) != c.want {
					t.Errorf("%s after %s", m.Status, outcomes(m))
				}
			})
		})
	}
}

// asEarlier makes a message one whose attempts an earlier version has made.
func (o *office) asEarlier(t *testing.T, id string) {
	t.Helper()
	r, err := o.journal.Get(t.Context(), tenant, emails.Kind, id)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = bytes.ReplaceAll(r.Body, []byte(`"marked":true,`), nil)
	if err := o.journal.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
}

// The save's answer is lost, or somebody else was quicker: the feed gets the event once.
func TestNewsIsSavedOnce(t *testing.T) {
	for name, failure := range map[string]error{
		"its answer is lost": fault.New(fault.UnknownOutcome, "scripted", ""),
		"it is in conflict":  fault.New(fault.Conflict, "scripted", ""),
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			fail := func(op string) error {
				when := memjournal.Saved
				if fault.Is(failure, fault.Conflict) {
					when = memjournal.Save
				}
				if op == when && armed.CompareAndSwap(true, false) {
					return failure
				}
				return nil
			}
			inOffice(t, nil, nil, fail, func(t *testing.T, o *office) {
				m := o.accept(t, email.AtMostOnce)
				armed.Store(true)
				o.hear(t, "first", news(m, 0, email.EventBounced))
				if feed := o.told(t, m.ID); armed.Load() || feed[len(feed)-1] != "bounced" || slices.Index(feed, "bounced") != len(feed)-1 {
					t.Errorf("%q", feed)
				}
			})
		})
	}
}

func TestNewsOfAnErasedMessage(t *testing.T) {
	inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
		m := o.accept(t, email.AtMostOnce, "eve@example.com")
		ada := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
		object, err := json.Marshal(news(m, 0, email.EventBounced))
		if err != nil {
			t.Fatal(err)
		}
		e := webhook.Event{Provider: "first", ID: "1", Object: object}
		if of, err := o.Subject(t.Context(), e, ada); err != nil || !of.Theirs || of.Erased || of.Tenant != tenant {
			t.Errorf("before: %+v, %v", of, err)
		}
		if of, err := o.Subject(t.Context(), e, user.Person{Tenant: tenant, Emails: []string{"eve@example.com"}}); err != nil || of.Theirs {
			t.Errorf("of another recipient's: %+v, %v", of, err)
		}
		err = o.PersonalObjects(t.Context(), ada, func(int) error { return nil }, func(tr user.PersonalObject) error { return tr.Erase(t.Context()) })
		if err != nil {
			t.Fatal(err)
		}
		n := news(m, 0, email.EventBounced)
		n.Reason = "said Ada"
		if a := o.hear(t, "first", n); !a.Erased {
			t.Error("it is not told that the message is erased")
		}
		n.Recipient = "eve@example.com"
		o.hear(t, "first", n)
		m = o.get(t, m.ID)
		if f, ok := m.Recipients[1].Fate(); !ok || f.Event != email.EventBounced || f.Reason != "" {
			t.Errorf("%+v", m.Recipients)
		}
		if of, err := o.Subject(t.Context(), e, ada); err != nil || !of.Erased {
			t.Errorf("after: %+v, %v", of, err)
		}
		if _, err := o.Subject(t.Context(), webhook.Event{Provider: "gone"}, ada); !fault.Is(err, fault.NotFound) {
			t.Errorf("of a provider that is gone: %v", err)
		}
	})
}
