package mockpay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/ports"
)

// Until 2026-11 the mock was not an adapter for Stripe: the body of a request was JSON, and a record
// held the payment in the terms of core/payment. Such bodies, and such records, are still in stores.

// send sends a request by do. The request may have been sent, or composed, by such a version: then
// its body is composed anew from what the JSON says, and the fingerprint that was saved with its
// response is that of the JSON. It returns Invalid if the body cannot be read. key and body are
// those of r.
func send[R payment.Change, A any](ctx context.Context, g *Gateway, a payment.Action, do func(context.Context, R) (A, error), r *R, key, body *string) (none A, _ error) {
	asked, said, under := *r, *body, *key
	if strings.HasPrefix(said, "{") {
		var meant R
		if err := json.Unmarshal([]byte(said), &meant); err != nil {
			return none, g.identified(string(a), fault.New(fault.Invalid, "body_invalid", "the request cannot be read"))
		}
		switch m := any(&meant).(type) { // the currency in which an amount is counted is not a part of the JSON
		case *payment.CaptureRequest:
			m.Currency = any(asked).(payment.CaptureRequest).Currency
		case *payment.RefundRequest:
			m.Currency = any(asked).(payment.RefundRequest).Currency
		}
		*r = meant
		composed, err := g.Compose(*r)
		if err != nil {
			return none, err
		}
		*key, *body = under, composed
	}
	return do(stripesim.WithEarlier(ctx, func() string {
		text := []byte(said)
		if !strings.HasPrefix(said, "{") {
			text, _ = json.Marshal(asked) // our own types always encode
		}
		sum := sha256.Sum256(append([]byte(string(a)+"\n"), text...))
		return hex.EncodeToString(sum[:])
	}), *r)
}

// earlierIntent is a record in the form of such a version.
type earlierIntent struct {
	payment.Intent
	Customer      string
	PaymentMethod string
	ReturnURL     string
	Redirects     bool
	Description   string
	CaptureMethod payment.CaptureMethod
	Charged       bool
	Refunds       []payment.ProviderRefund
	Released      *payment.ProviderRefund
	Disputes      []payment.Dispute
	Later         []struct {
		Refund int
		At     time.Time
		Status string
	}
	Requests []struct {
		Key         string
		Fingerprint string
		Intent      payment.Intent
		RefundAt    int
		Declined    *payment.Failure
		Failed      bool
	}
	Outbox []struct {
		Seq      int
		ID       string
		Body     json.RawMessage
		Failures int
		Due      time.Time
	}
	LastEvent int
}

// readEarlier converts a record of such a version.
func readEarlier(from ports.Record) (*stripesim.Record, error) {
	e, err := record.Decode(from, func(e earlierIntent) bool { return e.Reference == from.ID })
	if err != nil {
		return nil, err
	}
	r := &stripesim.Record{
		Handle: from, LastSeq: e.LastEvent,
		Intent: stripesim.Intent{
			ID: e.Reference, Secret: e.ClientSecret, Created: e.CreatedAt, Amount: e.stripes(e.Amount), Currency: string(e.Currency),
			CaptureMethod: string(e.CaptureMethod), Redirects: e.Redirects, Customer: e.Customer, Description: e.Description,
			Metadata: e.Metadata, State: e.state(e.Intent),
		},
	}
	released := e.refunds(r)
	e.disputes(r)
	for _, t := range e.Later {
		r.Turns = append(r.Turns, stripesim.Turn{Refund: t.Refund + released, At: t.At, Status: t.Status})
	}
	e.requests(r, released)
	for _, w := range e.Outbox {
		r.Outbox = append(r.Outbox, stripesim.Pending{Seq: w.Seq, ID: w.ID, Body: w.Body, Failures: w.Failures, Due: w.Due})
	}
	return r, nil
}

