package wire

import (
	"bytes"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// NotLocal returns why a request is not accepted as one made on this machine for itself, or
// "" if it is. It is for listeners on loopback that require no API key: a proxy on this
// machine, and any page in a browser on it, can reach those too. A proxy is recognised by
// the requested host or by the headers it adds, a page by the headers that a page cannot
// omit.
func NotLocal(r *fasthttp.RequestHeader) (why string) {
	if !loopback(r.Host()) {
		return "only requests to localhost, 127.0.0.0/8 or ::1 are answered"
	}
	if !r.IsHTTP11() {
		// nginx speaks HTTP/1.0 if only proxy_pass is configured. It then sends our address
		// as the host, and adds no headers.
		return "nothing that comes over HTTP/1.0 is answered, which is what proxies speak"
	}
	link := follows(r)
	for name, value := range r.All() {
		switch {
		case string(name) == "Origin" && !sameOrigin(value, r.Host()),
			string(name) == "Sec-Fetch-Site" && !ownSite(string(value), link):
			return "no page of another origin is answered"
		case forwarding(name):
			return "nothing that comes through a proxy is answered"
		}
	}
	return ""
}

// ownSite reports whether a request comes from our own pages, from no page, or from
// following a link on another page on this machine, such as one of the console.
func ownSite(site string, link bool) bool {
	return site == "same-origin" || site == "none" || site == "same-site" && link
}

// follows reports whether a browser navigates to a page that replaces the previous one, so
// that the previous page cannot read it.
func follows(r *fasthttp.RequestHeader) bool {
	return r.IsGet() && string(r.Peek("Sec-Fetch-Mode")) == "navigate" && string(r.Peek("Sec-Fetch-Dest")) == "document"
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host []byte) bool {
	name, ok := cutPort(host)
	if !ok {
		return false
	}
	if inside, bracketed := bytes.CutPrefix(name, []byte("[")); bracketed {
		inside, closed := bytes.CutSuffix(inside, []byte("]"))
		a, _ := netip.ParseAddr(string(inside)) // the zero Addr is not loopback
		return closed && a == netip.IPv6Loopback()
	}
	if string(name) == "127.0.0.1" || bytes.EqualFold(name, []byte("localhost")) { // as in most requests
		return true
	}
	a, _ := netip.ParseAddr(string(name)) // as above
	return a.Is4() && a.IsLoopback()
}

// sameOrigin reports whether an Origin is that of the listener's own pages, which are
// served over plain HTTP.
func sameOrigin(origin, host []byte) bool {
	const scheme = "http://"
	return len(origin) == len(scheme)+len(host) && bytes.EqualFold(origin[:len(scheme)], []byte(scheme)) && bytes.EqualFold(origin[len(scheme):], host)
}

// forwarding reports whether a header, in its canonical spelling, is one that proxies add
// to the requests they forward.
func forwarding(name []byte) bool {
	switch string(name) {
	case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Client-Ip",
		"Cf-Connecting-Ip", "Cf-Ray", "Cdn-Loop", "Fastly-Client-Ip", "Fly-Client-Ip", "X-Appengine-User-Ip",
		"X-Azure-Clientip", "X-Envoy-External-Address", "X-Original-Host", "X-Proxyuser-Ip", "X-Arr-Log-Id":
		return true
	}
	return bytes.HasPrefix(name, []byte("X-Forwarded"))
}
