package httpapi

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payments"
)

// trace holds what is logged about a request.
type trace struct {
	handled bool // it reached the handler
	began   time.Time
	request string // the id in the answer
	route   string // the route's pattern, empty if there is none
	tenant  string
	key     string // the id of the API key
	code    string // of the error in the answer
	quiet   bool   // a frequent health check
}

const traceValue = "patchbay.trace"

// traceOf returns the trace of a request.
func traceOf(c *fasthttp.RequestCtx) *trace {
	if t, ok := c.UserValue(traceValue).(*trace); ok {
		return t
	}
	t := new(trace)
	c.SetUserValue(traceValue, t)
	return t
}

// logged writes a line for each request.
func (s *Server) logged(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(c *fasthttp.RequestCtx) {
		t := &trace{handled: true, began: time.Now()}
		c.SetUserValue(traceValue, t)
		s.underway.Add(1)
		defer s.underway.Add(-1)
		next(c)
		s.line(c, t, c.Response.StatusCode(), time.Since(t.began))
	}
}

// Underway returns the number of requests in progress.
func (s *Server) Underway() int { return int(s.underway.Load()) }

func (s *Server) line(c *fasthttp.RequestCtx, t *trace, status int, took time.Duration) {
	level := slog.LevelInfo
	if t.quiet {
		level = slog.LevelDebug
	}
	if !s.LogRequests || !s.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs, slog.String("method", string(c.Method())), slog.String("route", t.route),
		slog.Int("status", status), slog.Duration("duration", took), slog.String("request", t.request))
	if client := s.client(c); client.IsValid() {
		attrs = append(attrs, slog.String("client", client.String()))
	}
	attrs = append(attrs, given(slog.String("tenant", t.tenant), slog.String("key", t.key), slog.String("code", t.code))...)
	logging.Request(s.Log, level, attrs)
}

// given returns the attributes that have a value.
func given(attrs ...slog.Attr) []slog.Attr {
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Value.String() == "" })
}

// at records the route of a request.
func (t *trace) at(path string) {
	t.route, t.quiet = path, path == "/healthz" || path == "/readyz"
}

// identify records who makes the request, and adds the caller to the request's context.
func (r *request) identify(who apikeys.Identity) {
	r.who, r.tenant, r.caller = who, who.Tenant, who.KeyID
	r.trace.tenant, r.trace.key = who.Tenant, who.KeyID
	r.ctx = logging.WithCaller(r.ctx, logging.Caller{Request: r.trace.request, Tenant: who.Tenant, Key: who.KeyID})
}

// tell logs why a request was refused, if that deserves more than the request's line: an
// internal error, an unavailable dependency, a refused credential or a refused signature.
func (s *Server) tell(c *fiber.Ctx, status int, code string, err error) {
	t := traceOf(c.Context())
	if t.code = code; !t.handled { // package wire logs problems that are more than one client's fault
		s.line(c.Context(), t, status, 0)
		return
	}
	attrs := []slog.Attr{slog.String("code", code), slog.String("route", t.route), slog.String("request", t.request)}
	attrs = append(attrs, given(slog.String("key", t.key), slog.String("tenant", t.tenant))...)
	switch {
	case code == payments.CodeRestored: // logged separately, as is its end
	case code == codeNoRoom: // the caller retries; nothing is broken
		s.crowded.Note(context.Background(), code, attrs...)
	case status >= fiber.StatusInternalServerError && status != fiber.StatusNotImplemented: // 501 is the client's fault
		s.Log.LogAttrs(context.Background(), slog.LevelError, "request failed",
			append(attrs, slog.String("method", c.Method()), slog.Int("status", status), slog.Any("error", err))...)
	case status == fiber.StatusUnauthorized, status == fiber.StatusForbidden:
		client := s.client(c.Context()).String()
		s.refusals.Note(context.Background(), code+" "+client, append(attrs, slog.String("client", client))...)
	case fault.From(err).Code == "invalid_signature":
		hook := strings.Clone(c.Params("route"))
		s.signatures.Note(context.Background(), hook, append(attrs, slog.String("type", hook), slog.Any("error", err))...)
	}
}

// act logs an action that a person requested through the API, and its result.
func (s *Server) act(r *request, action, object string, err error) {
	logging.Act(r.ctx, s.Log, action, r.caller, err, slog.String(object, r.id()))
}
