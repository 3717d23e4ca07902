// Package mailgunmail is a domain at Mailgun. It uses Mailgun's own library for Go.
//
// A message is sent as MIME (POST /v3/{domain}/messages.mime), so that the recipient gets
// the same message as from every other provider, including its Message-ID, its Date, the
// types of its files and the ids of its pictures. Mailgun's form has no fields for most of
// these. The form (POST /v3/{domain}/messages) is used for what MIME cannot do: the copies of a
// batch in one call, and a template that the domain stores.
//
// Source: Mailgun's reference, "Messages", and its manual, "Batch Sending" and "Templates".
package mailgunmail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// DefaultBaseURL is the URL of Mailgun's API outside the EU.
const DefaultBaseURL = "https://api.mailgun.net"

// Options configures a domain.
type Options struct {
	Name   string // as configured
	Domain string // mg.example.com
	APIKey string
	// Templates has the names of the templates that the domain stores, by the names that messages give
	// them.
	Templates map[string]string
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means
	// DefaultBaseURL.
	HTTP httpclient.Options
}

// Mailer is one domain at Mailgun. It does not retry, because Mailgun has no idempotency
// keys.
type Mailer struct {
	name, domain, key, base string
	templates               map[string]string
	http                    *http.Client
}

// New returns a Mailer. It makes no call.
func New(o Options) (*Mailer, error) {
	if o.Name == "" || o.Domain == "" || o.APIKey == "" {
		return nil, fault.New(fault.Invalid, "missing_setting", "a domain at Mailgun needs a name, the domain and an API key")
	}
	if strings.ContainsFunc(o.Domain, notInDomain) {
		return nil, fault.New(fault.Invalid, "invalid_domain", "the domain must be one, such as mg.example.com")
	}
	if o.HTTP.BaseURL == "" {
		o.HTTP.BaseURL = DefaultBaseURL
	}
	client, err := httpclient.New(o.HTTP)
	if err != nil {
		return nil, fmt.Errorf("mailgunmail: %w", err)
	}
	return &Mailer{
		name: o.Name, domain: o.Domain, key: o.APIKey, templates: o.Templates, http: client.HTTP(),
		base: strings.TrimSuffix(strings.TrimSuffix(o.HTTP.BaseURL, "/"), "/v3"), // some configurations include the version
	}, nil
}

// notInDomain reports characters that no domain contains. The library would refuse each
// message.
func notInDomain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// Name implements ports.Mailer.
func (g *Mailer) Name() string { return g.name }

// Features implements ports.Mailer. Mailgun accepts three tags, 16 kB of tags and
// variables, and 25 MB of encoded message: files grow by more than a third, and a body that
// is not ASCII up to three times.
//
// A batch has at most 1,000 recipients. They may have contents of their own, but no data of their
// own for a stored template: its variables are the same for all, and recipient variables carry no
// nested values.
func (g *Mailer) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: 3, Metadata: true, MultiReply: true, OnlyBcc: true,
		MaxMetadata: 15_000, MaxAttachments: 15 << 20, MIME: true, MaxMIME: 25_000_000, Tracking: email.EachTracking(),
		Templates:        func(template string) bool { return g.templates[template] != "" },
		Personalizations: maxRecipients, MergesContent: true,
	}
}

// Send implements ports.Mailer. Invalid with the code not_mergeable means that Mailgun would not send
// the copies of a batch together as they are; alone each of them can be sent. If an earlier attempt may
// have sent them, they must stay together, and the error is Unsupported: another provider may send them.
func (g *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := g.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	if err := m.CheckLines(); err != nil {
		return email.Receipt{}, err
	}
	submit, err := g.requestOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	ctx, x := httpclient.Record(ctx)
	id, err := submit(ctx)
	if f := g.failure(m, x, id, err); f != nil {
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: strings.Trim(id, "<>")}, nil
}

// submit makes a request, and returns Mailgun's id of the message.
type submit func(ctx context.Context) (id string, err error)

