package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
)

// Exchange is what is known of a request and its response, even if an SDK does not report
// it. If several requests are made with its context it holds the last response, and whether
// any of the requests was written.
type Exchange struct {
	written  atomic.Bool
	response atomic.Pointer[response] // nil if there was none
}

// response is what is kept of a response.
type response struct {
	status     int
	at         time.Time
	retryAfter time.Duration
	header     http.Header
	refusal    *refusal // nil for a success
}

type exchangeKey struct{}

// Record returns a context whose requests are recorded in the Exchange.
func Record(ctx context.Context) (context.Context, *Exchange) {
	x := new(Exchange)
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// recordOf returns the Exchange of a request, or an unused one if none was requested.
func recordOf(req *http.Request) *Exchange {
	if x, _ := req.Context().Value(exchangeKey{}).(*Exchange); x != nil {
		return x
	}
	return new(Exchange)
}

// Written reports whether any byte of a request was written to the network. A request that
// was answered with 401 and sent again with a new token does not count.
func (x *Exchange) Written() bool { return x.written.Load() }

// Status returns the status of the response, or 0 if there was none.
func (x *Exchange) Status() int { return x.last().status }

// RetryAfter returns the wait that the response asked for, or 0.
func (x *Exchange) RetryAfter() time.Duration { return x.last().retryAfter }

// At returns the time of the response by the clock of the server, by which times in its headers are
// meant, or by our clock if it does not say.
func (x *Exchange) At() time.Time { return x.last().at }

// Header returns a header of the response, or "" if it is absent.
func (x *Exchange) Header(name string) string { return x.last().header.Get(name) }

// last returns the response, or an empty one.
func (x *Exchange) last() response {
	if r := x.response.Load(); r != nil {
		return *r
	}
	return response{}
}

// Kind classifies a request without a usable response. If nothing was written: Canceled if
// the caller gave up, Unauthorized if the token endpoint refused us, otherwise Unavailable.
// If anything was written: UnknownOutcome.
func (x *Exchange) Kind(err error) fault.Kind {
	switch {
	case x.Written():
		return fault.UnknownOutcome
	case errors.Is(err, context.Canceled):
		return fault.Canceled
	case fault.Is(err, fault.Unauthorized):
		return fault.Unauthorized
	}
	return fault.Unavailable
}

// Unanswered returns the failure of a request without a usable response, with a message
// that callers may see. Its Kind is that of Exchange.Kind.
func (x *Exchange) Unanswered(err error) *fault.Error {
	f := &fault.Error{Kind: x.Kind(err), Err: Redact(err)}
	switch f.Kind {
	case fault.UnknownOutcome:
		f.Code, f.Message = "no_answer", "the provider gave no answer that can be trusted"
	case fault.Canceled:
		f.Code, f.Message = "canceled", "the request was given up before anything was sent"
	default:
		f.Code, f.Message = "connection_failed", "the provider could not be reached; nothing was done"
	}
	return f
}

func (x *Exchange) answered(resp *http.Response) {
	r := &response{status: resp.StatusCode, header: resp.Header}
	r.at = time.Now()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		r.at = at
	}
	r.retryAfter = ParseRetryAfter(resp.Header.Get("Retry-After"), r.at)
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices {
		r.refusal = &refusal{ReadCloser: resp.Body}
		resp.Body = r.refusal
	}
	x.response.Store(r)
}

// recorder records each exchange, and bounds the response.
type recorder struct {
	next      http.RoundTripper
	maxAnswer int64
}

// ErrAnswerTooLarge means that a response exceeds the limit.
var ErrAnswerTooLarge = errors.New("httpclient: the answer is too large")

