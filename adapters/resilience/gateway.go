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
	*guard
	next     ports.PaymentGateway
	changing callType
}

var (
	_ ports.PaymentGateway = (*Gateway)(nil)
	_ ports.Availability   = (*Gateway)(nil)
)

// NewGateway decorates a payment provider.
func NewGateway(next ports.PaymentGateway, o Options) *Gateway {
	g := &Gateway{guard: newGuard(next.Name(), o), next: next, changing: underKey}
	if next.Capabilities().Keys.Kept == 0 {
		g.changing.retry = notDone
	}
	return g
}

// underKey is for calls that may be retried under the same key. If the provider refuses a
// retry, that says nothing about the earlier attempts: it may refuse before it checks the
// key. Only the provider's own object, in the state in which the request under the key has
// left it, shows their outcome.
var underKey = callType{
	retry:    func(k fault.Kind) bool { return k.Rule().Retry },
	resolves: func(f *fault.Error) bool { return f.Kind == fault.Declined && f.Proven },
}

// reading is for calls that change nothing: the last answer counts.
var reading = callType{retry: underKey.retry, resolves: func(*fault.Error) bool { return true }}

// Name implements ports.PaymentGateway.
func (g *Gateway) Name() string { return g.next.Name() }

// Capabilities implements ports.PaymentGateway.
func (g *Gateway) Capabilities() payment.Capabilities { return g.next.Capabilities() }

// Account implements ports.PaymentGateway.
func (g *Gateway) Account(ctx context.Context) (string, error) {
	return call(ctx, g.guard, "account", reading, func(ctx context.Context, _ struct{}) (string, error) { return g.next.Account(ctx) }, struct{}{})
}

// Compose implements ports.PaymentGateway. It makes no call, so no policy applies.
func (g *Gateway) Compose(change payment.Change) (string, error) { return g.next.Compose(change) }

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	return call(ctx, g.guard, "create", g.changing, g.next.Create, r)
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return call(ctx, g.guard, "confirm", g.changing, g.next.Confirm, r)
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return call(ctx, g.guard, "capture", g.changing, g.next.Capture, r)
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	return call(ctx, g.guard, "cancel", g.changing, g.next.Cancel, r)
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	return call(ctx, g.guard, "refund", g.changing, g.next.Refund, r)
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	return call(ctx, g.guard, "retrieve", reading, g.next.Retrieve, reference)
}

// Refunds implements ports.PaymentGateway.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	return call(ctx, g.guard, "refunds", reading, g.next.Refunds, reference)
}

// Disputes implements ports.PaymentGateway.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	return call(ctx, g.guard, "disputes", reading, g.next.Disputes, reference)
}

// List implements ports.PaymentGateway.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	return call(ctx, g.guard, "list", reading, g.next.List, r)
}
