// Package acmemail is an account at Acme Mail. Acme takes a message as MIME:
//
//	POST /v1/messages?to=ada@example.com&to=eve@example.com&note.order=17
//	Authorization: Bearer KEY
//	Content-Type: message/rfc822
//
// Acme keeps the notes with the message. It answers 202 and {"id": "..."}, or says what is wrong: {"code": "...", "message": "..."}.
package acmemail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Provider registers the type acme.
var Provider = provider.Mail{
	Type: setting.Type{Name: "acme", Settings: func() any { return &Settings{BaseURL: "https://api.acme.example"} }},
	New:  func(e provider.Environment) (ports.Mailer, error) { return New(e) },
}

// Settings are those of an account.
type Settings struct {
	APIKey  setting.Secret  `config:"api_key"`
	BaseURL setting.BaseURL `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.APIKey.Reveal() != "", "api_key", "is required")
	all.Add("base_url", s.BaseURL.Check())
	return all
}

// Test implements setting.Tests: a server on this machine is a simulator.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Mailer is one account at Acme.
type Mailer struct {
	name, key, base string
	http            *http.Client
}

// New returns the Mailer of an environment with Settings. It makes no call.
func New(e provider.Environment) (*Mailer, error) {
	s := e.Settings.(*Settings)
	client, err := httpclient.New(e.HTTP(s.BaseURL))
	if err != nil {
		return nil, fmt.Errorf("acmemail: %w", err)
	}
	return &Mailer{name: e.Name, key: s.APIKey.Reveal(), base: strings.TrimSuffix(string(s.BaseURL), "/"), http: client.HTTP()}, nil
}

// Name implements ports.Mailer.
func (a *Mailer) Name() string { return a.name }

// Features implements ports.Mailer. Acme has no tags. Its notes are a part of the URL, and so
// not for much.
func (a *Mailer) Features() email.Features {
	return email.Features{Attachments: true, Inline: true, Headers: true, MultiReply: true, OnlyBcc: true, Metadata: true, MaxMetadata: 2_000}
}

// Send implements ports.Mailer.
func (a *Mailer) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := a.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	if err := m.CheckLines(); err != nil {
		return email.Receipt{}, err
	}
	query, err := queryOf(m)
	if err != nil {
		return email.Receipt{}, err
	}
	var body bytes.Buffer
	if err := rfc5322.Write(&body, m); err != nil {
		return email.Receipt{}, err
	}
	ctx, x := httpclient.Record(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/v1/messages?"+query.Encode(), &body)
	if err != nil {
		return email.Receipt{}, fault.Wrap(fault.Invalid, "acmemail.send", httpclient.Redact(err))
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "message/rfc822")
	var answer []byte
	resp, err := a.http.Do(req)
	if err == nil {
		answer, err = io.ReadAll(resp.Body) // to its end, so that the connection can be used again
		_ = resp.Body.Close()
	}
	var accepted struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(answer, &accepted) // what is not JSON has no id
	if f := a.failure(m, x, accepted.ID, err); f != nil {
		f.Op, f.Provider = "acmemail.send", a.name
		return email.Receipt{}, f
	}
	return email.Receipt{Reference: accepted.ID}, nil
}

// queryOf returns all recipients of a message, each once, and what Acme keeps with it.
func queryOf(m email.Message) (url.Values, error) {
	to, err := rfc5322.Recipients(m)
	if err != nil {
		return nil, err
	}
	query := url.Values{"to": to}
	for name, value := range m.Variables() {
		query.Set("note."+name, value)
	}
	return query, nil
}

// table maps Acme's refusals to their meaning.
var table = []refusal.Rule{
	{Status: []int{400}, Field: "invalid_recipient", Means: refusal.Recipient},
	{Status: []int{400}, Means: refusal.Message},
	{Status: []int{401}, Means: refusal.Credentials},
	{Status: []int{402}, Means: refusal.Exhausted},
	{Status: []int{403}, Field: "sender_not_verified", Means: refusal.SenderNotVerified},
	{Status: []int{403}, Field: "account_suspended", Means: refusal.Suspended},
	{Status: []int{403}, Means: refusal.Unclear},
	{Status: []int{404, 405}, Means: refusal.Address},
	{Status: []int{413}, Means: refusal.Message},
	{Status: []int{429}, Means: refusal.RateLimited},
	{Status: []int{503}, Means: refusal.Unavailable},
}

// failure maps an exchange to an error. It returns nil if Acme has accepted the message: with
// 202 and an id. Only a refusal in Acme's own JSON counts; what else may come from an
// intermediary proves nothing.
func (a *Mailer) failure(m email.Message, x *httpclient.Exchange, id string, err error) *fault.Error {
	if x.Status() == 0 {
		return x.Unanswered(err)
	}
	if x.Status() == http.StatusAccepted && id != "" {
		return nil
	}
	var body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var said []refusal.ProviderError
	if x.DecodeRefusal(&body) && body.Code != "" {
		said = append(said, refusal.Redact(refusal.ProviderError{Field: body.Code, Words: body.Message}, m, a.key))
	}
	f := refusal.Error(table, x.Status(), said)
	f.RetryAfter = x.RetryAfter()
	return f
}
