package httpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
)

// Exchange is what is known of a request and its answer, also where an SDK
// tells neither. Of several requests made with its context it holds the last
// one's answer, and whether any of them was written.
type Exchange struct {
	written    atomic.Bool
	status     atomic.Int64
	retryAfter atomic.Int64
	header     atomic.Pointer[http.Header]
	refusal    atomic.Pointer[refusal]
}

type exchangeKey struct{}

// Record returns a context whose requests are noted in the Exchange.
func Record(ctx context.Context) (context.Context, *Exchange) {
	x := new(Exchange)
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// recordOf is the Exchange that the request is noted in, one that nobody sees
// where none was asked for.
func recordOf(req *http.Request) *Exchange {
	if x, _ := req.Context().Value(exchangeKey{}).(*Exchange); x != nil {
		return x
	}
	return new(Exchange)
}

// Written reports whether any byte of a request was handed to the network. A
// request that was answered 401 and sent again with a new token does not count.
func (x *Exchange) Written() bool { return x.written.Load() }

// Status is that of the answer, 0 where there was none.
func (x *Exchange) Status() int { return int(x.status.Load()) }

// RetryAfter is what the answer asked for, 0 where it did not.
func (x *Exchange) RetryAfter() time.Duration { return time.Duration(x.retryAfter.Load()) }

// Header is a header of the answer, empty where absent.
func (x *Exchange) Header(name string) string {
	if h := x.header.Load(); h != nil {
		return h.Get(name)
	}
	return ""
}

// Kind classifies a request that had no usable answer. Nothing written:
// Canceled where the caller gave up, Unauthorized where the token endpoint
// refused us, else Unavailable. Anything written: UnknownOutcome.
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

// Unanswered is the failure of a request that had no usable answer, in words that
// callers may see. Its Kind is that of Exchange.Kind.
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

func (x *Exchange) note(c *conn, before int64) {
	if c.count() > before {
		x.written.Store(true)
	}
}

// reset forgets the requests so far.
func (x *Exchange) reset() {
	x.written.Store(false)
	x.unanswered()
}

func (x *Exchange) unanswered() {
	x.status.Store(0)
	x.retryAfter.Store(0)
	x.header.Store(nil)
	x.refusal.Store(nil)
}

func (x *Exchange) answered(resp *http.Response) {
	x.status.Store(int64(resp.StatusCode))
	x.retryAfter.Store(int64(ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())))
	x.header.Store(&resp.Header)
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices {
		kept := &refusal{ReadCloser: resp.Body}
		resp.Body = kept
		x.refusal.Store(kept)
	}
}

// recorder notes each exchange, and bounds the answer.
type recorder struct {
	next      http.RoundTripper
	maxAnswer int64
}

// ErrAnswerTooLarge is met where an answer goes on beyond the limit.
var ErrAnswerTooLarge = errors.New("httpclient: the answer is too large")

// RoundTrip implements http.RoundTripper. A request that met a connection which
// the server had closed meanwhile, and of which nothing left, goes to the next
// one: net/http does so only for some methods.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x := recordOf(req)
	x.unanswered()
	req, err := measured(req)
	if err != nil {
		return nil, told(err)
	}
	for body := req.Body; ; {
		resp, stale, err := r.try(req, body, x)
		if err == nil {
			x.answered(resp)
			return resp, nil
		}
		if ended := req.Context().Err(); ended != nil {
			return nil, ended // whatever cause the caller gave it
		}
		if !stale || !rewindable(req) {
			return nil, told(err)
		}
		if body, err = rewound(req); err != nil {
			return nil, told(err)
		}
	}
}

// CloseIdleConnections is how http.Client reaches the transport.
func (r *recorder) CloseIdleConnections() { (&http.Client{Transport: r.next}).CloseIdleConnections() }

// try sends the request. It is stale where a kept connection turned out to be
// closed before anything was written.
func (r *recorder) try(req *http.Request, body io.ReadCloser, x *Exchange) (resp *http.Response, stale bool, err error) {
	var (
		c       *conn
		before  int64
		reused  bool
		written bool
	)
	note := func() {
		x.note(c, before)
		written = written || c.count() > before
	}
	sent := req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { note(); c, reused = nil, false },
		GotConn: func(info httptrace.GotConnInfo) {
			c, reused = under(info.Conn), info.Reused
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
		// http.Client would fail at it, and quote it, though it follows none.
		resp.Header.Del("Location")
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: r.maxAnswer}
	return resp, false, nil
}

// hideKey keeps net/http from knowing an idempotency key, which it would take
// as leave to send a request again that had left. That is for whoever counts
// the tries. Names of headers are the same in any case, but not to net/http.
func hideKey(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// bounded fails where more comes than is allowed; at its end it is as its body.
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
	return n, told(err)
}
