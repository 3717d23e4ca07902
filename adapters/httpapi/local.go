package httpapi

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// makeKey ends each refusal of a caller without a key.
const makeKey = "; make an API key with `patchbay keys create --name NAME` and send it as Authorization: Bearer"

// checkLocal refuses a caller without an API key who is not on this machine, or
// who may act for somebody else. Where no key is required the gateway listens on
// loopback only, but a proxy on this machine, and any page in a browser on it,
// can reach that too: the proxy shows itself by the host it was asked for or by
// what it adds, the page by the headers that a page cannot leave out.
func (r *request) checkLocal() error {
	host := r.Get(fiber.HeaderHost)
	if !loopback(host) {
		return keyNeeded("without an API key, only requests to localhost, 127.0.0.0/8 or ::1 are answered")
	}
	if !r.Request().Header.IsHTTP11() {
		// What nginx speaks where it is told no more than proxy_pass. It names us as
		// the host then, and adds nothing.
		return keyNeeded("without an API key, nothing that comes over HTTP/1.0 is answered, which is what proxies speak")
	}
	for name, value := range r.Request().Header.All() {
		switch {
		case string(name) == fiber.HeaderOrigin && !sameOrigin(value, host),
			string(name) == "Sec-Fetch-Site" && string(value) != "same-origin" && string(value) != "none":
			return keyNeeded("without an API key, no page of another origin is answered")
		case forwarding(name):
			return keyNeeded("without an API key, nothing that comes through a proxy is answered")
		}
	}
	return nil
}

func keyNeeded(why string) error {
	return refuse(fiber.StatusForbidden, "api_key_needed", why+makeKey)
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	name := host
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || !port(host[end+1:]) {
			return false
		}
		a, err := netip.ParseAddr(host[1:end])
		return err == nil && a == netip.IPv6Loopback()
	}
	if colon := strings.IndexByte(host, ':'); colon >= 0 {
		if !port(host[colon:]) {
			return false
		}
		name = host[:colon]
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Is4() && a.IsLoopback()
}

// port reports whether what follows a host is nothing, or a colon and digits.
func port(text string) bool {
	return text == "" || text[0] == ':' && strings.Trim(text[1:], "0123456789") == ""
}

// sameOrigin reports whether an Origin is that of the API's own pages, which are
// served over plain HTTP where no key is required.
func sameOrigin(origin []byte, host string) bool {
	const scheme = "http://"
	return len(origin) == len(scheme)+len(host) && strings.EqualFold(string(origin), scheme+host)
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
