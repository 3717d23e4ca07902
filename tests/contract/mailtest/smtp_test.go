package mailtest_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/mailtest"
)

// smtpMailer sends mail to an SMTP server (RFC 5321), over a connection for each message. The suite
// runs on it to show that it does not depend on HTTP.
type smtpMailer struct {
	address, user, password string
	timeout                 time.Duration
}

func (m smtpMailer) Name() string { return "smtp" }

func (m smtpMailer) Features() email.Features {
	return email.Features{Attachments: true, Inline: true, Headers: true, MultiReply: true}
}

func (m smtpMailer) Send(ctx context.Context, msg email.Message) (email.Receipt, error) {
	if err := m.Features().Carry(msg); err != nil {
		return email.Receipt{}, err
	}
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, msg); err != nil {
		return email.Receipt{}, err
	}
	to, err := envelope(msg)
	if err != nil {
		return email.Receipt{}, err
	}
	if ctx.Err() != nil {
		return email.Receipt{}, failed(fault.Canceled)
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.address)
	if err != nil {
		return email.Receipt{}, failed(fault.Unavailable)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	return email.Receipt{}, m.transaction(conn, msg.From.Email, to, raw.Bytes())
}

// transaction hands over one message. Until its last line is sent, nothing is accepted.
func (m smtpMailer) transaction(conn net.Conn, from string, to []string, raw []byte) error {
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return failed(fault.Unavailable)
	}
	if err := c.Auth(smtp.PlainAuth("", m.user, m.password, "127.0.0.1")); err != nil {
		return refused(err, fault.Unauthorized)
	}
	if err := c.Mail(from); err != nil {
		return refused(err, fault.Refused)
	}
	if err := address(c, to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return refused(err, fault.Invalid)
	}
	if _, err := w.Write(raw); err != nil {
		return failed(fault.Unavailable)
	}
	if err := w.Close(); err != nil {
		return failed(fault.UnknownOutcome)
	}
	_ = c.Quit() // the message is accepted, however the connection ends
	return nil
}

// address names the recipients, and returns who is refused.
func address(c *smtp.Client, to []string) error {
	var named email.RefusedRecipients
	for _, r := range to {
		err := c.Rcpt(r)
		var answer *textproto.Error
		switch {
		case err == nil:
		case errors.As(err, &answer) && answer.Code >= 500:
			code, _, _ := strings.Cut(answer.Msg, " ")
			named = append(named, email.RefusedRecipient{Email: r, Code: code})
		default:
			return refused(err, fault.Invalid)
		}
	}
	if len(named) == 0 {
		return nil
	}
	f := fault.New(fault.Invalid, email.CodeRecipientRejected, "the server refuses a recipient")
	f.Err = named
	return f
}

// refused classifies an answer that came before the message was sent. A 4xx is not for good.
func refused(err error, permanent fault.Kind) error {
	var answer *textproto.Error
	switch kind := fault.Unavailable; {
	case !errors.As(err, &answer):
		return failed(kind)
	case answer.Code >= 500:
		return failed(permanent)
	case answer.Code == 450:
		return failed(fault.RateLimited)
	default:
		return failed(kind)
	}
}

func failed(kind fault.Kind) error {
	return fault.New(kind, "smtp", "the server has not accepted the message")
}

// envelope returns every recipient once.
func envelope(m email.Message) (to []string, err error) {
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		address, err := rfc5322.ASCII(strings.ToLower(a.Email))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(to, address) {
			to = append(to, address)
		}
	}
	return to, nil
}

func TestTheSuiteRunsOverSMTP(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) mailtest.NetworkHarness {
		s := startSMTP(t)
		return mailtest.NetworkHarness{
			Harness: mailtest.Harness{
				Mailer:    smtpMailer{s.address(), "user", s.password, time.Second},
				Delivered: func(*testing.T) [][]byte { return s.delivered() },
			},
			Attempts: s.attempts,
			Kept:     s.kept,
			Fail:     s.fail,
			Secrets:  []string{s.password},
		}
	}
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		mailtest.Run(t, func(t *testing.T) mailtest.Harness { return open(t).Harness })
	})
	t.Run("mail outcomes", func(t *testing.T) {
		t.Parallel()
		mailtest.RunNetwork(t, mailtest.Network{
			NotHTTP: true, NoRetryAfter: true, NoReference: true, NoMarks: true, SMTP: true,
			Lacks: []mailtest.Fault{mailtest.Suspended, mailtest.Exhausted, mailtest.NoSuccess},
		}, open)
	})
}
