package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/adapters/httpapi"
)

// calls are the routes that need a key if keys are required, each with a request that it serves,
// and the pages.
var calls = []struct{ method, path, body string }{
	{"GET", "/api/users", ""},
	{"GET", "/api/users/usr_1", ""},
	{"POST", "/api/users", ada},
	{"PATCH", "/api/users/usr_1", `{"name":"Eve"}`},
	{"DELETE", "/api/users/usr_1", ""},
	{"GET", "/api/events", ""},
	{"GET", "/docs", ""},
	{"GET", "/openapi.json", ""},
}

// ask sends a request with these headers, among them Host.
func (r *rig) ask(t *testing.T, method, target, headers, body string) answer {
	t.Helper()
	text := fmt.Sprintf("%s %s HTTP/1.1\r\n%s", method, target, headers)
	if body != "" {
		text += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return r.raw(t, text+"Connection: close\r\n\r\n"+body)
}

// If no key is required, neither a proxy on this machine nor a web page in a browser on it may
// open the API to others.
func TestWithoutAKeyOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	r := serve(t)
	token := "Authorization: Bearer " + r.key(t) + "\r\n"
	const local = "Host: localhost:8080\r\n"
	for _, row := range []struct {
		name, headers string
		served        bool
	}{
		{"localhost", local, true},
		{"localhost without a port", "Host: localhost\r\n", true},
		{"localhost in capitals", "Host: LOCALHOST:1\r\n", true},
		{"127.0.0.1", "Host: 127.0.0.1:8080\r\n", true},
		{"another address of this machine", "Host: 127.8.9.10\r\n", true},
		{"::1", "Host: [::1]\r\n", true},
		{"::1 with a port", "Host: [::1]:8080\r\n", true},
		{"::1 at length", "Host: [0:0:0:0:0:0:0:1]:8080\r\n", true},
		{"the API's own page", local + "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\n", true},
		{"a person who types the address", local + "Sec-Fetch-Site: none\r\n", true},

		{"a public name", "Host: pay.shop.example\r\n", false},
		{"a name that begins like one of ours", "Host: localhost.shop.example\r\n", false},
		{"a name that ends like one of ours", "Host: shop.localhost:8080\r\n", false},
		{"an address of the network", "Host: 192.168.0.7:8080\r\n", false},
		{"any address", "Host: 0.0.0.0:8080\r\n", false},
		{"an address with a name after it", "Host: 127.0.0.1.shop.example\r\n", false},
		{"a short form of an address", "Host: 127.1\r\n", false},
		{"an address of IPv4 in IPv6", "Host: [::ffff:127.0.0.1]\r\n", false},

		{"a page of another name", local + "Origin: https://shop.example\r\n", false},
		{"a page of the same name and another port", local + "Origin: http://localhost:3000\r\n", false},
		{"a page of this machine by another name", local + "Origin: http://127.0.0.1:8080\r\n", false},
		{"a page over TLS", local + "Origin: https://localhost:8080\r\n", false},
		{"a page that hides where it is from", local + "Origin: null\r\n", false},
		{"an empty origin", local + "Origin:\r\n", false},
		{"two origins", local + "Origin: http://localhost:8080\r\nOrigin: https://shop.example\r\n", false},
		{"another site", local + "Sec-Fetch-Site: cross-site\r\n", false},
		{"another port of the same site", local + "Sec-Fetch-Site: same-site\r\n", false},
		{"a site that nobody knows", local + "Sec-Fetch-Site: x\r\n", false},

		{"Forwarded", local + "Forwarded: for=203.0.113.7\r\n", false},
		{"X-Forwarded-For", local + "X-Forwarded-For: 203.0.113.7\r\n", false},
		{"X-Forwarded-For of this machine", local + "X-Forwarded-For: 127.0.0.1\r\n", false},
		{"X-Forwarded-For in small letters", local + "x-forwarded-for: 203.0.113.7\r\n", false},
		{"X-Forwarded-Host", local + "X-Forwarded-Host: pay.shop.example\r\n", false},
		{"X-Forwarded-Proto", local + "X-Forwarded-Proto: https\r\n", false},
		{"X-Forwarded-Port", local + "X-Forwarded-Port: 443\r\n", false},
		{"X-Real-IP", local + "X-Real-IP: 203.0.113.7\r\n", false},
		{"Via", local + "Via: 1.1 proxy\r\n", false},
		{"CF-Connecting-IP", local + "CF-Connecting-IP: 203.0.113.7\r\n", false},
		{"True-Client-IP", local + "True-Client-IP: 203.0.113.7\r\n", false},
		{"an empty one", local + "X-Forwarded-For:\r\n", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, c := range calls {
				before := len(r.users.all())
				a := r.ask(t, c.method, c.path, row.headers, c.body)
				if row.served {
					if a.status >= 300 {
						t.Errorf("%s %s: got %d %s, want below 300", c.method, c.path, a.status, a.body)
					}
					continue
				}
				a.refused(t, 403, "api_key_needed", "")
				if !strings.Contains(a.err.Message, "patchbay keys create") {
					t.Errorf("it does not say how to make a key: got %s, want \"patchbay keys create\" in it", a.err.Message)
				}
				if asked := r.users.all()[before:]; len(asked) != 0 {
					t.Errorf("%s %s was done: got %+v, want no asked", c.method, c.path, asked)
				}
				if a := r.ask(t, c.method, c.path, row.headers+token, c.body); a.status >= 300 {
					t.Errorf("%s %s with a key: got %d %s, want below 300", c.method, c.path, a.status, a.body)
				}
			}
			// Signed webhooks, and paths that show nothing about anybody, are open to all.
			for _, c := range []struct{ method, path, body string }{{"GET", "/healthz", ""}, {"GET", "/readyz", ""}, {"POST", "/api/webhooks/stripe", "{}"}} {
				if a := r.ask(t, c.method, c.path, row.headers, c.body); a.status != 200 {
					t.Errorf("%s %s: got %d %s, want 200", c.method, c.path, a.status, a.body)
				}
			}
		})
	}
	t.Run("a link on a page of this machine, to another page", func(t *testing.T) {
		headers := local + "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
		r.ask(t, "GET", "/docs", headers, "").hasStatus(t, 200)
		r.ask(t, "POST", "/api/users", headers, ada).refused(t, 403, "api_key_needed", "")
	})
	t.Run("an absolute target", func(t *testing.T) {
		r.ask(t, "GET", "http://pay.shop.example/api/users", "Host: pay.shop.example\r\n", "").refused(t, 403, "api_key_needed", "")
		r.ask(t, "GET", "http://pay.shop.example/api/users", local, "").refused(t, 400, "bad_request", "")
	})
	t.Run("HTTP/1.0", func(t *testing.T) { // of nginx, where its configuration is proxy_pass and no more
		r.raw(t, "GET /api/users HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n").refused(t, 403, "api_key_needed", "")
		r.raw(t, "GET /api/users HTTP/1.0\r\n\r\n").refused(t, 403, "api_key_needed", "")
		// A probe, and a request with a key.
		r.raw(t, "GET /healthz HTTP/1.0\r\n\r\n").hasStatus(t, 200)
		r.raw(t, "GET /api/users HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n"+token+"\r\n").hasStatus(t, 200)
	})
}

