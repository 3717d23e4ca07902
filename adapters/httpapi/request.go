package httpapi

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/core/logging"
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
