// Package stripepay is an account at Stripe. It uses Stripe's own library for Go.
//
// Sources: docs.stripe.com/api (version 2023-10-16), and its sections "Errors", "Idempotent
// requests" and "Low-level error handling".
package stripepay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
)

var _ ports.PaymentGateway = (*Gateway)(nil)

// DefaultBaseURL is the URL of Stripe's API.
const DefaultBaseURL = "https://api.stripe.com"

// Options configures an account.
type Options struct {
	Name           string // as configured
	SecretKey      string // sk_… or rk_…
	PublishableKey string // pk_…, for confirming in a browser; may be empty
	Account        string // acct_…; if empty, Stripe is asked for it
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means
	// DefaultBaseURL.
	HTTP httpclient.Options
}

// Gateway is one account at Stripe. It does not retry: the caller that counts the attempts
// does.
type Gateway struct {
	name           string
	secretKey      string
	publishableKey string
	api            *client.API
	backend        stripe.Backend         // of the same api
	account        atomic.Pointer[string] // the id, nil until it is known
	book           string                 // which book of the account the key opens
}

// New returns a Gateway. It makes no call.
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
	book, err := bookOf(o.SecretKey, o.HTTP.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("stripepay: %w", err)
	}
	// A configuration each, because the library modifies it.
	backend := func(sort stripe.SupportedBackend) stripe.Backend {
		return stripe.GetBackendWithConfig(sort, &stripe.BackendConfig{
			URL: stripe.String(o.HTTP.BaseURL), HTTPClient: hc.HTTP(), MaxNetworkRetries: stripe.Int64(0),
			EnableTelemetry: stripe.Bool(false), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
		})
	}
	api := backend(stripe.APIBackend)
	g := &Gateway{
		name: o.Name, secretKey: o.SecretKey, publishableKey: o.PublishableKey, backend: api, book: book,
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

// Capabilities implements ports.PaymentGateway. The limits are those of docs.stripe.com/api,
// "Idempotent requests" and "Metadata".
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		ManualCapture: true, PartialCapture: true, Refunds: true, PartialRefunds: true, InBrowser: true, Redirect: true,
		Keys:     payment.Keys{Kept: 24 * time.Hour, ReplaysErrors: true},
		Lookup:   payment.Lookup{List: true},
		Metadata: payment.MetadataLimits{Keys: 50, Key: 40, Value: 500},
	}
}

// call is one request to Stripe, with its context and the recorded exchange.
type call struct {
	g        *Gateway
	op       string
	ctx      context.Context //nolint:containedctx // it ends with the call
	exchange *httpclient.Exchange

	operation string // the value of payment.MetaOperation in a create
	reference string // of the intent that the call is about
}

func (g *Gateway) begin(ctx context.Context, op string) call {
	ctx, x := httpclient.Record(ctx)
	return call{g: g, op: op, ctx: ctx, exchange: x}
}

func (c call) read() stripe.Params { return stripe.Params{Context: c.ctx} }

// Provider registers the type stripe.
var Provider = provider.Payment{
	Type: setting.Type{Name: "stripe", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.PaymentGateway, error) {
		s := e.Settings.(*Settings)
		return New(Options{
			Name: e.Name, SecretKey: s.SecretKey.Reveal(), PublishableKey: s.PublishableKey, Account: s.Account, HTTP: e.HTTP(s.BaseURL),
		})
	},
	Webhooks: provider.Webhooks[provider.PaymentHook]{Format: "stripe", New: NewHook},
}

