package sendgridsim

import (
	"context"
	"net/http"
	"time"

	"patchbay/adapters/mail/testaddress"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/notify"
	"patchbay/core/email"
)

// NotifyEach sends events about the delivered messages to a URL until the context ends: those about one message
// together, and again with the signature of the first attempt, as SendGrid does.
func (s *Sim) NotifyEach(ctx context.Context, url string, signer *Signer, refused notify.Refused) {
	notify.Each(ctx, s.Reports(func(m mailbox.Message) []notify.Event {
		body := Batch(EventsOf(m)...)
		header := signer.Sign(body, time.Now())
		return []notify.Event{{Type: "the batch of events about", ID: m.Reference, Request: func(ctx context.Context) (*http.Request, error) {
			return notify.Post(ctx, url, body, header)
		}}}
	}), refused)
}

// names are SendGrid's names of events.
var names = map[email.Event]string{
	email.EventDeferred: "deferred", email.EventDelivered: "delivered", email.EventBounced: "bounce", email.EventRejected: "dropped",
	email.EventComplained: "spamreport", email.EventOpened: "open", email.EventClicked: "click", email.EventUnsubscribed: "unsubscribe",
}

// EventsOf returns the events about a delivered message. The addresses of its recipients say what becomes of it.
func EventsOf(m mailbox.Message) []Event {
	return testaddress.Events(m.To,
		func(to string) Event { return EventOf(m, "processed", to, m.At) },
		func(to string, o testaddress.Outcome) Event { return EventOf(m, names[o.Event], to, m.At, about(o)) })
}

// about returns the fields that an event has beside those of all.
func about(o testaddress.Outcome) Event {
	switch o.Event {
	case email.EventDelivered:
		return Event{"response": "250 OK"}
	case email.EventDeferred:
		return Event{"response": o.Reply, "attempt": "1"}
	case email.EventBounced:
		return Event{"type": "bounce", "status": o.Code, "reason": o.Reply, "bounce_classification": "Invalid Address"}
	case email.EventRejected:
		return Event{"reason": o.Reply}
	case email.EventClicked:
		return Event{"url": "https://example.com/"}
	default:
		return nil
	}
}
