package mailgunsim

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/mail/testaddress"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/notify"
	"patchbay/core/email"
)

// NotifyEach sends events about the delivered messages to a URL until the context ends: each by a request of its
// own, and again with the signature of the first attempt, as Mailgun does.
func (s *Sim) NotifyEach(ctx context.Context, url, key string, refused notify.Refused) {
	notify.Each(ctx, s.Reports(func(m mailbox.Message) (all []notify.Event) {
		for _, e := range EventsOf(m) {
			body := Body(Sign(key, time.Now()), e)
			all = append(all, notify.Event{Type: e["event"].(string), ID: e["id"].(string), Request: func(ctx context.Context) (*http.Request, error) {
				return notify.Post(ctx, url, body, nil)
			}})
		}
		return all
	}), refused)
}

// names are Mailgun's names of events.
var names = map[email.Event]string{
	email.EventDeferred: "failed", email.EventDelivered: "delivered", email.EventBounced: "failed", email.EventRejected: "rejected",
	email.EventComplained: "complained", email.EventOpened: "opened", email.EventClicked: "clicked", email.EventUnsubscribed: "unsubscribed",
}

// EventsOf returns the events about a delivered message. The addresses of its recipients say what becomes of it.
func EventsOf(m mailbox.Message) []Event {
	return testaddress.Events(m.To,
		func(to string) Event { return EventOf(m, "accepted", to, m.At) },
		func(to string, o testaddress.Outcome) Event { return EventOf(m, names[o.Event], to, m.At, about(o)) })
}

// about returns the fields that an event has beside those of all.
func about(o testaddress.Outcome) Event {
	switch o.Event {
	case email.EventDelivered:
		return Event{"delivery-status": Event{"code": 250, "message": "OK"}}
	case email.EventDeferred:
		return Event{"severity": "temporary", "reason": "generic", "delivery-status": failure(o)}
	case email.EventBounced:
		return Event{"severity": "permanent", "reason": "bounce", "delivery-status": failure(o)}
	case email.EventRejected:
		return Event{"reject": Event{"reason": o.Reply, "description": ""}}
	case email.EventClicked:
		return Event{"url": "https://example.com/"}
	default:
		return nil
	}
}

// failure returns the status of a delivery that failed, with the reply of the recipient's server.
func failure(o testaddress.Outcome) Event {
	code, _ := strconv.Atoi(o.Reply[:3])
	return Event{"code": code, "enhanced-code": o.Code, "message": o.Reply, "description": ""}
}
