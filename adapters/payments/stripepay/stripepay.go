// Package stripepay is an account at Stripe, by Stripe's own library for Go.
//
// Sources: docs.stripe.com/api (version 2023-10-16), and beneath it "Errors",
// "Idempotent requests" and "Low-level error handling".
package stripepay

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

var _ ports.PaymentGateway = (*Gateway)(nil)

// DefaultBaseURL is where Stripe answers.
const DefaultBaseURL = "https://api.stripe.com"

// Options are what an account needs.
type Options struct {
	Name           string // as configured
	SecretKey      string // sk_… or rk_…
	PublishableKey string // pk_…, for confirming in a browser; may be empty
	Account        string // acct_…; where it is empty, Stripe is asked for it
	// HTTP says where Stripe is, and bounds what is asked of it. Its BaseURL is
	// DefaultBaseURL where empty.
	HTTP httpclient.Options
}

// Gateway is one account at Stripe. It repeats nothing by itself: that is for
// whoever counts the tries.
type Gateway struct {
	name           string
	secretKey      string
	publishableKey string
	api            *client.API
	backend        stripe.Backend         // of the same api
	account        atomic.Pointer[string] // nil until it is known
}

// New makes a Gateway, and calls nothing.
func New(o Options) (*Gateway, error) {
	if o.Name == "" || o.SecretKey == "" {
		return nil, fault.New(fault.Invalid, "missing_setting", "an account at Stripe needs a name and a secret key")
	}
	if o.Account != "" && !accountID.MatchString(o.Account) {
		return nil, fault.New(fault.Invalid, "invalid_setting", "an account at Stripe is named by an id that begins with acct_")
	}
	if o.HTTP.BaseURL == "" {
		o.HTTP.BaseURL = DefaultBaseURL
	}
	hc, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("stripepay: %w", err)
	}
	// A configuration each: the library writes into it.
	backend := func(sort stripe.SupportedBackend) stripe.Backend {
		return stripe.GetBackendWithConfig(sort, &stripe.BackendConfig{
			URL: stripe.String(o.HTTP.BaseURL), HTTPClient: hc.HTTP(), MaxNetworkRetries: stripe.Int64(0),
			EnableTelemetry: stripe.Bool(false), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
		})
	}
	api := backend(stripe.APIBackend)
	g := &Gateway{
		name: o.Name, secretKey: o.SecretKey, publishableKey: o.PublishableKey, backend: api,
		api: client.New(o.SecretKey, &stripe.Backends{
			API: api, Connect: backend(stripe.ConnectBackend), Uploads: backend(stripe.UploadsBackend),
		}),
	}
	if o.Account != "" {
		g.account.Store(&o.Account)
	}
	return g, nil
}

// Name implements ports.PaymentGateway.
func (g *Gateway) Name() string { return g.name }

// Capabilities implements ports.PaymentGateway: Stripe can do everything.
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		ManualCapture: true, PartialCapture: true, Refunds: true, PartialRefunds: true, List: true,
	}
}

// call is one request to Stripe: its context, and what was seen of it.
type call struct {
	g        *Gateway
	op       string
	ctx      context.Context //nolint:containedctx // it ends with the call
	exchange *httpclient.Exchange

	operation string // what a create carries as payment.MetaOperation
	reference string // of the intent that it is about
}

func (g *Gateway) begin(ctx context.Context, op string) call {
	ctx, x := httpclient.Record(ctx)
	return call{g: g, op: op, ctx: ctx, exchange: x}
}

func (c call) read() stripe.Params { return stripe.Params{Context: c.ctx} }
