// Package webhook is the domain of webhooks: an event sent by a provider, and the result of
// applying it.
package webhook

import (
	"encoding/json"
	"time"

	"patchbay/core/event"
)

// Event is one verified event of a provider.
type Event struct {
	Provider string    `json:"provider"` // name of the configured account whose secret verified it
	ID       string    `json:"id"`       // evt_…, unique at the provider
	Type     string    `json:"type"`     // payment_intent.succeeded …
	Created  time.Time `json:"created"`  // whole seconds; says nothing about order
	// Object is data.object of a payment provider, as it wrote it. Of an event about mail it is what is used of
	// it, since the rest quotes the message; it has no more than the type of one that cannot be read.
	Object json.RawMessage `json:"object"`
	// Key is the idempotency key of the request that caused the event, empty if there was none.
	Key string `json:"key,omitempty"`
	// Token is the single-use token that the provider signed this delivery with, empty if its
	// scheme has none. A second delivery with the same token is ignored, whatever it contains.
	Token string `json:"-"`
}

// Applied is the result of applying an event.
type Applied struct {
	// Erased reports that what the event is about was erased: the event's content must not be
	// kept.
	Erased bool
	// Events are events for the feed that change nothing else. They are published by the save that
	// marks the event as applied, and so only once.
	Events []event.Event
}
