package httpapi

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

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
	if !s.trusts(client) {
		return client
	}
	fields := c.Request.Header.PeekAll(fiber.HeaderXForwardedFor)
	for i := len(fields) - 1; i >= 0; i-- {
		rest, last, more := string(fields[i]), "", true
		for more {
			if !s.trusts(client) {
				return client
			}
			if rest, last, more = cutLast(rest); last == "" && !more {
				break // an empty field
			}
			before, err := parseHop(last)
			if err != nil {
				return client
			}
			client = before
		}
	}
	return client
}

// trusts reports whether an address belongs to a trusted proxy.
func (s *Server) trusts(a netip.Addr) bool {
	for _, network := range s.TrustedProxies {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// cutLast cuts the last item off a list.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.TrimSpace(list), false
	}
	return list[:i], strings.TrimSpace(list[i+1:]), true
}

// parseHop parses an address as proxies write it: some add the port.
func parseHop(text string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr().Unmap().WithZone(""), err
}

// makeKey is the end of each refusal of a caller without a key.
const makeKey = "; make an API key with `patchbay keys create --name NAME` and send it as Authorization: Bearer"

// checkLocal refuses a caller without an API key that is not on this machine, or that may
// act for somebody else. If no key is required, the gateway listens on loopback only.
func (r *request) checkLocal() error {
	if why := wire.NotLocal(&r.Request().Header); why != "" {
		return refuse(fiber.StatusForbidden, "api_key_needed", "without an API key, "+why+makeKey)
	}
	return nil
}

// connectionRetry is the Retry-After for a caller that could not get a connection.
const connectionRetry = time.Second

// answerUnread answers a request that could not be read, or whose handler panicked.
func (s *Server) answerUnread(ctx *fasthttp.RequestCtx, reason *wire.Refusal) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	if reason.Err != nil {
		_ = s.fail(c, fault.Wrap(fault.Internal, "httpapi.panic", reason.Err)) // it writes to memory
		t := traceOf(ctx)
		s.line(ctx, t, ctx.Response.StatusCode(), time.Since(t.began))
		return
	}
	if reason.Status == fiber.StatusTooManyRequests || reason.Status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(connectionRetry.Seconds())))
	}
	_ = s.fail(c, unread(reason)) // as above
}

// unread converts the error of a request or body that could not be read.
func unread(err error) error {
	var r *wire.Refusal
	if errors.As(err, &r) {
		return refuse(r.Status, r.Code, r.Message)
	}
	return err
}
