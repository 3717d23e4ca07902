package httpapi

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/fault"
	"patchbay/core/logging"
)

// trace is what the log says of a request.
type trace struct {
	began  time.Time
	route  string // its pattern, empty where there is none
	tenant string
	key    string // the id of the API key
	code   string // of the error that it was answered with
	quiet  bool   // asked all the time, by what watches over the gateway
}

const traceValue = "patchbay.trace"

// traceOf is that of a request, a new one where it was refused before it came to the
// handler.
func traceOf(c *fasthttp.RequestCtx) (t *trace, handled bool) {
	if t, ok := c.UserValue(traceValue).(*trace); ok {
		return t, true
	}
	return new(trace), false
}

// logged writes a line for each request.
func (s *Server) logged(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(c *fasthttp.RequestCtx) {
		t := &trace{began: time.Now()}
		c.SetUserValue(traceValue, t)
		s.underway.Add(1)
		defer s.underway.Add(-1)
		next(c)
		s.line(c, t, c.Response.StatusCode(), time.Since(t.began))
	}
}

// Underway is how many requests are being served.
func (s *Server) Underway() int { return int(s.underway.Load()) }

func (s *Server) line(c *fasthttp.RequestCtx, t *trace, status int, took time.Duration) {
	level := slog.LevelInfo
	if t.quiet {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !s.LogRequests || !s.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs, slog.String("method", string(c.Method())), slog.String("route", t.route),
		slog.Int("status", status), slog.Duration("duration", took),
		slog.String("request", string(c.Response.Header.Peek(requestID))))
	if client := s.client(c); client.IsValid() {
		attrs = append(attrs, slog.String("client", client.String()))
	}
	for _, a := range []slog.Attr{slog.String("tenant", t.tenant), slog.String("key", t.key), slog.String("code", t.code)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	s.Log.LogAttrs(ctx, level, "request", attrs...)
}

// trace notes which route a request came to, and has its id travel with what it asks for.
func (r *request) trace(path string) {
	t, _ := traceOf(r.Context())
	t.route, t.quiet = path, path == "/healthz" || path == "/readyz"
	r.ctx = logging.WithCaller(r.ctx, logging.Caller{Request: answeredID(r.Ctx)})
}

// identify notes who makes the request.
func (r *request) identify(tenant, key string) {
	r.tenant, r.caller = tenant, key
	t, _ := traceOf(r.Context())
	t.tenant, t.key = tenant, key
	who := logging.CallerOf(r.ctx)
	who.Tenant, who.Key = tenant, key
	r.ctx = logging.WithCaller(r.ctx, who)
}

// tell writes what a request was refused with, where that is of interest beside its line:
// a mistake of ours, something that is not available, a credential or a signature.
func (s *Server) tell(c *fiber.Ctx, status int, code, id string, err error) {
	t, handled := traceOf(c.Context())
	if t.code = code; !handled { // package wire tells of what is more than one client's fault
		s.line(c.Context(), t, status, 0)
		return
	}
	attrs := []slog.Attr{slog.String("code", code), slog.String("route", t.route), slog.String("request", id)}
	if t.key != "" {
		attrs = append(attrs, slog.String("key", t.key), slog.String("tenant", t.tenant))
	}
	switch {
	case code == codeNoRoom: // the caller comes again; nothing is broken
		s.crowded.Note(context.Background(), code, attrs...)
	case status >= fiber.StatusInternalServerError && status != fiber.StatusNotImplemented: // that is the client's
		s.Log.LogAttrs(context.Background(), slog.LevelError, "request failed",
			append(attrs, slog.String("method", c.Method()), slog.Int("status", status), slog.Any("error", err))...)
	case status == fiber.StatusUnauthorized, status == fiber.StatusForbidden:
		s.refusals.Note(context.Background(), code, attrs...)
	case fault.From(err).Code == "invalid_signature":
		hook := strings.Clone(c.Params("route"))
		s.signatures.Note(context.Background(), hook, append(attrs, slog.String("type", hook), slog.Any("error", err))...)
	}
}

// act tells what a person asked for beside what callers do, and what became of it.
func (s *Server) act(r *request, action, object string, err error) {
	logging.Act(r.ctx, s.Log, action, r.caller, err, slog.String(object, r.id()))
}
