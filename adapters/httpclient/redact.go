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

// Redact removes secrets from an error: it keeps only the scheme and host of a URL, and
// nothing of a response. An error without a URL is returned unchanged.
func Redact(err error) error {
	u, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	where := "the provider"
	if parsed, perr := url.Parse(u.URL); perr == nil && parsed.Host != "" {
		where = parsed.Scheme + "://" + parsed.Host
	}
	return &url.Error{Op: u.Op, URL: where, Err: sanitized(Redact(u.Err))}
}

// sanitizedError is an error with a text that may be shown.
type sanitizedError struct {
	text string
	err  error
}

func (e *sanitizedError) Error() string { return e.text }

// Unwrap returns the cause for errors.Is and errors.As.
func (e *sanitizedError) Unwrap() error { return e.err }

// sanitized replaces the text of an exchange's error by one that may be shown. net/http quotes a
// response that it cannot read, and a proxy may send anything, so a text that is not known
// to be harmless is removed.
func sanitized(err error) error {
	text := "the exchange failed"
	switch {
	case err == nil, harmless(err):
		return err
	case isA[textproto.ProtocolError](err):
		text = "the answer's header can't be read"
	case strings.HasPrefix(err.Error(), "net/http: "), strings.HasPrefix(err.Error(), "http: "):
		text, _, _ = strings.Cut(err.Error(), `"`)
	}
	return &sanitizedError{text: strings.TrimSpace(text), err: err}
}

// harmless reports whether the error has a type whose text contains at most addresses, host
// names, and problems of a certificate.
func harmless(err error) bool {
	for _, known := range []error{context.Canceled, io.EOF, io.ErrUnexpectedEOF, ErrAnswerTooLarge} {
		if errors.Is(err, known) {
			return true
		}
	}
	return isA[net.Error](err) || // timeouts as well
		isA[*tls.CertificateVerificationError](err) || isA[tls.RecordHeaderError](err) ||
		isA[*fault.Error](err) || isA[*sanitizedError](err)
}

// isA reports whether an error of type E is in err's tree.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
