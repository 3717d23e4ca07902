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

// ParseKey reads an Idempotency-Key.
var ParseKey = parseKey

// SetLimits makes a server that does not serve yet less patient than the one
// that is sold: nobody waits five seconds for a test.
func (s *Server) SetLimits(change func(*wire.Limits)) { change(&s.Connections.Limits) }

// SetBodyPatience makes requests wait less for memory, for the same reason.
func (s *Server) SetBodyPatience(d time.Duration) { s.bodies.patience = d }

// BodyBudget bounds the bodies in memory.
type BodyBudget = bodyBudget

// NewBodyBudget makes a budget of some bytes.
var NewBodyBudget = newBodyBudget

// Reserve takes bytes for a tenant.
func (b *bodyBudget) Reserve(ctx context.Context, tenant string, n int64) (release func(), ok bool) {
	return b.reserve(ctx, caller{known: true, name: tenant}, n)
}

// ReserveFor takes bytes for an address of which nothing more is known.
func (b *bodyBudget) ReserveFor(ctx context.Context, address string, n int64) (release func(), ok bool) {
	return b.reserve(ctx, caller{name: address}, n)
}

// Callers is how many callers have, or wait for, anything.
func (b *bodyBudget) Callers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.callers)
}

// SetBodyBytes gives a server that does not serve yet another budget.
func (s *Server) SetBodyBytes(n int64) { s.bodies = newBodyBudget(n) }

// AwaitBodies waits until so many callers have bodies that count.
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

// SetLogger has the library that reads requests after package wire say there what it
// does not understand.
func (s *Server) SetLogger(l fasthttp.Logger) { s.app.Server().Logger = l }

// Tap shows each request to a test before the server looks at it.
func (s *Server) Tap(see func(*fasthttp.RequestCtx)) {
	next := s.app.Server().Handler
	s.app.Server().Handler = func(ctx *fasthttp.RequestCtx) {
		see(ctx)
		next(ctx)
	}
}

// Client is whom the server takes a request to be from.
func (s *Server) Client(ctx *fasthttp.RequestCtx) netip.Addr { return s.client(ctx) }
