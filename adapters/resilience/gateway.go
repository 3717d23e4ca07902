package resilience

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Gateway is a payment provider within a policy. A retry has the same idempotency key, so a
// call whose outcome is unknown may be retried at the same provider, if that remembers keys.
type Gateway struct {
	next     ports.PaymentGateway
	guard    *guard
	changing sort
}

var (
	_ ports.PaymentGateway = (*Gateway)(nil)
	_ ports.Availability   = (*Gateway)(nil)
)

// NewGateway decorates a payment provider.
func NewGateway(next ports.PaymentGateway, o Options) *Gateway {
	g := &Gateway{next: next, guard: newGuard(next.Name(), o), changing: underKey}
	if next.Capabilities().Keys.Kept == 0 {
		g.changing.again = func(k fault.Kind) bool { return k.Rule().Retry && k != fault.UnknownOutcome }
	}
	return g
}

// underKey is for calls that may be retried under the same key. If the provider refuses a
// retry, that says nothing about the earlier attempts: it may refuse before it checks the
// key. Only the provider's own object, in the state in which the request under the key has
// left it, settles them.
var underKey = sort{
	again:   func(k fault.Kind) bool { return k.Rule().Retry },
	settles: func(f *fault.Error) bool { return f.Kind == fault.Declined && f.Proven },
}

// looking is for calls that change nothing: the last answer counts.
var looking = sort{again: underKey.again, settles: func(*fault.Error) bool { return true }}

func ask[T any](ctx context.Context, g *Gateway, op string, of sort, call func(ctx context.Context) (T, error)) (T, error) {
	var out T
	err := g.guard.do(ctx, op, of, func(ctx context.Context) (err error) {
		out, err = call(ctx)
		return err
	})
	return out, err
}

// Name implements ports.PaymentGateway.
func (g *Gateway) Name() string { return g.next.Name() }

// Capabilities implements ports.PaymentGateway.
func (g *Gateway) Capabilities() payment.Capabilities { return g.next.Capabilities() }

// Available implements ports.Availability.
func (g *Gateway) Available() error { return g.guard.available() }

// Underway returns the number of calls in progress.
func (g *Gateway) Underway() int { return int(g.guard.underway.Load()) }

// Account implements ports.PaymentGateway.
func (g *Gateway) Account(ctx context.Context) (string, error) {
	return ask(ctx, g, "account", looking, g.next.Account)
}

// Compose implements ports.PaymentGateway. It makes no call, so no policy applies.
func (g *Gateway) Compose(change payment.Change) (string, error) { return g.next.Compose(change) }

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	return ask(ctx, g, "create", g.changing, func(ctx context.Context) (payment.Intent, error) { return g.next.Create(ctx, r) })
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return ask(ctx, g, "confirm", g.changing, func(ctx context.Context) (payment.Intent, error) { return g.next.Confirm(ctx, r) })
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return ask(ctx, g, "capture", g.changing, func(ctx context.Context) (payment.Intent, error) { return g.next.Capture(ctx, r) })
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	return ask(ctx, g, "cancel", g.changing, func(ctx context.Context) (payment.Intent, error) { return g.next.Cancel(ctx, r) })
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	return ask(ctx, g, "refund", g.changing, func(ctx context.Context) (payment.ProviderRefund, error) { return g.next.Refund(ctx, r) })
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	return ask(ctx, g, "retrieve", looking, func(ctx context.Context) (payment.Intent, error) { return g.next.Retrieve(ctx, reference) })
}

// Refunds implements ports.PaymentGateway.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	return ask(ctx, g, "refunds", looking, func(ctx context.Context) ([]payment.ProviderRefund, error) { return g.next.Refunds(ctx, reference) })
}

// Disputes implements ports.PaymentGateway.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	return ask(ctx, g, "disputes", looking, func(ctx context.Context) ([]payment.Dispute, error) { return g.next.Disputes(ctx, reference) })
}

// List implements ports.PaymentGateway.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	return ask(ctx, g, "list", looking, func(ctx context.Context) (payment.IntentPage, error) { return g.next.List(ctx, r) })
}
