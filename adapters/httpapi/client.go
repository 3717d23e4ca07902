package httpapi

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"patchbay/adapters/wire"
	"patchbay/core/fault"
)

// client returns the address that a request comes from, or the zero Addr if it does not
// come over TCP. A trusted proxy names its client in X-Forwarded-For, to which each proxy
// appends the address of its peer. The header is read from its end, as far as trusted
// proxies wrote it; a client may have made up the rest.
func (s *Server) client(c *fasthttp.RequestCtx) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	client := tcp.AddrPort().Addr().Unmap().WithZone("")
	var hops []string
	for _, field := range c.Request.Header.PeekAll(fiber.HeaderXForwardedFor) {
		list := strings.Split(string(field), ",")
		if strings.TrimSpace(list[0]) == "" { // the field that a proxy received was empty
			list = list[1:]
		}
		hops = append(hops, list...)
	}
	for _, hop := range slices.Backward(hops) {
		previous, err := parseHop(strings.TrimSpace(hop))
		if err != nil || !s.trusts(client) {
			break
		}
		client = previous
	}
	return client
}

// trusts reports whether an address belongs to a trusted proxy.
func (s *Server) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(network netip.Prefix) bool { return network.Contains(a) })
}

// parseHop parses an address as proxies write it: some add the port.
func parseHop(text string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr().Unmap().WithZone(""), err
}

// keyHint is the end of each refusal of a caller without a key.
const keyHint = "; make an API key with `patchbay keys create --name NAME` and send it as Authorization: Bearer"

// checkLocal refuses a caller without an API key that is not on this machine, or that may
// act for somebody else. If no key is required, the gateway listens on loopback only.
func (r *request) checkLocal() error {
	if why := wire.NotLocal(&r.Request().Header); why != "" {
		return refuse(fiber.StatusForbidden, "api_key_needed", "without an API key, "+why+keyHint)
	}
	return nil
}

// connectionRetry is the Retry-After, in seconds, for a caller that could not get a
// connection.
const connectionRetry = "1"

// answerUnread answers a request that could not be read, or whose handler panicked.
func (s *Server) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	if reason.Err != nil {
		_ = s.fail(c, fault.Wrap(fault.Internal, "httpapi.panic", reason.Err)) // it writes to memory
		s.logRequest(ctx, ctx.Response.StatusCode())
		return
	}
	if reason.Status == fiber.StatusTooManyRequests || reason.Status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, connectionRetry)
	}
	_ = s.fail(c, reason) // as above
}
