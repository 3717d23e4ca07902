package httpapi

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payments"
	"patchbay/core/webhooks"
)

// logEntry holds what is logged about a request.
type logEntry struct {
	handled bool // it reached the handler
	began   time.Time
	request string // the id in the answer
	route   string // the route's pattern, empty if there is none
	tenant  string
	key     string // the id of the API key
	code    string // of the error in the answer
}

const logEntryValue = "patchbay.log"

// logEntryOf returns the logEntry of a request.
func logEntryOf(c *fasthttp.RequestCtx) *logEntry {
	if e, ok := c.UserValue(logEntryValue).(*logEntry); ok {
		return e
	}
	e := new(logEntry)
	c.SetUserValue(logEntryValue, e)
	return e
}

// logged writes a line for each request.
func (s *Server) logged(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(c *fasthttp.RequestCtx) {
		e := logEntryOf(c)
		e.handled, e.began = true, time.Now()
		s.underway.Add(1)
		defer s.underway.Add(-1)
		next(c)
		s.logRequest(c, c.Response.StatusCode())
	}
}

// Underway returns the number of requests in progress.
func (s *Server) Underway() int { return int(s.underway.Load()) }

// logRequest writes the line of a request. The frequent health checks are logged at debug
// level.
func (s *Server) logRequest(c *fasthttp.RequestCtx, status int) {
	e := logEntryOf(c)
	level := slog.LevelInfo
	if e.route == "/healthz" || e.route == "/readyz" {
		level = slog.LevelDebug
	}
	if !s.LogRequests || !s.Log.Enabled(context.Background(), level) {
		return
	}
	var took time.Duration
	if e.handled {
		took = time.Since(e.began)
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs, slog.String("method", string(c.Method())), slog.String("route", e.route),
		slog.Int("status", status), slog.Duration("duration", took), slog.String("request", e.request))
	if client := s.client(c); client.IsValid() {
		attrs = append(attrs, slog.String("client", client.String()))
	}
	attrs = append(attrs, nonEmpty(slog.String("tenant", e.tenant), slog.String("key", e.key), slog.String("code", e.code))...)
	logging.Request(s.Log, level, attrs)
}

// nonEmpty returns the attributes that have a value.
func nonEmpty(attrs ...slog.Attr) []slog.Attr {
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Value.String() == "" })
}

// logFailure logs why a request was refused, if that deserves more than the request's line:
// an internal error, an unavailable dependency, a refused credential or a refused signature.
func (s *Server) logFailure(c *fiber.Ctx, status int, code string, err error) {
	e := logEntryOf(c.Context())
	if e.code = code; !e.handled { // package wire logs problems that are more than one client's fault
		s.logRequest(c.Context(), status)
		return
	}
	attrs := []slog.Attr{slog.String("code", code), slog.String("route", e.route), slog.String("request", e.request)}
	attrs = append(attrs, nonEmpty(slog.String("key", e.key), slog.String("tenant", e.tenant))...)
	switch {
	case code == payments.CodeRestored, code == emails.CodeHeld: // what both follow from is logged separately, as is its end
	case code == codeNoMemory: // the caller retries; nothing is broken
		s.memoryRefusals.Note(context.Background(), code, attrs...)
	case code == webhooks.CodeNoKeys: // the provider sends it again; nothing is broken
		s.noteWebhook(c, &s.keylessRefusals, attrs, err)
	case status >= fiber.StatusInternalServerError && status != fiber.StatusNotImplemented: // 501 is the client's fault
		s.Log.LogAttrs(context.Background(), slog.LevelError, "request failed",
			append(attrs, slog.String("method", c.Method()), slog.Int("status", status), slog.Any("error", err))...)
	case status == fiber.StatusUnauthorized, status == fiber.StatusForbidden:
		client := s.client(c.Context()).String()
		s.credentialRefusals.Note(context.Background(), code+" "+client, append(attrs, slog.String("client", client))...)
	case fault.From(err).Code == "invalid_signature":
		s.noteWebhook(c, &s.signatureRefusals, attrs, err)
	}
}

// noteWebhook logs why a webhook was refused, once a minute for each route.
func (s *Server) noteWebhook(c *fiber.Ctx, to *logging.Repeated, attrs []slog.Attr, err error) {
	hook := strings.Clone(c.Params("route"))
	to.Note(context.Background(), hook, append(attrs, slog.String("type", hook), slog.Any("error", err))...)
}

// logAction logs what a person did to an object through the API, and its result.
func (r *request) logAction(action, object string, err error) {
	logging.Act(r.ctx, r.server.Log, action, r.caller.KeyID, err, slog.String(object, r.id))
}

// logSet is logAction for an action on a set of objects.
func (r *request) logSet(action string, err error, objects int) {
	logging.Act(r.ctx, r.server.Log, action, r.caller.KeyID, err, slog.Int("count", objects))
}

// loggable reports whether an id sent by a caller is safe to log.
func loggable(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, alphanumeric+"-_.:") == ""
}