// Settings are those of an account at Stripe.
type Settings struct {
	SecretKey      setting.Secret   `config:"secret_key"`
	PublishableKey string           `config:"publishable_key"` // for confirming in a browser
	Account        string           `config:"account"`         // acct_…; if empty, the key must be allowed to read it
	WebhookSecrets []setting.Secret `config:"webhook_secrets"` // whsec_…; several during a rotation
	BaseURL        setting.BaseURL  `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	mode := keyMode(s.SecretKey.Reveal(), "sk", "rk")
	all.Require(s.SecretKey.Reveal() != "", "secret_key", "is required")
	all.Require(mode != "", "secret_key", "must be a secret key of Stripe: sk_live_…, sk_test_…, rk_live_… or rk_test_…, without blanks")
	all.Require(s.PublishableKey == "" || keyMode(s.PublishableKey, "pk") == mode, "publishable_key",
		"must be one of the same mode as secret_key: pk_"+mode+"_…", "secret_key")
	all.Require(s.Account == "" || accountID.MatchString(s.Account), "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C")
	all.Add("base_url", s.BaseURL.Check())
	return all
}

// Test implements setting.Tests. A key says the mode of its account, whatever the address.
func (s *Settings) Test() bool { return keyMode(s.SecretKey.Reveal(), "sk", "rk") == "test" }

// Local implements setting.Local.
func (s *Settings) Local() bool { return s.BaseURL.Local() }

var keyForm = regexp.MustCompile(`^(sk|rk|pk)_(live|test)_[!-~]+$`)

// keyMode returns the mode of a key, "live" or "test", or "" if it is not one of these kinds.
func keyMode(key string, kinds ...string) string {
	parts := keyForm.FindStringSubmatch(key)
	if parts == nil || !slices.Contains(kinds, parts[1]) {
		return ""
	}
	return parts[2]
}

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_secrets", s.WebhookSecrets
}

// Credential implements setting.Identifies.
func (s *Settings) Credential() string {
	return strings.Join([]string{string(s.BaseURL), s.SecretKey.Reveal(), s.Account}, "\n")
}

// bookOf returns what distinguishes the books that one account id has: the mode of the key, and
// the host if it is not Stripe's. The id is the same for live and for test keys, and a server
// that takes Stripe's place may report any id.
func bookOf(secretKey, baseURL string) (string, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return "", err
	}
	book := "live"
	if strings.HasPrefix(secretKey, "sk_test_") || strings.HasPrefix(secretKey, "rk_test_") {
		book = "test"
	}
	if host := strings.ToLower(u.Host); "https://"+host != DefaultBaseURL {
		book += " " + host
	}
	return book, nil
}

// Account implements ports.PaymentGateway. The account never changes, so it is requested
// only once.
func (g *Gateway) Account(ctx context.Context) (string, error) {
	id, err := g.accountID(ctx)
	if err != nil {
		return "", err
	}
	return id + " " + g.book, nil
}

// accountID returns Stripe's id of the account.
func (g *Gateway) accountID(ctx context.Context) (string, error) {
	if known := g.account.Load(); known != nil {
		return *known, nil
	}
	c := g.begin(ctx, "account")
	var account stripe.Account
	base := c.read()
	if err := g.backend.CallRaw(http.MethodGet, "/v1/account", g.secretKey, nil, &base, &account); err != nil {
		return "", c.failure(err)
	}
	if !accountID.MatchString(account.ID) {
		return "", c.unreadable()
	}
	g.account.Store(&account.ID)
	return account.ID, nil
}

var accountID = regexp.MustCompile(`^acct_[A-Za-z0-9]{1,64}$`)

// Amounts sent to Stripe are converted by counted, and amounts received from it by minor.
// All other amounts are in the minor units of ISO 4217.

// toStripe converts an amount to Stripe's representation. It returns Invalid if Stripe
// cannot express it.
func toStripe(amount int64, c money.Currency) (*int64, error) {
	theirs, err := money.ToStripe(amount, c)
	if err != nil {
		return nil, err
	}
	return &theirs, nil
}

// toMinor converts amounts in place from Stripe's representation. ok is false if one of them
// is not a valid amount.
func toMinor[Currency ~string](c Currency, amounts ...*int64) (ok bool) {
	for _, amount := range amounts {
		if *amount, ok = money.FromStripe(*amount, money.Currency(c)); !ok {
			return false
		}
	}
	return true
}
