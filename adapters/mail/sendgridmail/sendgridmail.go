// Package sendgridmail is an account at SendGrid. It uses SendGrid's own library for Go.
//
// Source: the mail send API, version 3, and its limits.
package sendgridmail

import (
	"context"
	"fmt"
	"strings"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"patchbay/adapters/httpclient"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// DefaultBaseURL is the URL of SendGrid's API outside the EU.
const DefaultBaseURL = "https://api.sendgrid.com"

// Options configures an account.
type Options struct {
	Name   string // as configured
	APIKey string // SG.…
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means
	// DefaultBaseURL.
	HTTP httpclient.Options
}

// Mailer is one account at SendGrid. It does not retry, because SendGrid has no idempotency
// keys.
type Mailer struct {
	name, key, base string
	http            *rest.Client
}

// New returns a Mailer. It makes no call.
func New(o Options) (*Mailer, error) {
	if o.Name == "" || o.APIKey == "" {
		return nil, fault.New(fault.Invalid, "missing_setting", "an account at SendGrid needs a name and an API key")
	}
	if o.HTTP.BaseURL == "" {
		o.HTTP.BaseURL = DefaultBaseURL
	}
	client, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("sendgridmail: %w", err)
	}
	return &Mailer{
		name: o.Name, key: o.APIKey, base: strings.TrimSuffix(o.HTTP.BaseURL, "/"), http: &rest.Client{HTTPClient: client.HTTP()},
	}, nil
}

// Name implements ports.Mailer.
func (s *Mailer) Name() string { return s.name }

// Features implements ports.Mailer. SendGrid accepts ten categories, and 10,000 bytes of
// arguments, including quotes and our id.
func (s *Mailer) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: 10, Metadata: true, MultiReply: true, MaxMetadata: 9_000,
	}
}

// Send implements ports.Mailer.
func (s *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := s.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	letter, err := letterOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	// The library's own client is shared, and has no timeout.
	req := sendgrid.GetRequest(s.key, "/v3/mail/send", s.base)
	req.Method, req.Body = rest.Post, mail.GetRequestBody(letter)
	ctx, x := httpclient.Record(ctx)
	_, err = s.http.SendWithContext(ctx, req)
	if f := s.failure(m, x, err); f != nil {
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: x.Header("X-Message-Id")}, nil
}
