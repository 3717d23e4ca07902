// Package wire determines where one HTTP/1 request ends on a connection and the next
// begins. It stands between the listener and fasthttp, so that neither a route nor the
// library can get that wrong: fasthttp is handed one request head at a time, checked
// against RFC 9112 and without the fields that frame the body, and reads the body only
// through the Conn. The head of the next request is not handed out before the body of the
// current one was read to its end. If that is not possible within the limits, the
// connection is closed.
package wire

import (
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"patchbay/core/guard"
)

// Limits bounds the resources of one connection.
type Limits struct {
	Head     int           // bytes of the request line and the header fields
	HeadTime time.Duration // for a head to arrive
	// Idle is the time between two requests. It is longer than the 60 seconds for which
	// nginx, and most load balancers in clouds, keep a connection: the sender of the
	// requests must be the one to close, or it may send a request on a connection that is
	// being closed.
	Idle time.Duration
	// A body must arrive at Rate bytes per second on average, after Grace. A fixed time
	// would cut off honest clients on slow lines, or let others delay.
	Grace time.Duration
	Rate  int
	// Unread is how many unread bytes of a body are read to keep the connection.
	Unread int64
	// A connection that is closed while the client still sends is read for at most Linger
	// and LingerBytes longer. Otherwise the client's system would discard the answer
	// together with the data it could not send.
	Linger      time.Duration
	LingerBytes int64
}

// Defaults are the limits of a server on the internet.
var Defaults = Limits{
	Head: 16 << 10, HeadTime: 5 * time.Second, Idle: 75 * time.Second,
	Grace: 5 * time.Second, Rate: 10_000, Unread: 256 << 10,
	Linger: 30 * time.Second, LingerBytes: 64 << 20,
}

// Refusal says why a request was not read or not served, or that its handler panicked.
type Refusal struct {
	Status        int // of the answer
	Code, Message string
	Err           error // the panic, or nil
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

func badRequest(message string) *Refusal {
	return &Refusal{Status: fasthttp.StatusBadRequest, Code: "bad_request", Message: message}
}

var (
	errHeadSize   = &Refusal{Status: fasthttp.StatusRequestHeaderFieldsTooLarge, Code: "request_header_fields_too_large", Message: "the request line and the header fields are too large"}
	errHeadTime   = &Refusal{Status: fasthttp.StatusRequestTimeout, Code: "request_timeout", Message: "the header fields did not arrive in time"}
	errBodyTime   = &Refusal{Status: fasthttp.StatusRequestTimeout, Code: "request_timeout", Message: "the body arrived too slowly"}
	errBodySize   = &Refusal{Status: fasthttp.StatusRequestEntityTooLarge, Code: "body_too_large", Message: "the body is too large"}
	errBodyEnd    = &Refusal{Status: fasthttp.StatusBadRequest, Code: "body_incomplete", Message: "the body ended before it was whole"}
	errChunks     = badRequest("the body is not properly chunked")
	errManyInAll  = &Refusal{Status: fasthttp.StatusServiceUnavailable, Code: "too_many_connections", Message: "the gateway has too many connections open"}
	errManyOfOne  = &Refusal{Status: fasthttp.StatusTooManyRequests, Code: "too_many_connections", Message: "too many connections from one address"}
	errNoBoundary = badRequest("the request could not be read")
)

// Wrap makes a server answer requests on the connections of a Listener, with heads of at
// most head bytes. It must be called when the server's Handler is complete. Refused
// requests are answered by refuse, and their connection is closed. So is a request whose
// handler panics: the panic ends the request, not the process with all its other requests.
func Wrap(server *fasthttp.Server, head int, refuse func(*fasthttp.RequestCtx, *Refusal)) {
	next := server.Handler
	server.ReadBufferSize = head
	// By default the server writes to standard error.
	server.Logger = slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn)
	server.SecureErrorLogMessage = true // otherwise it would quote the head, including the key
	// The Conn limits bodies and the time they take.
	server.StreamRequestBody, server.ReadTimeout, server.IdleTimeout = false, 0, 0
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		c, ok := ctx.Conn().(*Conn)
		if !ok || !c.serve(server.MaxRequestBodySize) {
			ctx.SetConnectionClose()
			refuse(ctx, errNoBoundary)
			return
		}
		refused := c.refusal
		if refused == nil {
			if length, ok := c.body.length(); ok {
				ctx.Request.SetBodyStream(&c.body, length)
			}
			if err := guard.Do(func() error { next(ctx); return nil }); err != nil {
				refused = &Refusal{fasthttp.StatusInternalServerError, "internal", "the gateway made a mistake", err}
			}
		}
		if refused != nil {
			refuse(ctx, refused)
		}
		if !c.answered() || refused != nil {
			ctx.SetConnectionClose()
		}
	}
}
