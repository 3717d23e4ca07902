// Package mailgunmail is a domain at Mailgun, by Mailgun's own library for Go.
//
// A message goes out as MIME (POST /v3/{domain}/messages.mime): what the recipient
// gets is what every other provider would send, with its Message-ID, its Date, the
// types of its files and the ids of its pictures. Mailgun's form has no place for
// most of these.
//
// Source: Mailgun's reference, "Messages".
package mailgunmail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// DefaultBaseURL is where Mailgun answers, outside of the EU.
const DefaultBaseURL = "https://api.mailgun.net"

// Options are what a domain needs.
type Options struct {
	Name   string // as configured
	Domain string // mg.example.com
	APIKey string
	// HTTP says where Mailgun is, and bounds what is asked of it. Its BaseURL is
	// DefaultBaseURL where empty.
	HTTP httpclient.Options
}

// Mailer is one domain at Mailgun. It repeats nothing: Mailgun knows no keys.
type Mailer struct {
	name, domain, key, base string
	http                    *http.Client
}

// New makes a Mailer, and calls nothing.
func New(o Options) (*Mailer, error) {
	if o.Name == "" || o.Domain == "" || o.APIKey == "" {
		return nil, fault.New(fault.Invalid, "missing_setting", "a domain at Mailgun needs a name, the domain and an API key")
	}
	if strings.ContainsFunc(o.Domain, foreign) {
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
		name: o.Name, domain: o.Domain, key: o.APIKey, http: client.HTTP(),
		base: strings.TrimSuffix(strings.TrimSuffix(o.HTTP.BaseURL, "/"), "/v3"), // some write the version too
	}, nil
}

// foreign tells what is in no domain. The library would refuse each message.
func foreign(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// Name implements ports.Mailer.
func (g *Mailer) Name() string { return g.name }

// Features implements ports.Mailer. Mailgun takes three tags, 16 kB of tags and
// variables, and 25 MB once the message is encoded: files grow by more than a
// third, and a body that is not in ASCII to three times its size.
func (g *Mailer) Features() message.Features {
	return message.Features{
		Attachments: true, Inline: true, Headers: true, Tags: 3, Metadata: true, MultiReply: true,
		MaxMetadata: 15_000, MaxAttachments: 15 << 20,
	}
}

// Send implements ports.Mailer.
func (g *Mailer) Send(ctx context.Context, m message.Message) (message.Receipt, error) {
	if err := g.Features().Carry(m); err != nil {
		return message.Receipt{}, err
	}
	// Of its own for each message: the library keeps what it last asked in it.
	api := mailgun.NewMailgun(g.domain, g.key)
	api.SetAPIBase(g.base + "/v3")
	api.SetClient(g.http)
	letter, err := g.letter(m)
	if err != nil {
		return message.Receipt{}, err
	}
	ctx, x := httpclient.Record(ctx)
	_, id, err := api.Send(ctx, letter)
	if f := g.failure(m, x, id, err); f != nil {
		return message.Receipt{}, f
	}
	return message.Receipt{Reference: strings.Trim(id, "<>")}, nil
}

// letter is the message as MIME, with the envelope: everybody who is to get it,
// whom its headers name or not. Invalid.
func (g *Mailer) letter(m message.Message) (*mailgun.Message, error) {
	if err := m.Safe(); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		return nil, err
	}
	to, err := everybody(m)
	if err != nil {
		return nil, err
	}
	// All at once: AddRecipient counts ten more than there are in a MIME message.
	letter := mailgun.NewMIMEMessage(io.NopCloser(&raw), to...)
	if err := letter.AddTag(m.Tags...); err != nil {
		return nil, g.fault(fault.Unsupported, "feature_unsupported", "the provider takes at most three tags", nil)
	}
	for key, value := range m.Metadata {
		if err := letter.AddVariable(key, value); err != nil {
			return nil, g.fault(fault.Invalid, "invalid_metadata", "a value of the metadata cannot be sent", nil)
		}
	}
	for key, value := range m.Marks() {
		if err := letter.AddVariable(key, value); err != nil {
			return nil, g.fault(fault.Invalid, "invalid_metadata", "the message's id cannot be sent", nil)
		}
	}
	return letter, nil
}

// everybody is whom the message goes to, each of them once.
func everybody(m message.Message) ([]string, error) {
	var to []string
	seen := make(map[string]bool)
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		ascii, err := rfc5322.ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		if lower := strings.ToLower(ascii); !seen[lower] {
			seen[lower] = true
			to = append(to, ascii)
		}
	}
	return to, nil
}
