package ports

import (
	"patchbay/core/event"
	"patchbay/core/message"
	"patchbay/core/payment"
)

// Verifier recognises the webhooks of one route, for every account configured.
type Verifier interface {
	// CheckHeaders judges a webhook by its headers, before its body is read: a body
	// that cannot be rightly signed is not worth its memory. A scheme whose headers
	// hold the signature and its time returns what Verify would of one that is
	// missing, too old or from the future; one that signs within the body returns nil.
	//
	// Invalid with code invalid_signature.
	CheckHeaders(header func(name string) string) error

	// Verify checks the signature over the raw body and returns the events in
	// it, each with the account whose secret verified it. header gives a
	// request header by name, empty where absent.
	//
	// Invalid with code invalid_signature: no signature, none that is right, or
	// one that is too old or from the future. Invalid with code invalid_payload:
	// rightly signed, but not an event.
	Verify(body []byte, header func(name string) string) ([]event.Webhook, error)
}

// PaymentReader reads what a verified event says of a payment.
type PaymentReader interface {
	// Payment returns the intent an event speaks of, with the refunds and disputes
	// of it that it tells of. An empty Status means that the event says nothing
	// about it. ok is false for a type of event that is not about a payment.
	// Invalid: the event's object cannot be read.
	Payment(e event.Webhook) (i payment.Intent, ok bool, err error)
}

// MailReader reads what a verified event says of a message.
type MailReader interface {
	// News returns what an event tells of a message, whoever's it is: it may have come
	// to the provider by another way than through Patchbay, and has no id of ours then. ok
	// is false for a type of event that is not about a message, and for one that there was
	// not when this was written. Invalid: the event's object cannot be read.
	News(e event.Webhook) (n message.News, ok bool, err error)
}
