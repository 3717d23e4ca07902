// Package smtpmail hands mail to an SMTP server (RFC 5321): that of a provider without an adapter of
// its own, or one of your own.
//
// A message is on the server's side of the line once the server has answered 250 to the final dot,
// and not before. Until the dot is sent, every failure proves that nothing was accepted. After that,
// only an answer says anything.
//
// It speaks SMTP by package smtp of go-mail, not by that library's Client: see
// docs/adr/0038-smtp-conversation.md.
package smtpmail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Mailer = (*Mailer)(nil)

// Provider registers the type smtp. SMTP has no webhooks.
var Provider = provider.Mail{
	Type: setting.Type{Name: "smtp", Settings: func() any {
		return &Settings{Port: 587, Security: startTLS, Auth: auto}
	}},
	New: func(e provider.Environment) (ports.Mailer, error) { return New(e) },
}

// Settings are those of an account at a server.
type Settings struct {
	Host     string         `config:"host"`
	Port     int            `config:"port"`
	Username string         `config:"username"` // if empty, mail is sent without AUTH
	Password setting.Secret `config:"password"`
	Security string         `config:"security"`
	Auth     string         `config:"auth"`
	CAFile   string         `config:"ca_file"`  // PEM; if empty, the system's authorities
	Tracking string         `config:"tracking"` // what the server does; see email.AccountTracking
	Hello    string         `config:"hello"`    // what the gateway calls itself in EHLO; if empty, see Mailer.hello
}

// The values of Settings.Security.
const (
	startTLS  = "starttls" // TLS after the command STARTTLS, without which nothing is sent
	implicit  = "tls"      // TLS from the first byte
	plaintext = "none"     // for a server on this machine
)

// Check implements setting.Checks.
func (s *Settings) Check() (all setting.Mistakes) {
	all.Require(s.Host != "", "host", "is required")
	all.Require(net.ParseIP(s.Host) != nil || !strings.ContainsAny(s.Host, ":/@[] \t"), "host", "must be a host alone, such as smtp.example.com")
	all.Require(s.Port >= 1 && s.Port <= 65535, "port", "must be 1 to 65535")
	all.Require(s.Security == startTLS || s.Security == implicit || s.Security == plaintext, "security", "must be starttls, tls or none")
	all.Require(s.Security != plaintext || s.Test(), "security", "may be none only for a server on this machine; write starttls or tls", "host", "port")
	all.Require((s.Username == "") == (s.Password.Reveal() == ""), "username", "and password belong together", "password")
	all.Require(s.Auth == auto || mechanism(s.Auth) != nil, "auth", "must be auto, "+names())
	all.Require(!strings.ContainsFunc(s.Hello, func(r rune) bool { return r <= ' ' || r > '~' }), "hello", "must be a host name, such as gateway.example.com")
	all.Require(s.CAFile == "" || s.Security != plaintext, "ca_file", "has no meaning without TLS", "security")
	if _, err := setting.Authorities(s.CAFile); err != nil {
		all.Add("ca_file", err.Error())
	}
	if _, err := email.AccountTracking(s.Tracking); err != nil {
		all.Add("tracking", "must be on or off, as the server does")
	}
	return all
}

// Test implements setting.Tests: a server on this machine is a simulator, or a catcher such as
// Mailpit.
func (s *Settings) Test() bool { return setting.Loopback(s.address()) }

func (s *Settings) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Mailer is one account at a server. It does not retry, because SMTP has no idempotency keys; only
// a connection that the server has closed since its last message is opened again.
type Mailer struct {
	name     string
	settings Settings
	tls      *tls.Config // nil without TLS
	timeout  time.Duration
	pool     *pool
}

// The defaults of the limits, and how long a connection is kept without a message. Servers close
// one after a few minutes (RFC 5321 §4.5.3.2.7), some after ten seconds.
const (
	defaultTimeout  = 30 * time.Second
	defaultMaxConns = 256
	idleLimit       = 30 * time.Second
)

// New returns the Mailer of an environment with Settings. It makes no connection. It returns Invalid
// if the settings are not right.
func New(e provider.Environment) (*Mailer, error) {
	s := e.Settings.(*Settings)
	if wrong := s.Check(); wrong != nil {
		return nil, fault.New(fault.Invalid, "invalid_setting", "smtp: "+wrong.String())
	}
	m := &Mailer{
		name: e.Name, settings: *s, timeout: cmp.Or(e.Timeout, defaultTimeout),
		pool: newPool(cmp.Or(e.MaxConns, defaultMaxConns), idleLimit, cmp.Or(e.Log, slog.New(slog.DiscardHandler))),
	}
	if s.Security != plaintext {
		roots, err := setting.Authorities(s.CAFile)
		if err != nil {
			return nil, fault.New(fault.Invalid, "invalid_setting", "smtp: ca_file "+err.Error())
		}
		m.tls = &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return m, nil
}

// Name implements ports.Mailer.
func (m *Mailer) Name() string { return m.name }

// Features implements ports.Mailer. A server keeps nothing beside a message: it takes no tags and no
// metadata. Patchbay's marks are not sent either, since no event would bring them back.
func (m *Mailer) Features() email.Features {
	tracking, _ := email.AccountTracking(m.settings.Tracking) // New has validated it
	return email.Features{
		Attachments: true, Inline: true, Headers: true, MultiReply: true, OnlyBcc: true, UTF8: true, MIME: true, Tracking: tracking,
	}
}

// Send implements ports.Mailer. A message is sent to all of its recipients, or to none: the error then names
// those whom the server refuses.
func (m *Mailer) Send(ctx context.Context, msg email.Message) (email.Receipt, error) {
	if err := m.Features().Carry(msg); err != nil {
		return email.Receipt{}, err
	}
	l, err := pack(msg)
	if err != nil {
		return email.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	if err := m.pool.enter(ctx); err != nil {
		return email.Receipt{}, m.failure(ctx, waiting, msg, err)
	}
	defer m.pool.leave()
	s, at, err := m.session(ctx)
	if err != nil {
		return email.Receipt{}, m.failure(ctx, at, msg, err)
	}
	kept := false
	defer func() {
		if s.end() && kept {
			m.pool.put(s)
		} else {
			s.close()
		}
	}()
	words, at, err := s.hand(ctx, l, func(answer *textproto.Error) bool { return m.isAboutRecipient(msg, answer) })
	if err != nil {
		var refused *refusedNames
		f := m.failure(ctx, at, msg, err)
		kept = inStep(f) && !(errors.As(err, &refused) && refused.broken)
		return email.Receipt{}, f
	}
	kept = true
	return email.Receipt{Reference: reference(words)}, nil
}

// hello returns what the gateway calls itself: what is configured, else the name of the machine if
// it is a full one, else the address literal of the connection (RFC 5321 §4.1.3). Many servers
// refuse a name without a domain.
func (m *Mailer) hello(conn net.Conn) string {
	if m.settings.Hello != "" {
		return m.settings.Hello
	}
	if host, err := os.Hostname(); err == nil && strings.Contains(host, ".") {
		return host
	}
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if ip := net.ParseIP(host); err == nil && ip.To4() == nil {
		return "[IPv6:" + host + "]"
	}
	return "[" + host + "]"
}
