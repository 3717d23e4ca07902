package orderpay

import (
	"crypto/rand"
	"maps"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// The tokens by which an order can be paid.
const (
	Pays         = "tok_pays"
	NeedsBuyer   = "tok_buyer"    // the buyer must approve
	Declined     = "tok_declined" // the issuer declines
	NoFunds      = "tok_no_funds" // the same, since there is no money
	FailsCapture = "tok_fails"    // the first capture fails after it was accepted
)

// order is a payment. Its status follows from the other fields.
type order struct {
	id, reference string
	amount        int64
	currency      money.Currency
	later         bool // the capture is requested separately
	token         string
	returnURL     string
	metadata      map[string]string
	created       time.Time
	awaits        bool // the buyer's approval
	authorised    bool
	void          bool
	failure       string
	captures      []*capture
	refunds       []*refund
}

// capture is one attempt to take the money. Only one succeeds, and it releases the rest.
type capture struct {
	id, status string
	amount     int64
	at         time.Time
}

type refund struct {
	id, status, reference string
	amount, total         int64
	metadata              map[string]string
	at                    time.Time
}

func newID(prefix string) string { return prefix + "_" + rand.Text() }

// The statuses of an order.
const (
	statusCreated    = "created"
	statusApproval   = "approval_required"
	statusAuthorised = "authorised"
	statusPending    = "capture_pending"
	statusCaptured   = "captured"
	statusVoided     = "voided"
	statusDeclined   = "declined"
)

func (o *order) status() string {
	switch {
	case o.void:
		return statusVoided
	case o.pendingCapture() != nil:
		return statusPending
	case o.captured() > 0:
		return statusCaptured
	case o.authorised:
		return statusAuthorised
	case o.awaits:
		return statusApproval
	case o.failure != "":
		return statusDeclined
	}
	return statusCreated
}

func (o *order) pendingCapture() *capture {
	for _, c := range o.captures {
		if c.status == "pending" {
			return c
		}
	}
	return nil
}

func (o *order) captured() (sum int64) {
	for _, c := range o.captures {
		if c.status == "completed" {
			sum += c.amount
		}
	}
	return sum
}

// refunded is what was refunded, or is about to be.
func (o *order) refunded() (sum int64) {
	for _, r := range o.refunds {
		sum += r.amount
	}
	return sum
}

// pay pays an order by its token. The answer is "" if that was possible, or the issuer's reason.
func (s *Sim) pay(o *order) (declined string) {
	o.failure, o.awaits = "", false
	switch o.token {
	case NeedsBuyer:
		o.awaits = true
	case Declined:
		o.failure = "issuer_declined"
	case NoFunds:
		o.failure = "insufficient_funds"
	default:
		s.authorise(o)
	}
	if o.failure != "" {
		s.tell("order.declined", map[string]any{"order": o.view()})
	}
	return o.failure
}

// authorise reserves the money, and captures it unless that is requested separately.
func (s *Sim) authorise(o *order) {
	o.authorised, o.awaits, o.failure = true, false, ""
	if o.later {
		s.tell("order.authorised", map[string]any{"order": o.view()})
		return
	}
	s.capture(o, o.amount)
}

// capture accepts a capture, which ends later.
func (s *Sim) capture(o *order, amount int64) {
	o.captures = append(o.captures, &capture{id: newID("cap"), status: "pending", amount: amount, at: time.Now()})
	s.tell("capture.pending", map[string]any{"capture": o.captures[len(o.captures)-1].view()})
}

func (o *order) view() orderView {
	v := orderView{
		ID: o.id, Reference: o.reference, Status: o.status(), Amount: o.amount, Currency: o.currency, Token: o.token,
		Metadata: o.metadata, Created: o.created, Failure: o.failure, Captured: o.captured(),
	}
	if o.awaits {
		v.ApproveURL = "https://orders.example.com/approve/" + o.id
	}
	for _, c := range o.captures {
		v.Captures = append(v.Captures, c.view())
	}
	for _, r := range o.refunds {
		v.Refunds = append(v.Refunds, r.view())
	}
	return v
}

func (c *capture) view() captureView {
	return captureView{ID: c.id, Status: c.status, Amount: c.amount}
}

func (r *refund) view() refundView {
	return refundView{
		ID: r.id, Status: r.status, Amount: r.amount, Total: r.total, Reference: r.reference, Metadata: r.metadata, Created: r.at,
	}
}

func (o *order) entry() payment.BookEntry {
	e := payment.BookEntry{
		Reference: o.id, Key: o.reference, Status: intentOf(o.view()).Status, Amount: o.amount, Currency: o.currency,
		Captured: o.captured(), Metadata: maps.Clone(o.metadata), CreatedAt: o.created,
	}
	for _, r := range o.refunds {
		if r.status == "completed" {
			e.Refunded += r.amount
			e.Refunds++
		}
	}
	return e
}
