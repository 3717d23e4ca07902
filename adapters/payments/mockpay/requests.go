package mockpay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Limits of one intent.
const (
	saveTries   = 100 // attempts to save one request while others change the intent
	maxRequests = 100 // requests stored with an intent
)

// request holds what all kinds of calls have in common.
type request struct {
	action      payment.Action
	key         string
	reference   string
	fingerprint string
	method      string // the payment method of a confirm
}

// answered is a request that had an effect, with its answer. Metadata and refunds never
// change, so they are stored only once, with the intent.
type answered struct {
	Key         string
	Fingerprint string
	Intent      payment.Intent
	Refund      payment.ProviderRefund `json:"-"`
	RefundAt    int                    `json:",omitempty"` // index into the intent's refunds
	Declined    *payment.Failure       `json:",omitempty"`
	Failed      bool                   `json:",omitempty"` // a repeat gets a server error
}

// newRequest reads a request from its body, or composes the body if there is none. The
// fingerprint is that of the body, so that a request sent before stays the same even if
// this version would compose it differently. It returns Invalid if the body cannot be read.
func newRequest[R payment.Change](a payment.Action, key, reference, body string, asked R) (request, R, error) {
	q := request{action: a, key: key, reference: reference}
	if body == "" {
		body = string(mustMarshal(asked))
	} else {
		var said R
		if err := json.Unmarshal([]byte(body), &said); err != nil {
			return q, asked, fault.New(fault.Invalid, "body_invalid", "the request cannot be read")
		}
		asked = said
	}
	sum := sha256.Sum256([]byte(string(a) + "\n" + body))
	q.fingerprint = hex.EncodeToString(sum[:])
	return q, asked, nil
}

// repeated returns the answer that the intent has stored for the key, or a mismatch if the
// key was used for another request.
func (i *intent) repeated(q request) (answered, bool, error) {
	for _, a := range i.Requests {
		switch {
		case a.Key != q.key:
		case a.Fingerprint != q.fingerprint:
			return answered{}, true, mismatch()
		default:
			a.Intent.Metadata = i.Metadata
			if q.action == payment.Refund {
				a.Refund = i.Refunds[a.RefundAt]
			}
			return a, true, a.err()
		}
	}
	return answered{}, false, nil
}

// mismatch reports that the key was used for another request.
func mismatch() error {
	return &fault.Error{
		Kind: fault.UnknownOutcome, Code: "idempotency_mismatch", Message: "this key was used for another request",
		NoRetry: true, Blameless: true,
	}
}

// err returns the error of the first answer, which is nil unless the request was declined
// or failed.
func (a answered) err() error {
	if a.Failed {
		return unknown("server_error")
	}
	if a.Declined == nil {
		return nil
	}
	return &fault.Error{
		Kind: fault.Declined, Code: a.Declined.Code, DeclineCode: a.Declined.DeclineCode, Message: a.Declined.Message, Proven: true,
	}
}

// remember stores the answer to a request with the intent that it changed.
func (i *intent) remember(q request, declined error, m mishap) answered {
	a := answered{Key: q.key, Fingerprint: q.fingerprint, Intent: i.Intent}
	if q.action == payment.Refund {
		a.RefundAt = len(i.Refunds) - 1
		a.Refund = i.Refunds[a.RefundAt]
	}
	if declined != nil {
		a.Declined = i.Failure
	}
	kept := a
	kept.Intent.Metadata = nil
	kept.Failed = m.kept
	i.Requests = append(i.Requests, kept)
	return a
}

// check refuses requests that no provider would process.
func (q request) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Canceled, "", err)
	}
	if q.key == "" || len(q.key) > 255 {
		return fault.New(fault.Invalid, "idempotency_key_invalid", "a key has 1 to 255 characters")
	}
	return nil
}

// create creates an intent, once per key.
func (g *Gateway) create(ctx context.Context, q request, r payment.CreateRequest) (answered, error) {
	if err := q.check(ctx); err != nil {
		return answered{}, err
	}
	if a, found, err := g.created(ctx, q); found || err != nil {
		return a, err
	}
	m := g.mishap
	if m == (mishap{}) {
		m = mishapOf(r.PaymentMethod, payment.Create)
	}
	if err := g.before(ctx, q, m); err != nil {
		return answered{}, err
	}
	i, err := newIntent(g.o.IDs.New("pi_mock"), g.o.IDs.New("secret"), g.o.Clock.Now(), r)
	if err != nil {
		return answered{}, err
	}
	i.PublishableKey = "pk_mock_" + g.Name()
	var declined error
	if r.Confirm {
		if declined = i.confirm(r.PaymentMethod, r.ReturnURL, g.o.Clock.Now()); refused(declined) {
			return answered{}, declined
		}
	}
	a := i.remember(q, declined, m)
	record := g.newRecord(i, q.key)
	err = g.save(ctx, &record, i, m)
	if fault.Is(err, fault.Conflict) {
		return g.createdMeanwhile(ctx, q)
	}
	return g.after(ctx, a, m, err, declined)
}

