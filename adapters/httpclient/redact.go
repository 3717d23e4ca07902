package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strings"

	"patchbay/core/fault"
)

// Redact takes out of an error what may be secret: of a URL, all but scheme and
// host stay, and nothing of an answer. An error without a URL stays as it is.
func Redact(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	where := "the provider"
	if parsed, perr := url.Parse(u.URL); perr == nil && parsed.Host != "" {
		where = parsed.Scheme + "://" + parsed.Host
	}
	return &url.Error{Op: u.Op, URL: where, Err: told(Redact(u.Err))}
}

// discreet is an error with a text that may be shown.
type discreet struct {
	text string
	err  error
}

func (d *discreet) Error() string { return d.text }

// Unwrap gives the cause to errors.Is and errors.As.
func (d *discreet) Unwrap() error { return d.err }

// told gives an error of an exchange a text that may be shown. Where net/http
// can't read an answer it quotes it, and a proxy may say whatever it likes: what
// is not known to be harmless stays out.
func told(err error) error {
	var protocol textproto.ProtocolError
	text := "the exchange failed"
	switch {
	case err == nil, harmless(err):
		return err
	case errors.As(err, &protocol):
		text = "the answer's header can't be read"
	case strings.HasPrefix(err.Error(), "net/http: "), strings.HasPrefix(err.Error(), "http: "):
		text, _, _ = strings.Cut(err.Error(), `"`)
	}
	return &discreet{text: strings.TrimSpace(text), err: err}
}

// harmless reports whether the error is of a type whose text has no more than
// addresses, names of hosts, and what is wrong with a certificate.
func harmless(err error) bool {
	for _, known := range []error{context.Canceled, io.EOF, io.ErrUnexpectedEOF, ErrAnswerTooLarge} {
		if errors.Is(err, known) {
			return true
		}
	}
	var (
		network     net.Error // time-outs as well
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		own         *fault.Error
		hidden      *discreet
	)
	return errors.As(err, &network) || errors.As(err, &certificate) ||
		errors.As(err, &record) || errors.As(err, &own) || errors.As(err, &hidden)
}
