package stripepay

import (
	"context"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/payment"
)

// charge is asked for with every intent: it tells what was given back.
var charge = stripe.StringSlice([]string{"latest_charge"})

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	c := g.begin(ctx, "create")
	c.operation = r.Metadata[payment.MetaOperation]
	base, err := c.write(r.Key)
	if err != nil {
		return payment.Intent{}, err
	}
	p := &stripe.PaymentIntentParams{
		Params: base, Amount: stripe.Int64(r.Amount), Currency: stripe.String(string(r.Currency)),
		Customer: optional(r.Customer), PaymentMethod: optional(r.PaymentMethod), Description: optional(r.Description),
		CaptureMethod: optional(string(r.CaptureMethod)), Metadata: r.Metadata, Expand: charge,
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{Enabled: stripe.Bool(true)},
	}
	if r.Confirm {
		p.Confirm, p.ReturnURL = stripe.Bool(true), optional(r.ReturnURL)
	}
	// Without an address to return to, Stripe refuses to confirm what might send
	// the buyer away: since 2023-08-16 that must be ruled out by the request.
	if r.ReturnURL == "" {
		p.AutomaticPaymentMethods.AllowRedirects = stripe.String("never")
	}
	return c.intent(g.api.PaymentIntents.New(p))
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	c := g.begin(ctx, "confirm")
	base, err := c.write(r.Key)
	if err != nil {
		return payment.Intent{}, err
	}
	return c.about(r.Reference)(g.api.PaymentIntents.Confirm(r.Reference, &stripe.PaymentIntentConfirmParams{
		Params: base, PaymentMethod: optional(r.PaymentMethod), ReturnURL: optional(r.ReturnURL), Expand: charge,
	}))
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	c := g.begin(ctx, "capture")
	base, err := c.write(r.Key)
	if err != nil {
		return payment.Intent{}, err
	}
	p := &stripe.PaymentIntentCaptureParams{Params: base, Expand: charge}
	if r.Amount != 0 {
		p.AmountToCapture = stripe.Int64(r.Amount)
	}
	return c.about(r.Reference)(g.api.PaymentIntents.Capture(r.Reference, p))
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	c := g.begin(ctx, "cancel")
	base, err := c.write(r.Key)
	if err != nil {
		return payment.Intent{}, err
	}
	return c.about(r.Reference)(g.api.PaymentIntents.Cancel(r.Reference, &stripe.PaymentIntentCancelParams{Params: base, Expand: charge}))
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	c := g.begin(ctx, "refund")
	base, err := c.write(r.Key)
	if err != nil {
		return payment.ProviderRefund{}, err
	}
	made, err := g.api.Refunds.New(&stripe.RefundParams{
		Params: base, PaymentIntent: stripe.String(r.Reference), Amount: stripe.Int64(r.Amount), Metadata: r.Metadata,
	})
	if err != nil {
		return payment.ProviderRefund{}, c.failure(err)
	}
	refund, ok := refundOf(made)
	if !ok || refund.Intent != r.Reference || refund.Amount != r.Amount {
		return payment.ProviderRefund{}, c.unreadable()
	}
	return refund, nil
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	c := g.begin(ctx, "retrieve")
	return c.about(reference)(g.api.PaymentIntents.Get(reference, &stripe.PaymentIntentParams{Params: c.read(), Expand: charge}))
}

// intent reads what Stripe answered. A declined intent comes with its error.
func (c call) intent(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
	if err != nil {
		return c.declined(err), c.failure(err)
	}
	i, ok := c.g.intentOf(pi)
	if !ok {
		return payment.Intent{}, c.unreadable()
	}
	return i, nil
}

// about does the same for an intent that is known: an answer about another one
// proves nothing.
func (c call) about(reference string) func(*stripe.PaymentIntent, error) (payment.Intent, error) {
	c.reference = reference
	return func(pi *stripe.PaymentIntent, err error) (payment.Intent, error) {
		if err == nil && pi.ID != reference {
			return payment.Intent{}, c.unreadable()
		}
		return c.intent(pi, err)
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