// created looks up the intent that was created under the key.
func (g *Gateway) created(ctx context.Context, q request) (answered, bool, error) {
	record, err := g.o.Journal.Find(ctx, recordKind, ports.ByIdem, g.idem(q.key))
	switch {
	case fault.Is(err, fault.NotFound):
		return answered{}, false, nil
	case err != nil:
		return answered{}, false, err
	}
	i, err := decode(record)
	if err != nil {
		return answered{}, false, err
	}
	return i.repeated(q)
}

// createdMeanwhile handles a create whose key was taken when it was saved: an intent now
// exists under the key, so an error of reading it must not look as if nothing had been
// done.
func (g *Gateway) createdMeanwhile(ctx context.Context, q request) (answered, error) {
	a, found, err := g.created(ctx, q)
	if found {
		return a, err
	}
	return answered{}, fault.Wrap(fault.UnknownOutcome, "", err)
}

// act changes an intent, once per key. do is called again on a fresh copy if others changed
// the intent meanwhile.
func (g *Gateway) act(ctx context.Context, q request, do func(*intent) error) (answered, error) {
	if err := q.check(ctx); err != nil {
		return answered{}, err
	}
	for range saveTries {
		record, i, err := g.load(ctx, q.reference)
		if err != nil {
			return answered{}, err
		}
		if a, found, err := i.repeated(q); found {
			return a, err
		}
		if _, found, err := g.created(ctx, q); found {
			return answered{}, mismatch()
		} else if err != nil {
			return answered{}, err
		}
		m := i.mishap(q)
		if err := g.before(ctx, q, m); err != nil {
			return answered{}, err
		}
		if len(i.Requests) == maxRequests {
			return answered{}, fault.New(fault.Invalid, "too_many_requests", "this intent takes no more requests")
		}
		declined := do(i)
		if refused(declined) {
			return answered{}, declined
		}
		a := i.remember(q, declined, m)
		err = g.save(ctx, &record, i, m)
		if fault.Is(err, fault.Conflict) {
			continue
		}
		return g.after(ctx, a, m, err, declined)
	}
	return answered{}, &fault.Error{
		Kind: fault.RateLimited, Code: "lock_timeout", Message: "too many requests on one intent", RetryAfter: time.Second,
	}
}

// refused reports whether a request had no effect. A declined request is not refused,
// because it changed the intent.
func refused(err error) bool { return err != nil && !fault.Is(err, fault.Declined) }

// mishap returns the mishap of a request: for a confirm by its own payment method,
// otherwise by the method of the intent.
func (i *intent) mishap(q request) mishap {
	if q.action == payment.Confirm {
		return mishapOf(q.method, q.action)
	}
	return mishapOf(i.PaymentMethod, q.action)
}

// before returns the mishap of a request that has no effect.
func (g *Gateway) before(ctx context.Context, q request, m mishap) error {
	if m.err == nil || m.committed {
		return nil
	}
	if !m.once {
		return m.err
	}
	// A record makes it happen once per key, also across processes.
	err := g.o.Journal.Save(ctx, &ports.Record{
		Tenant: g.tenant(), Kind: "mock_fault", ID: q.key, Body: []byte("{}"),
	})[0]
	switch {
	case err == nil:
		return m.err
	case fault.Is(err, fault.Conflict):
		return nil
	}
	return err
}

// after returns the answer to a request that was saved, or its mishap.
func (g *Gateway) after(ctx context.Context, a answered, m mishap, saved, declined error) (answered, error) {
	switch {
	case saved != nil:
		return answered{}, saved
	case m.err == nil || !m.committed:
		return a, declined
	case m.hang:
		limit := time.NewTimer(hangLimit)
		defer limit.Stop()
		select {
		case <-ctx.Done():
		case <-limit.C:
		}
	}
	return answered{}, m.err
}