// RoundTrip implements http.RoundTripper. If a kept connection turns out to be closed by
// the server, and nothing of the request was written, the request is sent on another
// connection: net/http does so only for some methods.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x := recordOf(req)
	x.response.Store(nil)
	req, err := withLength(req)
	if err != nil {
		return nil, sanitized(err)
	}
	for body := req.Body; ; {
		resp, stale, err := r.try(req, body, x)
		if err == nil {
			x.answered(resp)
			return resp, nil
		}
		if ended := req.Context().Err(); ended != nil {
			return nil, ended // regardless of the cause that the caller set
		}
		if !stale || !rewindable(req) {
			return nil, sanitized(err)
		}
		if body, err = rewound(req); err != nil {
			return nil, sanitized(err)
		}
	}
}

// CloseIdleConnections is how http.Client reaches the transport.
func (r *recorder) CloseIdleConnections() { (&http.Client{Transport: r.next}).CloseIdleConnections() }

// try sends the request. stale reports that a kept connection turned out to be closed
// before anything was written.
func (r *recorder) try(req *http.Request, body io.ReadCloser, x *Exchange) (resp *http.Response, stale bool, err error) {
	var (
		c       *conn
		before  int64
		reused  bool
		written bool
	)
	note := func() {
		if c.count() > before {
			written = true
			x.written.Store(true)
		}
	}
	sent := req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { note(); c, reused = nil, false },
		GotConn: func(info httptrace.GotConnInfo) {
			c, reused = countingConn(info.Conn), info.Reused
			before = c.count()
		},
	}))
	sent.Body = body
	hideKey(sent.Header)
	resp, err = r.next.RoundTrip(sent)
	note()
	if err != nil {
		return nil, reused && !written, err
	}
	resp.Request = req
	if _, err := resp.Location(); err != nil {
		// http.Client would fail because of it and quote it, although it does not follow
		// redirects.
		resp.Header.Del("Location")
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: r.maxAnswer}
	return resp, false, nil
}

// hideKey hides an idempotency key from net/http, which would otherwise resend requests
// that were already written. Retries are decided by the caller that counts the attempts.
// Header names are case-insensitive, but net/http only recognises the canonical form.
func hideKey(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// bounded returns an error if a body exceeds the limit; otherwise it ends as the body does.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.left = -1
		return 0, ErrAnswerTooLarge
	}
	return n, sanitized(err)
}

// conn counts the bytes written to it. With TLS it is above the encryption, because a
// handshake and the closing alert are not part of a request.
type conn struct {
	net.Conn
	written atomic.Int64
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// countWrites counts what is written to the connections that d makes.
func countWrites(d dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// dialTLS dials and performs the TLS handshake. The limit applies to the handshake.
func dialTLS(d dial, config *tls.Config, limit time.Duration) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		if own.ServerName == "" {
			own.ServerName, _, _ = net.SplitHostPort(address)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		c := tls.Client(raw, own)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return c, nil
	}
}

// Write implements net.Conn. It counts before it writes, so that a concurrent reader does
// not take the bytes for unsent. If no byte was written, as on a closed connection, it
// subtracts them again.
func (c *conn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 {
		c.written.Add(-int64(len(p)))
	}
	return n, err
}

func (c *conn) count() int64 {
	if c == nil {
		return 0
	}
	return c.written.Load()
}

// countingConn finds the counting connection, which is below TLS if a proxy is used.
func countingConn(c net.Conn) *conn {
	for {
		switch layer := c.(type) {
		case *conn:
			return layer
		case interface{ NetConn() net.Conn }:
			c = layer.NetConn()
		default:
			return nil
		}
	}
}

// withLength sets the Content-Length of a request if it has none and its body can be read
// again, and so is in memory. SDKs pass a reader of a type that net/http does not know and
// sends in chunks; some servers and firewalls answer that with 411.
func withLength(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody || req.ContentLength > 0 || req.GetBody == nil || len(req.TransferEncoding) > 0 {
		return req, nil
	}
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	if err != nil {
		return nil, err
	}
	measured, err := http.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), bytes.NewReader(body)) //nolint:gosec // the URL of the request itself
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.ContentLength, sent.GetBody, sent.Body = measured.ContentLength, measured.GetBody, measured.Body
	return sent, nil
}
