// Package mockpay is a payment provider for testing: the adapter for Stripe over a simulator of it
// within the process. It answers as Stripe does, stores everything durably, sends signed webhooks,
// and simulates faults on request. No money moves.
//
// The simulator's book lies in the gateway's journal: one record for each payment intent, which
// holds the charge, the responses saved under idempotency keys and the events to be delivered. A
// request is one compare-and-swap of that record, so that gateways that share a store share the
// book.
//
// Keys: a create's key is known to the whole account, any other key to the intent that it was
// used on.
package mockpay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
)

var _ ports.PaymentGateway = (*Gateway)(nil)

// refundTakes is how long a refund takes that is not completed at once.
const refundTakes = 5 * time.Second

// Options configures a mock account. All fields are required except Fault, Approval and those for
// webhooks.
type Options struct {
	Name    string
	Journal ports.Journal
	Clock   ports.Clock
	IDs     ports.IDs
	Log     *slog.Logger
	// Fault, if set, applies to every create: the name of a fault of the simulator, such as
	// "refused" or "500_committed".
	Fault string
	// Approval returns the address of the page on which a buyer approves a payment, or "" until it
	// is known.
	Approval func(provider, reference string) string
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
	*stripepay.Gateway
	o    Options
	sim  *stripesim.Sim
	book book
}

// New opens an account. Its book is stored in the journal.
func New(o Options) (*Gateway, error) {
	if o.Fault != "" && !slices.Contains(stripesim.Faults(), o.Fault) {
		return nil, fmt.Errorf("mockpay: unknown fault %q", o.Fault)
	}
	if o.Endpoint != nil && o.WebhookSecret == "" {
		return nil, errors.New("mockpay: webhooks need a secret")
	}
	if o.HTTPClient == nil {
		keeping := http.DefaultTransport.(*http.Transport).Clone()
		keeping.MaxIdleConnsPerHost = keeping.MaxIdleConns
		o.HTTPClient = &http.Client{Transport: keeping}
	}
	g := &Gateway{o: o, book: book{provider: o.Name, journal: o.Journal, sendsWebhooks: o.Endpoint != nil, wake: o.Wake}}
	options := stripesim.Options{
		Now: o.Clock.Now, Book: g.book, RefundTakes: refundTakes, Fault: o.Fault,
		NewID: func(prefix string) string { return o.IDs.New(prefixed(prefix)) },
	}
	if o.Approval != nil {
		options.Approval = func(reference string) string { return o.Approval(o.Name, reference) }
	}
	g.sim = stripesim.New(options)
	var err error
	g.Gateway, err = stripepay.New(stripepay.Options{
		Name: o.Name, SecretKey: g.sim.Key(), PublishableKey: "pk_mock_" + o.Name,
		HTTP: httpclient.Options{BaseURL: "http://mock.invalid", Wire: stripesim.Transport{Sim: g.sim}, Timeout: -1},
	})
	return g, err
}

// prefixed marks the ids of objects that callers see.
func prefixed(prefix string) string {
	if prefix == "secret" {
		return prefix
	}
	return prefix + "_mock"
}

// Account implements ports.PaymentGateway. There is one account per name.
func (g *Gateway) Account(context.Context) (string, error) { return "mock:" + g.Name(), nil }

// Create implements ports.PaymentGateway.
func (g *Gateway) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	return send(ctx, g, payment.Create, g.Gateway.Create, &r, &r.Key, &r.Body)
}

// Confirm implements ports.PaymentGateway.
func (g *Gateway) Confirm(ctx context.Context, r payment.ConfirmRequest) (payment.Intent, error) {
	return send(ctx, g, payment.Confirm, g.Gateway.Confirm, &r, &r.Key, &r.Body)
}

// Capture implements ports.PaymentGateway.
func (g *Gateway) Capture(ctx context.Context, r payment.CaptureRequest) (payment.Intent, error) {
	return send(ctx, g, payment.Capture, g.Gateway.Capture, &r, &r.Key, &r.Body)
}

