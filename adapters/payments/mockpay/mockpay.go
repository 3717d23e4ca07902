// Package mockpay is a payment provider for testing: it answers as Stripe does, stores
// everything durably, sends signed webhooks, and simulates faults on request. No money
// moves.
//
// The behaviour of the payment methods is defined in tokens.go: Stripe's test cards, and
// tokens "pm_mock_…" for faults. A fault after the commit leaves the effect in place, so
// that a retry under the same key returns its result. The faults refused, 429, 401 and 403
// have no effect, however often they occur; timeout_before has no effect the first time a
// key is used, and a retry succeeds. pm_mock_hang commits and then does not answer until
// the caller's context ends (at most hangLimit).
//
// The body of a request is JSON that includes its key, and a repeat must have the same
// body.
//
// Keys: a create's key is known to the whole account, any other key to the intent that it
// was used on. A request that is refused without effect (Invalid, Conflict) does not use up
// its key, as at Stripe.
package mockpay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

var _ ports.PaymentGateway = (*Gateway)(nil)

// hangLimit bounds pm_mock_hang for callers without a deadline.
const hangLimit = time.Minute

// Options configures a mock account. All fields are required except Fault and those for
// webhooks.
type Options struct {
	Name    string
	Journal ports.Journal
	Clock   ports.Clock
	IDs     ports.IDs
	Log     *slog.Logger
	// Fault, if set, applies to every create: a name from the table in tokens.go, such as
	// "refused" or "500_committed".
	Fault string
	// Endpoint returns the URL for webhooks, or "" until it is known. If Endpoint is nil,
	// no webhooks are sent.
	Endpoint func() string
	// WebhookSecret signs them: whsec_… Required with Endpoint.
	WebhookSecret string
	// Wake, if set, is called when there are webhooks to deliver.
	Wake func()
	// HTTPClient sends the webhooks. If nil, a client is created that keeps as many
	// connections as there are concurrent webhooks.
	HTTPClient *http.Client
}

// Gateway is one account at the mock provider.
type Gateway struct {
	o      Options
	mishap mishap // applies to every create
}

// New opens an account. Its book is stored in the journal.
func New(o Options) (*Gateway, error) {
	g := &Gateway{o: o}
	if o.Fault != "" {
		m, ok := mishaps[o.Fault]
		if !ok {
			return nil, fmt.Errorf("mockpay: unknown fault %q", o.Fault)
		}
		g.mishap = m
	}
	if o.Endpoint != nil && o.WebhookSecret == "" {
		return nil, errors.New("mockpay: webhooks need a secret")
	}
	if g.o.HTTPClient == nil {
		keeping := http.DefaultTransport.(*http.Transport).Clone()
		keeping.MaxIdleConnsPerHost = keeping.MaxIdleConns
		g.o.HTTPClient = &http.Client{Transport: keeping}
	}
	return g, nil
}

// Name implements ports.PaymentGateway.
func (g *Gateway) Name() string { return g.o.Name }

// Capabilities implements ports.PaymentGateway. A key is kept as long as its intent.
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		ManualCapture: true, PartialCapture: true, Refunds: true, PartialRefunds: true, InBrowser: true, Redirect: true,
		Keys:     payment.Keys{Kept: 24 * time.Hour, ReplaysErrors: true},
		Lookup:   payment.Lookup{List: true},
		Metadata: payment.MetadataLimits{Keys: 50, Key: 40, Value: 500},
	}
}

// Account implements ports.PaymentGateway. There is one account per name.
func (g *Gateway) Account(context.Context) (string, error) { return "mock:" + g.Name(), nil }

// Compose implements ports.PaymentGateway.
func (g *Gateway) Compose(change payment.Change) (string, error) {
	return string(mustMarshal(change)), nil
}

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	q, r, err := newRequest(payment.Create, r.Key, "", r.Body, r)
	if err != nil {
		return payment.Intent{}, g.named(q, err)
	}
	a, err := g.create(ctx, q, r)
	return a.Intent, g.named(q, err)
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	q, r, err := newRequest(payment.Confirm, r.Key, r.Reference, r.Body, r)
	if err != nil {
		return payment.Intent{}, g.named(q, err)
	}
	q.method = r.PaymentMethod
	a, err := g.act(ctx, q, func(i *intent) error { return i.confirm(r.PaymentMethod, r.ReturnURL, g.o.Clock.Now()) })
	return a.Intent, g.named(q, err)
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	q, r, err := newRequest(payment.Capture, r.Key, r.Reference, r.Body, r)
	if err != nil {
		return payment.Intent{}, g.named(q, err)
	}
	a, err := g.act(ctx, q, func(i *intent) error { return i.capture(r.Amount, g.o.Clock.Now()) })
	return a.Intent, g.named(q, err)
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	q, _, err := newRequest(payment.Cancel, r.Key, r.Reference, r.Body, r)
	if err != nil {
		return payment.Intent{}, g.named(q, err)
	}
	a, err := g.act(ctx, q, func(i *intent) error { return i.cancel(g.o.Clock.Now()) })
	return a.Intent, g.named(q, err)
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	q, r, err := newRequest(payment.Refund, r.Key, r.Reference, r.Body, r)
	if err != nil {
		return payment.ProviderRefund{}, g.named(q, err)
	}
	a, err := g.act(ctx, q, func(i *intent) error {
		return i.refund(g.o.IDs.New("re_mock"), g.o.Clock.Now(), r)
	})
	return a.Refund, g.named(q, err)
}

// Retrieve implements ports.PaymentGateway.
func (g *Gateway) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	q := request{action: "retrieve"}
	_, i, err := g.load(ctx, reference)
	if err != nil {
		return payment.Intent{}, g.named(q, err)
	}
	return i.Intent, nil
}

// Refunds implements ports.PaymentGateway.
func (g *Gateway) Refunds(ctx context.Context, reference string) ([]payment.ProviderRefund, error) {
	q := request{action: "refunds"}
	_, i, err := g.load(ctx, reference)
	if err != nil {
		return nil, g.named(q, err)
	}
	if i.Released != nil { // a release precedes all refunds
		return append([]payment.ProviderRefund{*i.Released}, i.Refunds...), nil
	}
	return i.Refunds, nil
}

// Disputes implements ports.PaymentGateway.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	q := request{action: "disputes"}
	_, i, err := g.load(ctx, reference)
	if err != nil {
		return nil, g.named(q, err)
	}
	return i.Disputes, nil
}

// List implements ports.PaymentGateway.
func (g *Gateway) List(ctx context.Context, r payment.ListRequest) (payment.IntentPage, error) {
	if r.Operation != "" {
		return payment.IntentPage{}, g.named(request{action: "list"}, fault.New(fault.Unsupported, "lookup_unsupported", "the mock does not look for an operation"))
	}
	page, err := g.list(ctx, r)
	return page, g.named(request{action: "list"}, err)
}

// named sets the operation and the provider in an error.
func (g *Gateway) named(q request, err error) error {
	if err == nil {
		return nil
	}
	e := *fault.From(err)
	e.Op, e.Provider = "mockpay."+string(q.action), g.Name()
	return &e
}
