// Package sendgridmail is an account at SendGrid. It uses SendGrid's own library for Go.
//
// Source: the mail send API, version 3, and its limits.
package sendgridmail

import (
	"context"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
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
	// Templates has the ids of the templates that the account stores, by the names that messages give
	// them: d-….
	Templates map[string]string
	// HTTP holds the base URL and the limits of requests. An empty BaseURL means
	// DefaultBaseURL.
	HTTP httpclient.Options
}

// Mailer is one account at SendGrid. It does not retry, because SendGrid has no idempotency
// keys.
type Mailer struct {
	name, key, base string
	templates       templates
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
		name: o.Name, key: o.APIKey, templates: o.Templates, base: strings.TrimSuffix(o.HTTP.BaseURL, "/"), http: &rest.Client{HTTPClient: client.HTTP()},
	}, nil
}

// Name implements ports.Mailer.
func (s *Mailer) Name() string { return s.name }

// Features implements ports.Mailer. SendGrid accepts ten categories, and 10,000 bytes of
// arguments, including quotes and our id. A request has at most 1,000 personalizations, and 1,000
// recipients in all of them together. Each has data of its own for a template that the account
// stores; there is one content for all.
func (s *Mailer) Features() email.Features {
	return email.Features{
		Attachments: true, Inline: true, Headers: true, Tags: 10, Metadata: true, MultiReply: true, OnlyBcc: true, MaxMetadata: 9_000, Tracking: email.EachTracking(),
		Templates:        func(template string) bool { return s.templates.id(template) != "" },
		Personalizations: 1000, MergesData: true,
	}
}

// maxBody is the limit of a request, 30 MB, in bytes.
const maxBody = 30_000_000

// Send implements ports.Mailer.
func (s *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := s.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	letter, err := s.requestOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	// The library's own client is shared, and has no timeout.
	req := sendgrid.GetRequest(s.key, "/v3/mail/send", s.base)
	req.Method, req.Body = rest.Post, mail.GetRequestBody(letter)
	if len(req.Body) > maxBody {
		return email.Receipt{}, s.annotate(fault.New(fault.Invalid, "rejected", "the message has more than 30 MB"))
	}
	ctx, x := httpclient.Record(ctx)
	_, err = s.http.SendWithContext(ctx, req)
	if f := s.failure(m, x, err); f != nil {
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: x.Header("X-Message-Id")}, nil
}

// Provider registers the type sendgrid.
var Provider = provider.Mail{
	Type: setting.Type{Name: "sendgrid", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{Name: e.Name, APIKey: s.APIKey.Reveal(), Templates: s.Templates, HTTP: e.HTTP(s.BaseURL)})
	},
	Webhooks:        provider.Webhooks[provider.MailHook]{Format: "sendgrid", New: NewHook},
	TemplateHelpers: templateHelpers,
}

// Settings are those of an account at SendGrid.
type Settings struct {
	APIKey            setting.Secret    `config:"api_key"`
	Templates         map[string]string `config:"templates"`           // ids by name
	WebhookPublicKeys []string          `config:"webhook_public_keys"` // base64; several during a rotation
	BaseURL           setting.BaseURL   `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.APIKey.Reveal() != "", "api_key", "is required")
	for name, id := range s.Templates {
		all.Require(isTemplateID(id), "templates."+name, "must be the id of a dynamic template, such as d-0a1b2c")
	}
	for i, key := range s.WebhookPublicKeys {
		_, err := parseKey(key)
		all.Require(err == nil, fmt.Sprintf("webhook_public_keys[%d]", i), "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256")
	}
	all.Add("base_url", s.BaseURL.Check())
	return all
}

// TemplateIDs implements setting.StoresTemplates.
func (s *Settings) TemplateIDs() map[string]string { return s.Templates }

// Test implements setting.Tests.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Signing implements setting.Signs. The public keys verify the signatures.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	for _, key := range s.WebhookPublicKeys {
		secrets = append(secrets, setting.NewSecret(key))
	}
	return "webhook_public_keys", secrets
}

// requestOf returns the message in SendGrid's format. Empty fields are left out. It returns Invalid
// if the message is not valid.
func (s *Mailer) requestOf(m email.Message) (*mail.SGMailV3, error) {
	if err := m.CheckLines(); err != nil {
		return nil, err
	}
	letter := mail.NewV3Mail()
	from, err := mailboxesOf([]email.Address{m.From})
	if err != nil {
		return nil, err
	}
	letter.SetFrom(from[0])
	to, err := mailboxesOf(m.ReplyTo)
	if err != nil {
		return nil, err
	}
	replyTo(letter, to)
	all, err := personalizations(m)
	if err != nil {
		return nil, err
	}
	letter.AddPersonalizations(all...)
	if id := s.templates.id(m.TemplateID); id == "" {
		setContent(letter, m)
	} else if err := setTemplate(letter, id, m); err != nil {
		return nil, err
	}
	setTracking(letter, m.Tracking)
	for _, a := range m.Attachments {
		letter.AddAttachment(attachment(a))
	}
	letter.AddCategories(m.Tags...)
	letter.SetHeader("Message-ID", "<"+m.MessageID+">")
	for name, value := range m.Headers {
		letter.SetHeader(name, mime.QEncoding.Encode("utf-8", value)) // SendGrid writes it as it is
	}
	return letter, nil
}

// setTracking says what SendGrid tracks, unless its account says that.
func setTracking(letter *mail.SGMailV3, t email.Tracking) {
	if t == "" {
		return
	}
	on := t == email.TrackingOn
	clicks := mail.NewClickTrackingSetting().SetEnable(on).SetEnableText(on)
	letter.SetTrackingSettings(mail.NewTrackingSettings().SetClickTracking(clicks).SetOpenTracking(mail.NewOpenTrackingSetting().SetEnable(on)))
}

func replyTo(letter *mail.SGMailV3, to []*mail.Email) {
	switch len(to) {
	case 0:
	case 1:
		letter.SetReplyTo(to[0])
	default: // SendGrid refuses both fields together
		letter.SetReplyToList(to)
	}
}

func mailboxesOf(list []email.Address) ([]*mail.Email, error) {
	out := make([]*mail.Email, len(list))
	for i, a := range list {
		ascii, err := rfc5322.ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		out[i] = mail.NewEmail(a.Name, ascii)
	}
	return out, nil
}

func attachment(a email.Attachment) *mail.Attachment {
	out := mail.NewAttachment().SetContent(base64.StdEncoding.EncodeToString(a.Content)).
		SetType(a.ContentType).SetFilename(a.Filename).SetDisposition("attachment")
	if a.ContentID != "" {
		out.SetDisposition("inline").SetContentID(a.ContentID)
	}
	return out
}
