package stripepay

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	c := g.begin(ctx, "create")
	c.operation = r.Metadata[payment.MetaOperation]
	p, err := c.prepare(r.Key, r.Body, r)
	if err != nil {
		return payment.Intent{}, err
	}
	var made stripe.PaymentIntent
	return c.intent(&made, p.post("/v1/payment_intents", &made))
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return g.begin(ctx, "confirm").change(r.Key, r.Body, r.Reference, r)
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return g.begin(ctx, "capture").change(r.Key, r.Body, r.Reference, r)
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	return g.begin(ctx, "cancel").change(r.Key, r.Body, r.Reference, r)
}

// change executes the operation of the call on an existing intent.
func (c call) change(key, body, reference string, r payment.Change) (payment.Intent, error) {
	p, err := c.prepare(key, body, r)
	if err != nil {
		return payment.Intent{}, err
	}
	var changed stripe.PaymentIntent
	return c.ofIntent(reference)(&changed, p.post(stripe.FormatURLPath("/v1/payment_intents/%s/"+c.op, reference), &changed))
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	c := g.begin(ctx, "refund")
	p, err := c.prepare(r.Key, r.Body, r)
	if err != nil {
		return payment.ProviderRefund{}, err
	}
	var made stripe.Refund
	if err := p.post("/v1/refunds", &made); err != nil {
		return payment.ProviderRefund{}, c.failure(err)
	}
	refund, ok := refundOf(&made, r.Reference)
	if !ok || refund.Amount != r.Amount {
		return payment.ProviderRefund{}, c.invalidObject(made.ID != "")
	}
	return refund, nil
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	c := g.begin(ctx, "retrieve")
	return c.ofIntent(reference)(g.api.PaymentIntents.Get(reference, &stripe.PaymentIntentParams{Params: c.read(), Expand: expandCharge}))
}

// intent converts Stripe's response. A declined intent is returned together with its error.
func (c call) intent(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
	if err != nil {
		return c.declined(err), c.failure(err)
	}
	i, ok := c.g.intentOf(pi)
	if !ok {
		return payment.Intent{}, c.invalidObject(pi != nil && pi.ID != "")
	}
	return i, nil
}

// ofIntent is like intent for a known intent: a response about another intent proves nothing.
func (c call) ofIntent(reference string) func(*stripe.PaymentIntent, error) (payment.Intent, error) {
	c.reference = reference
	return func(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
		if err == nil && pi.ID != reference {
			return payment.Intent{}, c.unreadable()
		}
		return c.intent(pi, err)
	}
}

// Refunds implements ports.PaymentGateway. Stripe lists the newest first. The list includes
// the release of a partial capture, which nobody requested.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	c := g.begin(ctx, "refunds")
	p := &stripe.RefundListParams{PaymentIntent: stripe.String(reference)}
	p.Context, p.Limit = c.ctx, stripe.Int64(100)
	all, err := collect(c, g.api.Refunds.List(p).Iter, func(r *stripe.Refund) string { return r.ID },
		func(r *stripe.Refund) (payment.ProviderRefund, bool) { return refundOf(r, reference) })
	slices.Reverse(all)
	return all, err
}

// collect converts the objects of a list, in Stripe's order. id returns the id of an object.
// convert returns false if an object is not valid, and then the whole list proves nothing.
func collect[S, T any](c call, list *stripe.Iter, id func(*S) string, convert func(*S) (T, bool)) (all []T, err error) {
	for list.Next() {
		one := list.Current().(*S)
		converted, ok := convert(one)
		if !ok {
			return nil, c.invalidObject(one != nil && id(one) != "")
		}
		all = append(all, converted)
	}
	if err := list.Err(); err != nil {
		return nil, c.failure(err)
	}
	if list.Meta().URL == "" { // otherwise a response that is not a list would look like an empty one
		return nil, c.unreadable()
	}
	return all, nil
}

// List implements ports.PaymentGateway. Its cursor is the last intent of the previous page.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	c := g.begin(ctx, "list")
	if r.Operation != "" { // Stripe's search is too far behind to prove anything
		return payment.IntentPage{}, c.fault(fault.Unsupported, "lookup_unsupported", "Stripe does not look for an operation", nil)
	}
	p := &stripe.PaymentIntentListParams{
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: secondsOf(r.From), LesserThanOrEqual: secondsOf(r.To)},
		Expand:       stripe.StringSlice([]string{"data.latest_charge"}),
	}
	p.Context, p.Limit, p.StartingAfter, p.Single = c.ctx, stripe.Int64(int64(r.Limit)), optional(r.Cursor), true
	list := g.api.PaymentIntents.List(p)
	intents, err := collect(c, list.Iter, func(i *stripe.PaymentIntent) string { return i.ID }, g.intentOf)
	if err != nil {
		return payment.IntentPage{}, err
	}
	page := payment.IntentPage{Intents: intents}
	if n := len(page.Intents); n > 0 && list.Meta().HasMore {
		page.Next = page.Intents[n-1].Reference
	}
	if now, err := http.ParseTime(c.exchange.Header("Date")); err == nil {
		page.Now = now
	}
	return page, nil
}

// secondsOf returns a bound of a time range, or 0 for none.
func secondsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Disputes implements ports.PaymentGateway. Stripe lists the newest first.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	c := g.begin(ctx, "disputes")
	p := &stripe.DisputeListParams{PaymentIntent: stripe.String(reference)}
	p.Context, p.Limit = c.ctx, stripe.Int64(100)
	all, err := collect(c, g.api.Disputes.List(p).Iter, func(d *stripe.Dispute) string { return d.ID }, disputeOf)
	slices.Reverse(all)
	return all, err
}

// disputeOf converts a dispute. ok is false if the object is not a valid dispute.
func disputeOf(d *stripe.Dispute) (out payment.Dispute, ok bool) {
	if d == nil || d.ID == "" || d.Object != "dispute" {
		return payment.Dispute{}, false
	}
	amount := d.Amount
	if !toMinor(d.Currency, &amount) {
		return payment.Dispute{}, false
	}
	out = payment.Dispute{
		Reference: d.ID, Amount: amount, Currency: money.Currency(d.Currency), Reason: string(d.Reason),
		Status: string(d.Status), CreatedAt: timeOf(d.Created),
	}
	if e := d.EvidenceDetails; e != nil {
		out.DueBy = timeOf(e.DueBy)
	}
	moved := make([]int64, 0, len(d.BalanceTransactions))
	for _, t := range d.BalanceTransactions {
		moved = append(moved, t.Amount)
	}
	out.FundsWithdrawn = payment.Withdrawn(moved...)
	return out, true
}
