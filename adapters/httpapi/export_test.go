package httpapi

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
)

// ParseKey parses an Idempotency-Key.
var ParseKey = parseKey

// SetLimits shortens the time limits of a server that does not serve yet, so that tests do not
// wait for seconds.
func (s *Server) SetLimits(change func(*wire.Limits)) { change(&s.Connections.Limits) }

// SetBodyPatience shortens the wait for memory, for the same reason.
func (s *Server) SetBodyPatience(d time.Duration) { s.bodies.maxWait = d }

// BodyBudget bounds the bodies in memory.
type BodyBudget = bodyBudget

// NewBodyBudget makes a budget of n bytes.
var NewBodyBudget = newBodyBudget

// Reserve reserves bytes for a tenant.
func (b *bodyBudget) Reserve(ctx context.Context, tenant string, n int64) (release func(), ok bool) {
	return b.reserve(ctx, bodyOwner{known: true, name: tenant}, n)
}

// ReserveFor reserves bytes for an address whose tenant is not known.
func (b *bodyBudget) ReserveFor(ctx context.Context, address string, n int64) (release func(), ok bool) {
	return b.reserve(ctx, bodyOwner{name: address}, n)
}

// Callers returns how many callers hold bytes or wait for some.
func (b *bodyBudget) Callers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.callers)
}

// SetBodyBytes sets the budget of a server that does not serve yet.
func (s *Server) SetBodyBytes(n int64) { s.bodies = newBodyBudget(n) }

// AwaitBodies waits until n callers hold bytes.
func (s *Server) AwaitBodies(t *testing.T, callers int) {
	t.Helper()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.bodies.Callers() < callers {
		select {
		case <-end.C:
			t.Fatal("no body is being read")
		case <-tick.C:
		}
	}
}

// Routes lists the operations of the API.
func (s *Server) Routes() (all []fiber.Route) {
	for _, r := range s.app.GetRoutes(true) {
		if r.Method != fiber.MethodHead {
			all = append(all, r)
		}
	}
	return all
}

// SetLogger sets where the library that reads requests after package wire logs what it does not
// understand.
func (s *Server) SetLogger(l fasthttp.Logger) { s.app.Server().Logger = l }

// Tap passes each request to a test before the server reads it.
func (s *Server) Tap(see func(*fasthttp.RequestCtx)) {
	next := s.app.Server().Handler
	s.app.Server().Handler = func(ctx *fasthttp.RequestCtx) {
		see(ctx)
		next(ctx)
	}
}

// Client returns the address that the server takes for the client of a request.
func (s *Server) Client(ctx *fasthttp.RequestCtx) netip.Addr { return s.client(ctx) }
