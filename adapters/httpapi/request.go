package httpapi

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payments"
)

const (
	open      = ""       // the scope of a route that anybody may call, from anywhere
	public    = "public" // the scope of a route that needs no key where keys are required
	keyless   = "local"  // the key id of a caller where no key is needed
	requestID = "X-Request-Id"
)

// Names and values of the headers of every answer.
var (
	requestIDName          = []byte(requestID)
	contentTypeOptionsName = []byte(fiber.HeaderXContentTypeOptions)
	cacheControlName       = []byte(fiber.HeaderCacheControl)
	noSniff, noStore       = []byte("nosniff"), []byte("no-store")
)

// local is the identity of a caller without a key, where none is needed.
var local = apikeys.Identity{Tenant: apikeys.DefaultTenant, KeyID: keyless, Scopes: []string{apikeys.All}}

// route is one operation of the API.
type route struct {
	name   string // method and pattern
	scope  string
	limit  int      // in bytes of the body
	params []string // of the query
}

// request is one authorized call of the API.
type request struct {
	*fiber.Ctx
	route  *route
	ctx    context.Context
	cancel context.CancelFunc
	server *Server
	trace  *trace
	bodies *bodyBudget
	held   []func() // these release the memory reserved for the body
	who    apikeys.Identity
	tenant string
	caller string // the id of the key
	object string // the id in the path, decoded
	limit  int    // in bytes of the body
}

// extend moves the deadline of a request by time that was not spent in the store.
func (r *request) extend(d time.Duration) {
	until, _ := r.ctx.Deadline()
	r.cancel()
	r.ctx, r.cancel = context.WithDeadline(context.WithoutCancel(r.ctx), until.Add(d))
}

// end releases the resources of the request.
func (r *request) end() {
	r.cancel()
	for _, release := range r.held {
		release()
	}
}

// id returns the id in the path. It is a copy, because fiber reuses its memory.
func (r *request) id() string { return r.object }

// query returns a copy of a query parameter.
func (r *request) query(name string) string { return strings.Clone(r.Query(name)) }

// handle registers a route for callers with the given scope, with a limit for the body and
// the names of its query parameters.
func (s *Server) handle(method, path, scope string, limit int, serve func(*request) error, params ...string) {
	o := &route{name: method + " " + path, scope: scope, limit: limit, params: params}
	s.app.Add(method, path, func(c *fiber.Ctx) error {
		r := &request{Ctx: c, route: o, limit: limit, server: s, trace: traceOf(c.Context()), bodies: s.bodies}
		r.ctx, r.cancel = context.WithTimeout(context.Background(), s.Deadline)
		defer r.end()
		r.trace.at(path)
		who, err := s.authorize(r, scope)
		r.identify(who)
		if err != nil {
			return err
		}
		if err := r.readTarget(); err != nil {
			return err
		}
		return serve(r)
	})
}

// prepare sets the headers of every answer.
func (s *Server) prepare(c *fiber.Ctx) error {
	s.head(c, traceOf(c.Context()))
	if !wellFormed(c.Path()) {
		return fiber.ErrNotFound
	}
	return c.Next()
}

// requestID returns the id sent with a request, or a new one. It returns a copy, which the
// log may keep: the next request on the connection overwrites the original.
func (s *Server) requestID(c *fiber.Ctx) string {
	if id := c.Get(requestID); plain(id) {
		return strings.Clone(id)
	}
	return s.IDs.New("req")
}

func (s *Server) head(c *fiber.Ctx, t *trace) {
	t.request = s.requestID(c)
	h := &c.Response().Header
	h.SetCanonical(requestIDName, []byte(t.request))
	h.SetCanonical(contentTypeOptionsName, noSniff)
	h.SetCanonical(cacheControlName, noStore)
}

// unknownMethods answers methods that fiber does not know. Fiber would answer them without
// calling ErrorHandler.
func (s *Server) unknownMethods(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(fiber.DefaultMethods, string(ctx.Method())) {
			next(ctx)
			return
		}
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		_ = s.fail(c, fiber.ErrNotImplemented) // it writes to memory
	}
}

// plain reports whether an id sent by a caller is safe to log.
func plain(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.:", r))
	})
}

// authorize returns the identity of a caller that has the scope.
func (s *Server) authorize(r *request, scope string) (apikeys.Identity, error) {
	if scope == open || scope == public && s.KeysRequired {
		return apikeys.Identity{}, nil
	}
	header := r.Get(fiber.HeaderAuthorization)
	if len(r.Request().Header.PeekAll(fiber.HeaderAuthorization)) > 1 { // a proxy may have checked another one than we would
		return apikeys.Identity{}, unauthorized(r.Ctx, "send one Authorization only")
	}
	if header == "" && !s.KeysRequired {
		return local, r.checkLocal()
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return apikeys.Identity{}, unauthorized(r.Ctx, "send an API key as Authorization: Bearer")
	}
	ctx := logging.WithCaller(r.ctx, logging.Caller{Request: r.trace.request})
	who, err := s.APIKeys.Authenticate(ctx, strings.Clone(token))
	switch {
	case fault.Is(err, fault.Unauthorized):
		r.trace.key = apikeys.EndedKey(err)
		return apikeys.Identity{}, unauthorized(r.Ctx, "the API key is not valid")
	case err != nil:
		return apikeys.Identity{}, err
	case scope != public && !who.Allows(scope):
		return who, refuse(fiber.StatusForbidden, "scope_missing", "the API key lacks the scope "+scope)
	}
	return who, nil
}

func unauthorized(c *fiber.Ctx, message string) error {
	c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="patchbay"`)
	return refuse(fiber.StatusUnauthorized, "unauthorized", message)
}

func (r *request) tooLarge() error {
	return refuse(fiber.StatusRequestEntityTooLarge, "body_too_large",
		"the body may have at most "+strconv.Itoa(r.limit)+" bytes")
}

// page reads the cursor and the limit of a list.
func (r *request) page() (cursor string, limit int, err error) {
	limit = 20
	if text := r.query("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			return "", 0, fault.InvalidParam("limit", "invalid_limit", "limit must be 1 to 100")
		}
	}
	return r.query("cursor"), limit, nil
}

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
