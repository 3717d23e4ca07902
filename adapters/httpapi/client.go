package httpapi

import (
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
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
