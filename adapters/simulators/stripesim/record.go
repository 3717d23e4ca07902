package stripesim

import (
	"encoding/json"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// Record is a payment intent with all that belongs to it: its charge, refunds and disputes, the
// responses saved under idempotency keys, and the events that are not delivered yet. A Book stores
// it as one, so that the effect of a request, its response and its events are one change. Amounts
// are in Stripe's units.
type Record struct {
	// Handle is what the Book needs to save the record again, nil for a new record.
	Handle any `json:"-"`

	Intent   Intent    `json:"pi"`
	Refunds  []Refund  `json:"re,omitempty"` // oldest first
	Disputes []Dispute `json:"dp,omitempty"`
	Turns    []Turn    `json:"turns,omitempty"`
	Saved    []Saved   `json:"saved,omitempty"`  // oldest first; the first is the create
	Outbox   []Pending `json:"outbox,omitempty"` // the Book removes what it delivers
	LastSeq  int       `json:"lastSeq,omitempty"`
}

// Intent is a payment intent.
type Intent struct {
	ID            string            `json:"id"`
	Secret        string            `json:"secret"` // the client secret
	Key           string            `json:"key"`    // of the create
	Created       time.Time         `json:"created"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	CaptureMethod string            `json:"capture"`
	Redirects     bool              `json:"redirects,omitempty"` // the buyer may be redirected, so that confirming needs a return_url
	Types         []string          `json:"types,omitempty"`     // payment_method_types, in place of automatic_payment_methods
	Customer      string            `json:"customer,omitempty"`
	Description   string            `json:"description,omitempty"`
	Metadata      map[string]string `json:"metadata"`
	State         State             `json:"state"`
}

// State is what changes of an intent. A copy of it is the intent at one time.
type State struct {
	Status     payment.Status `json:"status"`
	Method     string         `json:"method,omitempty"`
	ReturnURL  string         `json:"return,omitempty"`
	Capturable int64          `json:"capturable,omitempty"`
	Received   int64          `json:"received,omitempty"`
	Refunded   int64          `json:"refunded,omitempty"` // of the charge, with what was released
	Disputed   bool           `json:"disputed,omitempty"`
	Failure    *Failure       `json:"failure,omitempty"` // the last payment error; it is never changed in place
	Charge     Charge         `json:"ch,omitzero"`       // the latest
}

// Charge is one attempt to charge the buyer. Its ID is empty if there was none.
type Charge struct {
	ID       string `json:"id"`
	Captured bool   `json:"captured,omitempty"`
	Paid     bool   `json:"paid,omitempty"`
}

// Refund is a refund, or the part of an authorisation that a capture or a cancel has released.
type Refund struct {
	ID       string            `json:"id"`
	Amount   int64             `json:"amount"`
	Created  time.Time         `json:"created"`
	Status   string            `json:"status"`
	Reason   string            `json:"reason,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Released bool              `json:"released,omitempty"`
}

// live reports whether the buyer has the money or will get it.
func (r *Refund) live() bool { return r.Status != "failed" && r.Status != "canceled" }

// Dispute is a dispute of a charge.
type Dispute struct {
	ID      string     `json:"id"`
	Amount  int64      `json:"amount"`
	Created time.Time  `json:"created"`
	Status  string     `json:"status"`
	Reason  string     `json:"reason"`
	Moved   []Movement `json:"moved,omitempty"`
}

// Movement is a balance transaction of a dispute: the money is withdrawn, or reinstated.
type Movement struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Amount int64  `json:"amount"`
}

// Turn is a later change of a refund's status.
type Turn struct {
	Refund int       `json:"refund"` // index into the refunds
	At     time.Time `json:"at"`
	Status string    `json:"status"`
}

// Saved is the response to a request, saved under its idempotency key.
type Saved struct {
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	// State is that of the intent after the request.
	State    State `json:"state"`
	Expanded bool  `json:"expanded,omitempty"` // the response contains the charge
	// Refund is the number of the refund that was made, from 1; 0 if the response is the intent.
	// RefundStatus is the first status of the refund.
	Refund       int    `json:"re,omitempty"`
	RefundStatus string `json:"reStatus,omitempty"`
	// Failure is the error, if the response is one. Status is its HTTP status. About says that it
	// contains the intent.
	Failure *Failure `json:"failure,omitempty"`
	Status  int      `json:"status,omitempty"`
	About   bool     `json:"about,omitempty"`
}

// Pending is an event that is not delivered yet.
type Pending struct {
	Seq  int       `json:"seq"` // distinguishes the two entries of an event that is sent twice
	ID   string    `json:"id"`
	Type string    `json:"type,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Key  string    `json:"key,omitempty"` // of the request that caused it
	// State is that of the intent when the event happened, if the event is about the intent or its
	// charge. Object is the object of any other event.
	State  *State          `json:"state,omitempty"`
	Object json.RawMessage `json:"object,omitempty"`
	// Body is the whole event, if an earlier version has composed it.
	Body json.RawMessage `json:"body,omitempty"`
	// Due is when it is sent, after Failures that were in vain.
	Due      time.Time `json:"due"`
	Failures int       `json:"failures,omitempty"`
}

// clone returns a copy that can be changed without changing the record.
func (r *Record) clone() *Record {
	c := *r
	c.Refunds = append([]Refund(nil), r.Refunds...)
	c.Disputes = append([]Dispute(nil), r.Disputes...)
	c.Turns = append([]Turn(nil), r.Turns...)
	c.Saved = append([]Saved(nil), r.Saved...)
	c.Outbox = append([]Pending(nil), r.Outbox...)
	return &c
}

// response returns the response saved under a key, or nil.
func (r *Record) response(key string) *Saved {
	for n := range r.Saved {
		if r.Saved[n].Key == key {
			return &r.Saved[n]
		}
	}
	return nil
}

// count updates the refunded amount of the charge.
func (r *Record) count() {
	r.Intent.State.Refunded = 0
	for n := range r.Refunds {
		if r.Refunds[n].live() {
			r.Intent.State.Refunded += r.Refunds[n].Amount
		}
	}
}

// Entry returns the record as an entry of the account's book.
func (r *Record) Entry() payment.BookEntry {
	i := &r.Intent
	e := payment.BookEntry{
		Reference: i.ID, Key: i.Key, Status: i.State.Status, Amount: i.Amount, Currency: money.Currency(i.Currency),
		Captured: i.State.Received, Metadata: i.Metadata, CreatedAt: i.Created,
	}
	for n := range r.Refunds {
		if f := &r.Refunds[n]; f.live() && !f.Released {
			e.Refunded += f.Amount
			e.Refunds++
		}
	}
	return e
}

// Elapse makes the changes of refunds that are due.
func (r *Record) Elapse(now time.Time) {
	left := r.Turns[:0]
	for _, t := range r.Turns {
		if t.At.After(now) {
			left = append(left, t)
			continue
		}
		r.Refunds[t.Refund].Status = t.Status
	}
	if len(left) < len(r.Turns) {
		r.Turns = left
		r.count()
	}
}
