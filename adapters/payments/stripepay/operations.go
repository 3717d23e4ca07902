package stripepay

import (
	"context"

	"github.com/stripe/stripe-go/v76"

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
	return c.about(reference)(&changed, p.post(stripe.FormatURLPath("/v1/payment_intents/%s/"+c.op, reference), &changed))
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
		return payment.ProviderRefund{}, c.odd(made.ID != "")
	}
	return refund, nil
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	c := g.begin(ctx, "retrieve")
	return c.about(reference)(g.api.PaymentIntents.Get(reference, &stripe.PaymentIntentParams{Params: c.read(), Expand: charge}))
}

// intent converts Stripe's response. A declined intent is returned together with its error.
func (c call) intent(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
	if err != nil {
		return c.declined(err), c.failure(err)
	}
	i, ok := c.g.intentOf(pi)
	if !ok {
		return payment.Intent{}, c.odd(pi != nil && pi.ID != "")
	}
	return i, nil
}

// about is like intent for a known intent: a response about another intent proves nothing.
func (c call) about(reference string) func(*stripe.PaymentIntent, error) (payment.Intent, error) {
	c.reference = reference
	return func(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
		if err == nil && pi.ID != reference {
			return payment.Intent{}, c.unreadable()
		}
		return c.intent(pi, err)
	}
}
