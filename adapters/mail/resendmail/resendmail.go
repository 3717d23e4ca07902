// Package resendmail is an account at Resend, by its API over HTTP.
//
// Resend's own library for Go, resend-go, is not used: of a refusal it returns only the message, without
// the error's name and the status; it takes one address for replies and no empty text; and it writes an
// attachment as a list of numbers, about four bytes for each.
//
// Source: https://resend.com/docs/api-reference/emails/send-email, and for the idempotency key
// https://resend.com/docs/dashboard/emails/idempotency-keys
package resendmail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/labels"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// DefaultBaseURL is the URL of Resend's API.
const DefaultBaseURL = "https://api.resend.com"

// KeyMemory is for how long Resend remembers an idempotency key.
const KeyMemory = 24 * time.Hour

// Options configures an account.
type Options struct {
	Name   string // as configured
	APIKey string // re_…
	// Account tells the account from any other: see email.Features.Account. Resend does not say which one a
	// key belongs to.
	Account string
	// Tracking is what the account tracks: Resend has it as a setting of each domain, not of a message.
	Tracking []email.Tracking
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means DefaultBaseURL.
	HTTP httpclient.Options
}

// Mailer is one account at Resend. The id of an attempt is the idempotency key of its call.
type Mailer struct {
	name, key, base, account string
	tracking                 []email.Tracking
	http                     *http.Client
}

// New returns a Mailer. It makes no call.
func New(o Options) (*Mailer, error) {
	if o.Name == "" || o.APIKey == "" {
		return nil, fault.New(fault.Invalid, "missing_setting", "an account at Resend needs a name and an API key")
	}
	if o.HTTP.BaseURL == "" {
		o.HTTP.BaseURL = DefaultBaseURL
	}
	client, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("resendmail: %w", err)
	}
	return &Mailer{
		name: o.Name, key: o.APIKey, account: o.Account, tracking: o.Tracking, http: client.HTTP(), base: strings.TrimSuffix(o.HTTP.BaseURL, "/"),
	}, nil
}

// Name implements ports.Mailer.
func (r *Mailer) Name() string { return r.name }

// Features implements ports.Mailer. Resend accepts 50 recipients, and 40 MB of encoded message, which
// is more than a message may have.
func (r *Mailer) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: email.MaxTags, Metadata: true, MultiReply: true,
		MaxRecipients: 50, KeyMemory: KeyMemory, Account: r.account, Labels: labels.Fit, Tracking: r.tracking,
	}
}

// Send implements ports.Mailer. The same message in the same attempt makes the same request, byte for
// byte: Resend refuses a key that it knows with another request.
func (r *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := r.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	body, err := requestOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	ctx, x := httpclient.Record(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/emails", bytes.NewReader(body))
	if err != nil {
		return email.Receipt{}, r.annotate(fault.Wrap(fault.Invalid, "", httpclient.Redact(err)))
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	req.Header.Set("Content-Type", "application/json")
	if last := m.LastAttempt(); last.Outcome == email.Attempting {
		req.Header.Set("Idempotency-Key", last.ID)
	}
	var answer []byte
	resp, err := r.http.Do(req)
	if err == nil {
		answer, err = io.ReadAll(resp.Body) // to its end, so that the connection can be used again
		_ = resp.Body.Close()
	}
	id := acceptedID(answer)
	if f := r.failure(m, x, id, err); f != nil {
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: id}, nil
}

// Provider registers the type resend.
var Provider = provider.Mail{
	Type: setting.Type{Name: "resend", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		tracking, _ := email.AccountTracking(s.Tracking) // Check has validated it
		return New(Options{Name: e.Name, APIKey: s.APIKey.Reveal(), Account: e.Account, Tracking: tracking, HTTP: e.HTTP(s.BaseURL)})
	},
	Webhooks: provider.Webhooks[provider.MailHook]{Format: "resend", New: NewHook},
}

// Settings are those of an account at Resend.
type Settings struct {
	APIKey         setting.Secret   `config:"api_key"`
	WebhookSecrets []setting.Secret `config:"webhook_secrets"` // whsec_…; several during a rotation
	Tracking       string           `config:"tracking"`        // what the account's domains do; see email.AccountTracking
	BaseURL        setting.BaseURL  `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.APIKey.Reveal() != "", "api_key", "is required")
	for i, secret := range s.WebhookSecrets {
		_, err := parseSecret(secret.Reveal())
		all.Require(err == nil, fmt.Sprintf("webhook_secrets[%d]", i), "must be the signing secret that Resend shows: whsec_ and base64")
	}
	if _, err := email.AccountTracking(s.Tracking); err != nil {
		all.Add("tracking", "must be on or off, as the account's domains do")
	}
	all.Add("base_url", s.BaseURL.Check())
	return all
}

// Test implements setting.Tests.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Credential implements setting.Identifies.
func (s *Settings) Credential() string {
	return strings.TrimSuffix(string(s.BaseURL), "/") + "\n" + s.APIKey.Reveal()
}

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_secrets", s.WebhookSecrets
}