// stripes converts an amount to Stripe's representation. One that was accepted without one stays as
// it is.
func (e *earlierIntent) stripes(amount int64) int64 {
	if theirs, err := money.ToStripe(amount, e.Currency); err == nil {
		return theirs
	}
	return amount
}

// charge is the id of the one charge that an intent had.
func (e *earlierIntent) charge() string { return "ch_" + strings.TrimPrefix(e.Reference, "pi_") }

// state converts the intent as it was at one time.
func (e *earlierIntent) state(at payment.Intent) stripesim.State {
	s := stripesim.State{
		Status: at.Status, Method: e.PaymentMethod, ReturnURL: e.ReturnURL, Disputed: at.Disputed,
		Capturable: e.stripes(at.AmountCapturable), Received: e.stripes(at.AmountCaptured), Refunded: e.stripes(at.AmountRefunded),
		Failure: e.failure(at.Failure),
	}
	if at.AmountCaptured > 0 { // Stripe counts what a partial capture releases as refunded
		s.Refunded += e.stripes(at.Amount - at.AmountCaptured)
	}
	if e.Charged {
		s.Charge = stripesim.Charge{ID: e.charge(), Captured: s.Received > 0, Paid: s.Received+s.Capturable > 0}
	}
	return s
}

func (e *earlierIntent) failure(f *payment.Failure) *stripesim.Failure {
	if f == nil {
		return nil
	}
	return &stripesim.Failure{Type: "card_error", Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message, Charge: e.charge()}
}

// refunds converts the refunds, after the part of the authorisation that was released, and returns
// by how much that moves their places.
func (e *earlierIntent) refunds(r *stripesim.Record) (released int) {
	add := func(p payment.ProviderRefund, released bool) {
		r.Refunds = append(r.Refunds, stripesim.Refund{
			ID: p.Reference, Amount: e.stripes(p.Amount), Created: p.CreatedAt, Status: p.Status, Reason: p.Reason, Metadata: p.Metadata, Released: released,
		})
	}
	if e.Released != nil {
		add(*e.Released, true)
		released = 1
	}
	for _, p := range e.Refunds {
		add(p, false)
	}
	return released
}

func (e *earlierIntent) disputes(r *stripesim.Record) {
	for _, d := range e.Disputes {
		c := stripesim.Dispute{ID: d.Reference, Amount: e.stripes(d.Amount), Created: d.CreatedAt, Status: d.Status, Reason: d.Reason}
		if d.FundsWithdrawn || d.Status == "won" {
			c.Moved = append(c.Moved, stripesim.Movement{ID: "txn_" + d.Reference, Object: "balance_transaction", Amount: -c.Amount})
		}
		if d.Status == "won" {
			c.Moved = append(c.Moved, stripesim.Movement{ID: "txn_won_" + d.Reference, Object: "balance_transaction", Amount: c.Amount})
		}
		r.Disputes = append(r.Disputes, c)
	}
}

// requests converts the answers to earlier requests.
func (e *earlierIntent) requests(r *stripesim.Record, released int) {
	for _, q := range e.Requests {
		saved := stripesim.Saved{Key: q.Key, Fingerprint: q.Fingerprint, At: e.CreatedAt, State: e.state(q.Intent), Expanded: true}
		switch {
		case q.Failed:
			saved.Failure, saved.Status = &stripesim.Failure{Type: "api_error", Message: "An unknown error occurred"}, http.StatusInternalServerError
		case q.Declined != nil:
			saved.Failure, saved.Status, saved.About = e.failure(q.Declined), http.StatusPaymentRequired, true
		case q.RefundAt > 0 || q.Intent.AmountRefunded > 0: // after the first refund there were only refunds
			saved.Refund = q.RefundAt + released + 1
			saved.RefundStatus = r.Refunds[saved.Refund-1].Status
		}
		r.Saved = append(r.Saved, saved)
	}
	if len(e.Requests) > 0 {
		r.Intent.Key = e.Requests[0].Key
	}
}
