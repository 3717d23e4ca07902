package httpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
)

// Exchange is what is known of a request and its answer, also where an SDK
// tells neither. It is that of the last request made with its context.
type Exchange struct {
	written    atomic.Bool
	status     atomic.Int64
	retryAfter atomic.Int64
	header     atomic.Pointer[http.Header]
}

type exchangeKey struct{}

// Record returns a context whose requests are noted in the Exchange.
func Record(ctx context.Context) (context.Context, *Exchange) {
	x := new(Exchange)
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// Written reports whether any byte of a request was handed to the network.
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
// Canceled where the caller gave up, else Unavailable. Anything written:
// UnknownOutcome.
func (x *Exchange) Kind(err error) fault.Kind {
	switch {
	case x.Written():
		return fault.UnknownOutcome
	case errors.Is(err, context.Canceled):
		return fault.Canceled
	}
	return fault.Unavailable
}

// recorder notes each exchange, and bounds the answer.
type recorder struct {
	next      http.RoundTripper
	maxAnswer int64
}

// ErrNotRepeated is why a request that had left was not sent again: net/http
// would do so by itself for one with an idempotency key.
var ErrNotRepeated = errors.New("httpclient: the connection was lost after the request had left")

// ErrAnswerTooLarge is met where an answer goes on beyond the limit.
var ErrAnswerTooLarge = errors.New("httpclient: the answer is too large")

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	x, _ := req.Context().Value(exchangeKey{}).(*Exchange)
	if x == nil {
		x = new(Exchange)
	}
	x.status.Store(0)
	var conn *conn
	var before int64
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		x.note(conn, before)
		conn = under(info.Conn)
		before = conn.count()
	}}
	ctx := httptrace.WithClientTrace(req.Context(), trace)
	sent := req.Clone(ctx)
	if body := req.GetBody; body != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			if x.note(conn, before); x.Written() {
				return nil, ErrNotRepeated
			}
			return body()
		}
	}
	resp, err := r.next.RoundTrip(sent)
	x.note(conn, before)
	if err != nil {
		return nil, err
	}
	x.status.Store(int64(resp.StatusCode))
	x.header.Store(&resp.Header)
	x.retryAfter.Store(int64(ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())))
	resp.Body = &bounded{ReadCloser: resp.Body, left: r.maxAnswer}
	return resp, nil
}

func (x *Exchange) note(c *conn, before int64) {
	if c.count() > before {
		x.written.Store(true)
	}
}

// conn counts what is written to it.
type conn struct {
	net.Conn
	written atomic.Int64
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

func counted(d dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// Write implements net.Conn. It counts before it writes: a write that fails may
// have got through in part.
func (c *conn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	return c.Conn.Write(p)
}

func (c *conn) count() int64 {
	if c == nil {
		return 0
	}
	return c.written.Load()
}

// under finds the connection that counts, below TLS.
func under(c net.Conn) *conn {
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
		return 0, ErrAnswerTooLarge
	}
	return n, err
}
