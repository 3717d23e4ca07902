package httpapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/logging"
)

const (
	open       = ""       // the scope of a route that anybody may call, from anywhere
	public     = "public" // the scope of a route that needs no key where keys are required
	localKeyID = "local"  // the key id of a caller where no key is needed
	requestID  = "X-Request-Id"
)

// local is the identity of a caller without a key, where none is needed.
var local = apikeys.Identity{Tenant: apikeys.DefaultTenant, KeyID: localKeyID, Scopes: []string{apikeys.All}}

// route is one operation of the API.
type route struct {
	name   string // method and pattern
	scope  string
	limit  int      // in bytes of the body
	params []string // of the query; see object
}

// request is one call of the API.
type request struct {
	*fiber.Ctx
	route    *route
	ctx      context.Context
	cancel   context.CancelFunc
	server   *Server
	log      *logEntry
	reserved []func() // these release the memory reserved for the body
	caller   apikeys.Identity
	id       string // in the path, decoded
}

// handler serves a request. It returns the model to answer with, or nil if it has written
// the response itself.
type handler func(*request) (model any, err error)

// withBody returns a handler that decodes the body, and passes it on with the caller's
// idempotency key.
func withBody[Body any](serve func(*request, Body, idempotency.Key) (any, error)) handler {
	return func(r *request) (any, error) {
		var body Body
		key, err := r.decode(&body)
		if err != nil {
			return nil, err
		}
		return serve(r, body, key)
	}
}

// withPage returns a handler that reads the cursor and the limit of a list.
func withPage(serve func(r *request, cursor string, limit int) (any, error)) handler {
	return func(r *request) (any, error) {
		limit := 20
		if text := r.Query("limit"); text != "" {
			var err error
			if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
				return nil, fault.InvalidParam("limit", "invalid_limit", "limit must be 1 to 100")
			}
		}
		return serve(r, r.Query("cursor"), limit)
	}
}

// views returns the view of each value.
func views[Value, View any](values []Value, view func(Value) View) []View {
	all := make([]View, len(values))
	for i, value := range values {
		all[i] = view(value)
	}
	return all
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
	for _, release := range r.reserved {
		release()
	}
}

// Fiber reuses the memory of what it reads from a request for the next one on the connection. What is handled may
// be kept for longer, such as the id of a webhook, so these methods, which hide fiber's, return copies.

// Get returns a header.
func (r *request) Get(name string) string { return strings.Clone(r.Ctx.Get(name)) }

// Params returns a part of the path.
func (r *request) Params(name string) string { return strings.Clone(r.Ctx.Params(name)) }

// Query returns a query parameter.
func (r *request) Query(name string) string { return strings.Clone(r.Ctx.Query(name)) }

// queries returns copies of the values of a query parameter that has one for each key, by key.
func (r *request) queries(name string) map[string]string {
	values := make(map[string]string)
	for key, value := range r.Context().QueryArgs().All() {
		if of, key := splitKey(string(key)); of == name+object {
			values[key] = string(value)
		}
	}
	return values
}

// queryAddress returns a query parameter that is an address, or "" if it is not there. A blank in what is no
// address comes from a plus sign: nothing would be found by it, which looks like an answer.
func (r *request) queryAddress(name string) (string, error) {
	text := r.Query(name)
	if _, err := email.ParseAddress(text); err != nil && strings.Contains(text, " ") {
		return "", fault.InvalidParam(name, "invalid_"+name, name+" must be one address such as ada@example.com")
	}
	return text, nil
}

// explained returns err, and says of a parameter with a blank where that may come from: an address with a
// plus sign, or a time with the offset +01:00.
func (r *request) explained(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Invalid || !slices.Contains(r.route.params, f.Param) || !strings.Contains(r.Query(f.Param), " ") {
		return err
	}
	more := *f
	more.Message += "; a + in a query means a blank: write it as %2B"
	return &more
}

// queryTime returns a query parameter that is a time, or the zero time if it is not there.
func (r *request) queryTime(name string) (time.Time, error) {
	text := r.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.InvalidParam(name, "invalid_time", name+" must be a time such as 2026-11-30T12:00:00Z")
	}
	return at, nil
}

// handle registers a route for callers with the given scope, with a limit for the body and
// the names of its query parameters.
func (s *Server) handle(method, path, scope string, limit int, serve handler, params ...string) {
	o := &route{name: method + " " + path, scope: scope, limit: limit, params: params}
	s.app.Add(method, path, func(c *fiber.Ctx) error {
		r := &request{Ctx: c, route: o, server: s, log: logEntryOf(c.Context())}
		r.ctx, r.cancel = context.WithTimeout(context.Background(), s.Deadline)
		r.ctx = logging.WithCaller(r.ctx, logging.Caller{Request: r.log.request})
		defer r.end()
		r.log.route = path
		if err := r.authorize(); err != nil {
			return err
		}
		if err := r.readTarget(); err != nil {
			return err
		}
		model, err := serve(r)
		if err != nil || model == nil {
			return r.explained(err)
		}
		return r.answer(model)
	})
}

// prepare sets the headers of every answer.
func (s *Server) prepare(c *fiber.Ctx) error {
	s.setHeaders(c)
	if !wellFormed(c.Path()) {
		return fiber.ErrNotFound
	}
	return c.Next()
}

// setHeaders sets the headers of every answer. The id of the request is the one that was
// sent, or a new one.
func (s *Server) setHeaders(c *fiber.Ctx) {
	id := strings.Clone(c.Get(requestID)) // the log may keep it, and fiber reuses its memory
	if !loggable(id) {
		id = s.IDs.New("req")
	}
	logEntryOf(c.Context()).request = id
	c.Set(requestID, id)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderCacheControl, "no-store")
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

// authorize identifies the caller, and checks that it has the route's scope.
func (r *request) authorize() error {
	s, scope := r.server, r.route.scope
	if scope == open || scope == public && s.KeysRequired {
		return nil
	}
	header := r.Get(fiber.HeaderAuthorization)
	if len(r.Request().Header.PeekAll(fiber.HeaderAuthorization)) > 1 { // a proxy may have checked another one than we would
		return r.unauthorized("send one Authorization only")
	}
	if header == "" && !s.KeysRequired {
		r.identify(local)
		return r.checkLocal()
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return r.unauthorized("send an API key as Authorization: Bearer")
	}
	caller, err := s.APIKeys.Authenticate(r.ctx, token)
	if fault.Is(err, fault.Unauthorized) {
		r.log.key = apikeys.EndedKey(err)
		return r.unauthorized("the API key is not valid")
	}
	if err != nil {
		return err
	}
	r.identify(caller)
	if scope != public && !caller.Allows(scope) {
		return refuse(fiber.StatusForbidden, "scope_missing", "the API key lacks the scope "+scope)
	}
	return nil
}

// identify records the caller, and adds it to the request's context.
func (r *request) identify(caller apikeys.Identity) {
	r.caller = caller
	r.log.tenant, r.log.key = caller.Tenant, caller.KeyID
	r.ctx = logging.WithCaller(r.ctx, logging.Caller{Request: r.log.request, Tenant: caller.Tenant, Key: caller.KeyID})
}

func (r *request) unauthorized(message string) error {
	r.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="patchbay"`)
	return refuse(fiber.StatusUnauthorized, "unauthorized", message)
}