// A page cannot send JSON to another origin without its consent, but it can send a POST without a
// body.
func TestWithoutAKeyAPostWithoutABodyIsJudgedByItsOrigin(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	id := r.pay(t)
	path := "/api/payments/" + id + "/refunds"
	const local = "Host: localhost:8080\r\n"
	// Of this machine.
	r.ask(t, "POST", path, local+"Origin: https://shop.example\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n", "").refused(t, 403, "api_key_needed", "")
	// Of this machine.
	r.ask(t, "POST", path, local+"Origin: https://shop.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n", "").refused(t, 403, "api_key_needed", "")
	r.raw(t, "POST "+path+" HTTP/1.1\r\n"+local+"Origin: https://shop.example\r\nContent-Type: text/plain\r\n"+
		"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n").refused(t, 403, "api_key_needed", "")
	if p := r.stored(t, id); p.AmountRefunded != 0 {
		t.Fatalf("got %d was refunded, want 0", p.AmountRefunded)
	}
	// Of this machine.
	r.ask(t, "POST", path, local+"Content-Length: 0\r\n", "").hasStatus(t, 201)
}

// If keys are required, only they count, wherever a request comes from.
func TestWithKeysRequiredAnyOriginIsServed(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.KeysRequired = true })
	headers := "Host: pay.shop.example\r\nOrigin: https://shop.example\r\nX-Forwarded-For: 203.0.113.7\r\n"
	for _, c := range calls {
		a := r.ask(t, c.method, c.path, headers, c.body)
		if open := c.path == "/docs" || c.path == "/openapi.json"; open && a.status != 200 || !open && a.status != 401 {
			t.Errorf("%s %s without a key: got %d %s, want 200 for the document and its page, otherwise 401", c.method, c.path, a.status, a.body)
		}
		if a := r.ask(t, c.method, c.path, headers+"Authorization: Bearer "+r.key(t)+"\r\n", c.body); a.status >= 300 {
			t.Errorf("%s %s with one: got %d %s, want below 300", c.method, c.path, a.status, a.body)
		}
	}
}

// A key that is sent is checked even if none is required: a caller with a key must notice that it
// was revoked.
func TestAKeyThatIsSentIsChecked(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, c := range calls {
		a := r.ask(t, c.method, c.path, "Host: localhost\r\nAuthorization: Bearer pbk_none\r\n", c.body)
		a.refused(t, 401, "unauthorized", "")
	}
	if asked := r.users.all(); len(asked) != 0 {
		t.Errorf("it was done: got %+v, want no asked", asked)
	}
}
