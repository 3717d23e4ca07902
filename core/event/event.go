// Package event holds the two kinds of events: what a provider told us by
// webhook, and what Patchbay tells in its feed.
package event

import (
	"encoding/json"
	"time"
)

// Feed is one entry of the stream of normalised events. It carries no personal
// data: a reader fetches the subject.
type Feed struct {
	Seq     int64           `json:"-"`       // gapless, from 1, given by the journal
	ID      string          `json:"id"`      // fev_…
	Tenant  string          `json:"tenant"`  //
	Type    string          `json:"type"`    // payment.succeeded, message.sent, user.updated …
	Subject string          `json:"subject"` // id of the payment, message or user
	At      time.Time       `json:"at"`
	Data    json.RawMessage `json:"data,omitempty"` // a small object: status, version, provider
}

// Subject is what an event speaks of, in the eyes of a person.
type Subject struct {
	Tenant string
	Theirs bool // it is the person's
	Erased bool // nothing tells any more whose it was
}

// Webhook is one verified event of a provider.
type Webhook struct {
	Provider string          `json:"provider"` // the configured name whose secret verified it
	ID       string          `json:"id"`       // evt_…, unique at the provider
	Type     string          `json:"type"`     // payment_intent.succeeded …
	Created  time.Time       `json:"created"`  // whole seconds; says nothing about order
	Object   json.RawMessage `json:"object"`   // data.object, as the provider wrote it
	// Key is the idempotency key of the request that the event is the effect of, empty
	// where there was none.
	Key string `json:"key,omitempty"`
	// Token is what the provider has signed this delivery with and uses once, empty where
	// its scheme has none. A second delivery with it is no news, whatever it says.
	Token string `json:"-"`
}

// Applied is what has come of an event.
type Applied struct {
	// Erased tells that what the event speaks of was erased: what else it says must not
	// be kept.
	Erased bool
	// News are for the feed, and change nothing that is kept: they are published with the
	// note that the event is applied, and so once.
	News []Feed
}
