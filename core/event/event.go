// Package event is the domain of the feed: what Patchbay reports about payments, email and
// users.
package event

import (
	"encoding/json"
	"time"
)

// Event is one entry of the feed. It contains no personal data: a reader fetches the subject.
type Event struct {
	Seq     int64           `json:"-"`       // gapless, from 1, given by the journal
	ID      string          `json:"id"`      // fev_…
	Tenant  string          `json:"tenant"`  //
	Type    string          `json:"type"`    // payment.succeeded, message.sent, user.updated …
	Subject string          `json:"subject"` // id of the payment, message or user
	At      time.Time       `json:"at"`
	Data    json.RawMessage `json:"data,omitempty"` // a small object: status, version, provider
}

// Subject says whom the subject of an event belongs to, in a search for a person's data.
type Subject struct {
	Tenant string
	Theirs bool // it belongs to the person
	Erased bool // it was erased, so nothing tells any more whose it was
}
