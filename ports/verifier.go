package ports

import (
	"context"

	"patchbay/core/email"
	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// Verifier verifies the webhooks of one route, for all configured accounts.
type Verifier interface {
	// CheckHeaders checks the headers of a webhook before its body is read, so that no memory is
	// spent on a body that cannot have a valid signature. If the scheme puts the signature and its
	// time into headers, CheckHeaders returns what Verify would return for one that is missing,
	// too old or from the future. If the scheme signs within the body, it returns nil.
	//
	// Invalid with code invalid_signature.
	CheckHeaders(header func(name string) string) error

	// Verify checks the signature over the raw body and returns the events in it, each with the
	// account whose secret verified it. header returns a request header by name, empty if absent.
	// It may fetch a key or a certificate from the provider, and gives up when ctx ends.
	//
	// Invalid with code invalid_signature: the signature is missing, wrong, too old or from the
	// future. Invalid with code invalid_payload: correctly signed, but not an event. Unavailable:
	// the key could not be fetched; the provider must send the events again.
	Verify(ctx context.Context, body []byte, header func(name string) string) ([]webhook.Event, error)
}

// Acknowledger is implemented by a Verifier whose provider expects an answer of its own to the
// webhooks that were received: other providers get 200 and a JSON object.
type Acknowledger interface {
	Acknowledge() Acknowledgement
}

// Acknowledgement is the answer to a webhook whose events are stored.
type Acknowledgement struct {
	Status      int
	ContentType string
	Body        string
}

// PaymentReader reads what a verified event says about a payment.
type PaymentReader interface {
	// Payment returns the intent that an event is about, with those of its refunds and disputes
	// that the event contains. An empty Status means that the event says nothing about the status.
	// ok is false for a type of event that is not about a payment. Invalid: the event's object
	// cannot be read.
	Payment(e webhook.Event) (i payment.Intent, ok bool, err error)
}

// MailReader reads what a verified event says about a message.
type MailReader interface {
	// Notification returns what an event says about a message. The message may have reached the provider
	// without Patchbay; then it has no id of ours. ok is false for a type of event that is not
	// about a message, and for an unknown type: n then has Tenant, Message and Recipient as far as the event
	// tells them, because what it quotes of the message must be kept no longer than the message says.
	// Invalid: the event's object cannot be read.
	Notification(e webhook.Event) (n email.Notification, ok bool, err error)
}
