package wire

import (
	"bytes"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// NotLocal says why a request is not taken for one that somebody on this machine
// makes for himself, and is empty for one that is. It is for listeners on loopback
// that ask for no API key: a proxy on this machine, and any page in a browser on it,
// can reach those too. The proxy shows itself by the host it was asked for or by what
// it adds, the page by the headers that a page cannot leave out.
func NotLocal(r *fasthttp.RequestHeader) (why string) {
	if !loopback(r.Host()) {
		return "only requests to localhost, 127.0.0.0/8 or ::1 are answered"
	}
	if !r.IsHTTP11() {
		// What nginx speaks where it is told no more than proxy_pass. It names us as
		// the host then, and adds nothing.
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

// ownSite reports whether a request is of our own pages or of nobody's, or leads from a
// page on this machine, such as the console's, to another.
func ownSite(site string, link bool) bool {
	return site == "same-origin" || site == "none" || site == "same-site" && link
}

// follows reports whether a browser asks for a page to show in place of the one before,
// which cannot read it.
func follows(r *fasthttp.RequestHeader) bool {
	return r.IsGet() && string(r.Peek("Sec-Fetch-Mode")) == "navigate" && string(r.Peek("Sec-Fetch-Dest")) == "document"
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host []byte) bool {
	name := host
	if bytes.HasPrefix(host, []byte("[")) {
		end := bytes.IndexByte(host, ']')
		if end < 0 || !port(host[end+1:]) {
			return false
		}
		a, err := netip.ParseAddr(string(host[1:end]))
		return err == nil && a == netip.IPv6Loopback()
	}
	if colon := bytes.IndexByte(host, ':'); colon >= 0 {
		if !port(host[colon:]) {
			return false
		}
		name = host[:colon]
	}
	if string(name) == "127.0.0.1" || bytes.EqualFold(name, []byte("localhost")) {
		return true
	}
	a, err := netip.ParseAddr(string(name))
	return err == nil && a.Is4() && a.IsLoopback()
}

// port reports whether what follows a host is nothing, or a colon and digits.
func port(text []byte) bool {
	return len(text) == 0 || text[0] == ':' && len(bytes.Trim(text[1:], "0123456789")) == 0
}

// sameOrigin reports whether an Origin is that of the listener's own pages, which are
// served over plain HTTP.
func sameOrigin(origin, host []byte) bool {
	const scheme = "http://"
	return len(origin) == len(scheme)+len(host) && bytes.EqualFold(origin[:len(scheme)], []byte(scheme)) && bytes.EqualFold(origin[len(scheme):], host)
}

// forwarding reports whether a header, in its canonical spelling, is one that
// proxies add to the requests they pass on.
func forwarding(name []byte) bool {
	switch string(name) {
	case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Client-Ip",
		"Cf-Connecting-Ip", "Cf-Ray", "Cdn-Loop", "Fastly-Client-Ip", "Fly-Client-Ip", "X-Appengine-User-Ip",
		"X-Azure-Clientip", "X-Envoy-External-Address", "X-Original-Host", "X-Proxyuser-Ip", "X-Arr-Log-Id":
		return true
	}
	return bytes.HasPrefix(name, []byte("X-Forwarded"))
}