// requestOf chooses how a message is sent. It returns Invalid if the message cannot be written, and
// Unsupported if neither MIME nor a form can carry it.
func (g *Mailer) requestOf(m email.Message) (submit, error) {
	switch {
	case len(m.Personalizations) > 1:
		f, err := batch(m)
		if e := fault.From(err); err != nil && e.Code == notMergeableCode && m.HasOutcome(email.Ambiguous) {
			e.Kind = fault.Unsupported
		}
		return g.form(f), err
	case len(m.Personalizations) == 1:
		alone, err := only(m)
		if err != nil {
			return nil, err
		}
		return g.mime(alone)
	}
	name := g.templates[m.TemplateID]
	if name == "" {
		return g.mime(m)
	}
	f, err := stored(m, name)
	if fault.Is(err, fault.Unsupported) && m.HTML+m.Text != "" {
		return g.mime(m) // as it was rendered here
	}
	return g.form(f), err
}

// mime sends the message as MIME, with the envelope: all recipients, including those
// that no header names. It returns Invalid if the message cannot be written.
func (g *Mailer) mime(m email.Message) (submit, error) {
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		return nil, err
	}
	to, err := rfc5322.Recipients(m)
	if err != nil {
		return nil, err
	}
	// All recipients at once: for a MIME message, AddRecipient counts ten more than there
	// are.
	letter := mailgun.NewMIMEMessage(io.NopCloser(&raw), to...)
	if err := letter.AddTag(m.Tags...); err != nil {
		return nil, g.fault(fault.Unsupported, "feature_unsupported", "the provider takes at most three tags")
	}
	if m.Tracking != "" {
		letter.SetTracking(m.Tracking == email.TrackingOn)
	}
	for key, value := range m.Variables() {
		if err := letter.AddVariable(key, value); err != nil {
			return nil, g.fault(fault.Invalid, "invalid_metadata", "a value of the metadata cannot be sent")
		}
	}
	return func(ctx context.Context) (string, error) {
		// A new client for each message, because the library stores its last request in it.
		api := mailgun.NewMailgun(g.domain, g.key)
		api.SetAPIBase(g.base + "/v3")
		api.SetClient(g.http)
		_, id, err := api.Send(ctx, letter)
		return id, err
	}, nil
}

// Provider registers the type mailgun.
var Provider = provider.Mail{
	Type: setting.Type{Name: "mailgun", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{Name: e.Name, Domain: s.Domain, APIKey: s.APIKey.Reveal(), Templates: s.Templates, HTTP: e.HTTP(s.BaseURL)})
	},
	Webhooks:        provider.Webhooks[provider.MailHook]{Format: "mailgun", New: NewHook},
	TemplateHelpers: templateHelpers,
}

// Settings are those of a domain at Mailgun.
type Settings struct {
	Domain             string            `config:"domain"`
	APIKey             setting.Secret    `config:"api_key"`
	Templates          map[string]string `config:"templates"`            // names at Mailgun by name
	WebhookSigningKeys []setting.Secret  `config:"webhook_signing_keys"` // several during a rotation
	BaseURL            setting.BaseURL   `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.Domain != "", "domain", "is required")
	all.Require(!strings.ContainsFunc(s.Domain, notInDomain), "domain", "must be a domain, such as mg.example.com")
	all.Require(s.APIKey.Reveal() != "", "api_key", "is required")
	for name, there := range s.Templates {
		all.Require(templateName.MatchString(there), "templates."+name, "must be the name of a template at Mailgun: letters, digits, and the signs .-_~")
	}
	all.Add("base_url", s.BaseURL.Check())
	return all
}

// TemplateIDs implements setting.StoresTemplates. Mailgun's id of a template is its name.
func (s *Settings) TemplateIDs() map[string]string { return s.Templates }

// Test implements setting.Tests. A sandbox domain reaches none but the recipients that its
// owner has authorized: documentation.mailgun.com, "Sandbox Domain".
func (s *Settings) Test() bool {
	return s.BaseURL.Local() || sandbox.MatchString(strings.TrimSuffix(s.Domain, "."))
}

var sandbox = regexp.MustCompile(`(?i)^sandbox[^.]*\.mailgun\.org$`)

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_signing_keys", s.WebhookSigningKeys
}
