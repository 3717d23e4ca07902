package resendsim

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"patchbay/adapters/mail/testaddress"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/notify"
	"patchbay/core/email"
)

// NotifyEach sends events about the delivered messages to a URL until the context ends: each by a request of its
// own, and again under the same id with a new signature, as Resend does.
func (s *Sim) NotifyEach(ctx context.Context, url, secret string, refused notify.Refused) {
	notify.Each(ctx, s.Reports(func(m mailbox.Message) (all []notify.Event) {
		for _, e := range EventsOf(m) {
			id, body := "msg_"+rand.Text(), Body(e)
			all = append(all, notify.Event{Type: e["type"].(string), ID: id, Request: func(ctx context.Context) (*http.Request, error) {
				return notify.Post(ctx, url, body, Sign(id, body, time.Now(), secret))
			}})
		}
		return all
	}), refused)
}

// names are Resend's names of events. It has none for somebody who unsubscribes.
var names = map[email.Event]string{
	email.EventDeferred: "email.delivery_delayed", email.EventDelivered: "email.delivered", email.EventBounced: "email.bounced", email.EventRejected: "email.failed",
	email.EventComplained: "email.complained", email.EventOpened: "email.opened", email.EventClicked: "email.clicked",
}

// EventsOf returns the events about a delivered message. The addresses of its recipients say what becomes of it.
func EventsOf(m mailbox.Message) (all []Event) {
	for _, to := range m.To {
		if isSuppressed(to) {
			all = append(all, EventOf(m, "email.suppressed", []string{to}, m.At, Event{"suppressed": Event{
				"type": "OnAccountSuppressionList", "message": "Resend has suppressed sending to this address because it is on the account-level suppression list.",
			}}))
			continue
		}
		all = append(all, EventOf(m, "email.sent", []string{to}, m.At))
		for _, o := range testaddress.OrDelivered(to) {
			if name := names[o.Event]; name != "" {
				all = append(all, EventOf(m, name, []string{to}, m.At, about(o)))
			}
		}
	}
	return all
}

// isSuppressed reports whether an address is that test address of Resend's own which stands for one on the
// account's list.
//
// Source: https://resend.com/docs/dashboard/emails/send-test-emails
func isSuppressed(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	local, _, _ = strings.Cut(local, "+")
	return local == "suppressed"
}

// about returns what the data of an event have beside those of all.
func about(o testaddress.Outcome) Event {
	switch o.Event {
	case email.EventBounced:
		return Event{"bounce": Event{
			"type": "Permanent", "subType": "General", "message": "The recipient's server refused the email.", "diagnosticCode": []string{"smtp; " + o.Reply},
		}}
	case email.EventRejected:
		return Event{"failed": Event{"reason": o.Reply}}
	case email.EventClicked:
		return Event{"click": Event{"link": "https://example.com/"}}
	default:
		return nil
	}
}