// Cancel implements ports.PaymentGateway.
func (g *Gateway) Cancel(ctx context.Context, r payment.CancelRequest) (payment.Intent, error) {
	return send(ctx, g, payment.Cancel, g.Gateway.Cancel, &r, &r.Key, &r.Body)
}

// Refund implements ports.PaymentGateway.
func (g *Gateway) Refund(ctx context.Context, r payment.RefundRequest) (payment.ProviderRefund, error) {
	return send(ctx, g, payment.Refund, g.Gateway.Refund, &r, &r.Key, &r.Body)
}

// Book returns the provider's own record of its charges, newest first, up to limit after
// the cursor. It returns Invalid for a cursor that Book did not return.
func (g *Gateway) Book(ctx context.Context, cursor string, limit int) (payment.BookPage, error) {
	page := payment.BookPage{Entries: []payment.BookEntry{}}
	records, next, err := g.book.page(ctx, cursor, "", limit)
	if err != nil {
		return page, g.identified("book", err)
	}
	page.Next = next
	for _, r := range records {
		page.Entries = append(page.Entries, g.entry(r))
	}
	return page, nil
}

// entry returns a record as an entry of the book, in minor units of ISO 4217.
func (g *Gateway) entry(r *stripesim.Record) payment.BookEntry {
	r.Elapse(g.o.Clock.Now())
	e := r.Entry()
	e.Provider = g.Name()
	for _, amount := range []*int64{&e.Amount, &e.Captured, &e.Refunded} {
		if minor, ok := money.FromStripe(*amount, e.Currency); ok {
			*amount = minor
		}
	}
	return e
}

// Awaiting returns a payment as it stands in the book, with the address to which the buyer returns.
// NotFound.
func (g *Gateway) Awaiting(ctx context.Context, reference string) (e payment.BookEntry, returnURL string, err error) {
	r, err := g.book.Get(ctx, reference)
	if err != nil {
		return e, "", g.identified("awaiting", err)
	}
	return g.entry(r), r.Intent.State.ReturnURL, nil
}

// Approve ends the buyer's approval of a payment: the buyer has approved it, or has not. NotFound;
// Conflict: the payment does not wait for it.
func (g *Gateway) Approve(ctx context.Context, reference string, approved bool) error {
	return g.identified("approve", g.sim.Approve(ctx, reference, approved))
}

// identified sets the operation and the provider in an error.
func (g *Gateway) identified(op string, err error) error {
	if err == nil {
		return nil
	}
	e := *fault.From(err)
	e.Op, e.Provider = "mockpay."+op, g.Name()
	return &e
}

// Provider registers the type mock. Its webhooks have Stripe's format.
var Provider = provider.Payment{
	Type: setting.Type{Name: "mock", Simulated: true, Settings: func() any { return &Settings{} }},
	New: func(e provider.Environment) (ports.PaymentGateway, error) {
		return New(Options{
			Name: e.Name, Journal: e.Journal, Clock: e.Clock, IDs: e.IDs, Log: e.Log, Fault: e.Settings.(*Settings).Fault,
			Approval: e.Approval, Endpoint: e.Endpoint, WebhookSecret: e.Secrets[0].Reveal(), Wake: e.Wake,
		})
	},
	Webhooks: provider.Webhooks[provider.PaymentHook]{Format: "stripe"},
}

// Settings are those of a mock account.
type Settings struct {
	// Fault makes every new payment fail, to test what follows: see docs/configuration.md.
	Fault string `config:"fault"`
	// WebhookSecrets verify the mock's webhooks; it signs with the first. Without any, a
	// random one of this installation is used.
	WebhookSecrets []setting.Secret `config:"webhook_secrets"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.Fault == "" || slices.Contains(stripesim.Faults(), s.Fault), "fault", "is not one of "+strings.Join(stripesim.Faults(), ", "))
	return all
}

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_secrets", s.WebhookSecrets
}
