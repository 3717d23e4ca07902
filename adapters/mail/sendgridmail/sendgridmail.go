// Package sendgridmail is an account at SendGrid, by SendGrid's own library for
// Go.
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
	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// DefaultBaseURL is where SendGrid answers, outside of the EU.
const DefaultBaseURL = "https://api.sendgrid.com"

// Options are what an account needs.
type Options struct {
	Name   string // as configured
	APIKey string // SG.…
	// HTTP says where SendGrid is, and bounds what is asked of it. Its BaseURL is
	// DefaultBaseURL where empty.
	HTTP httpclient.Options
}

// Mailer is one account at SendGrid. It repeats nothing: SendGrid knows no keys.
type Mailer struct {
	name, key, base string
	http            *rest.Client
}

// New makes a Mailer, and calls nothing.
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

// Features implements ports.Mailer. SendGrid takes ten categories, and 10,000
// bytes of arguments, quotes and our id included.
func (s *Mailer) Features() message.Features {
	return message.Features{
		Attachments: true, Inline: true, Headers: true, Tags: 10, Metadata: true, MultiReply: true, MaxMetadata: 9_000,
	}
}

// Send implements ports.Mailer.
func (s *Mailer) Send(ctx context.Context, m message.Message) (message.Receipt, error) {
	if err := s.Features().Carry(m); err != nil {
		return message.Receipt{}, err
	}
	letter, err := letterOf(m)
	if err != nil {
		return message.Receipt{}, err
	}
	// A client of the library's own is shared by all, and has no time-out.
	req := sendgrid.GetRequest(s.key, "/v3/mail/send", s.base)
	req.Method, req.Body = rest.Post, mail.GetRequestBody(letter)
	ctx, x := httpclient.Record(ctx)
	_, err = s.http.SendWithContext(ctx, req)
	if f := s.failure(m, x, err); f != nil {
		return message.Receipt{}, f
	}
	return message.Receipt{Reference: x.Header("X-Message-Id")}, nil
}
