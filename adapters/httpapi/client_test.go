package httpapi_test

import (
	"io"
	"net/netip"
	"testing"

	"github.com/valyala/fasthttp"

	"patchbay/adapters/httpapi"
)

func TestTheClientIsTheLastAddressBeforeTheTrustedProxies(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, trusted, header, want string }{
		{"a request without the header", "10.0.0.0/8", "", "127.0.0.1"},
		{"an untrusted peer that names another", "10.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
		{"a proxy that names its client", "127.0.0.1/32", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
		{"a proxy without the header", "127.0.0.1/32", "", "127.0.0.1"},
		{"a proxy with an empty field", "127.0.0.1/32", "X-Forwarded-For:\r\n", "127.0.0.1"},
		{"an address that the client has forged", "127.0.0.1/32", "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n", "192.0.2.2"},
		{"two proxies", "127.0.0.0/8", "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.2\r\n", "192.0.2.2"},
		{"two proxies with a field each", "127.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Forwarded-For: 127.0.0.2\r\n", "192.0.2.2"},
		{"trusted proxies only: the first of them", "127.0.0.0/8", "X-Forwarded-For: 127.0.0.3, 127.0.0.2\r\n", "127.0.0.3"},
		{"a name that is no address", "127.0.0.1/32", "X-Forwarded-For: 192.0.2.1, unknown\r\n", "127.0.0.1"},
		{"an address with its port", "127.0.0.1/32", "X-Forwarded-For: 192.0.2.1:4000\r\n", "192.0.2.1"},
		{"an empty entry before the proxy's", "127.0.0.0/8", "X-Forwarded-For: 192.0.2.1, , 127.0.0.2\r\n", "127.0.0.2"},
		{"an empty field before the proxy's entry", "127.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: , 127.0.0.2\r\n", "192.0.2.1"},
		{"IPv6", "127.0.0.1/32", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
		{"IPv6 with its port", "127.0.0.1/32", "X-Forwarded-For: [2001:db8::1]:4000\r\n", "2001:db8::1"},
		{"IPv4 mapped into IPv6", "127.0.0.1/32", "X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan netip.Addr, 1)
			r := serve(t, func(s *httpapi.Server) {
				s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(row.trusted)}
				s.Tap(func(ctx *fasthttp.RequestCtx) { seen <- s.Client(ctx) })
			})
			c := r.dial(t)
			if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n"+row.header+"\r\n"); err != nil {
				t.Fatal(err)
			}
			if got := <-seen; got != netip.MustParseAddr(row.want) {
				t.Errorf("client = %s, want %s", got, row.want)
			}
		})
	}
}
