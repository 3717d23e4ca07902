package httpapi_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a connection on which a test can send anything.
func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends bytes on a new connection and reads the first answer.
func (r *rig) raw(t *testing.T, text string) answer {
	t.Helper()
	c := r.dial(t)
	if _, err := fmt.Fprint(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

func TestUnknownPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "not_found"},
		{"GET", "/api/nothing", 404, "not_found"},
		{"POST", "/api/payments/pay_1/nothing", 404, "not_found"},
		{"GET", "/admin/keys", 404, "not_found"}, // the console's, on its own listener
		{"GET", "/<script>alert(1)</script>", 404, "not_found"},
		{"DELETE", "/api/users", 405, "method_not_allowed"},
		{"PUT", "/api/users/usr_1", 405, "method_not_allowed"},
		{"GET", "/api/webhooks/stripe", 405, "method_not_allowed"},
		{"OPTIONS", "/api/payments", 405, "method_not_allowed"}, // no CORS: keys do not belong in pages
	} {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			a := r.do(t, row.method, row.path, "")
			a.refused(t, row.status, row.code, "")
			if a.err.Type != "validation_error" || strings.Contains(a.body, "<script>") {
				t.Errorf("got %s, want type validation_error, no \"<script>\" in it", a.body)
			}
			if allow := a.header.Get("Allow"); (allow != "") != (row.status == 405) {
				t.Errorf("Allow = %q, want one: %t", allow, row.status == 405)
			}
		})
	}
}

func TestTheRequestIDIsKeptIfItIsSafeToLog(t *testing.T) {
	t.Parallel()
	r := serve(t)
	made := make(map[string]bool)
	for _, row := range []struct {
		name, given string
		kept        bool
	}{
		{"a UUID", "8e03978e-40d5-43e8-bc93-6894a57f9324", true},
		{"letters, digits and marks", "Trace_1.2:3-4", true},
		{"64 characters", strings.Repeat("x", 64), true},
		{"65 characters", strings.Repeat("x", 65), false},
		{"none", "", false},
		{"a space, which separates the fields of a line", "a b", false},
		{"quotation marks", `a"b`, false},
		{"an equals sign", "a=b", false},
		{"letters beyond ASCII", "sch\u00f6n", false},
		{"a tab", "a\tb", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, path := range []string{"/healthz", "/nothing"} {
				a := r.do(t, "GET", path, "", header{"X-Request-Id": row.given})
				got := a.header.Get("X-Request-Id")
				if row.kept && got != row.given || !row.kept && (!strings.HasPrefix(got, "req_") || made[got]) {
					t.Errorf("%s: got the id %q for %q, kept: want %v", path, got, row.given, row.kept)
				}
				if path == "/nothing" && a.err.RequestID != got {
					t.Errorf("got %s, want the request id %s in it", a.body, got)
				}
				made[got] = true
			}
		})
	}
}

// This includes answers that no route has made.
func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	r := serve(t)
	r.failing(fmt.Errorf("down"))
	answers := map[string]answer{
		"a healthy one":      r.do(t, "GET", "/healthz", ""),
		"a list":             r.do(t, "GET", "/api/users", ""),
		"the document":       r.do(t, "GET", "/openapi.json", ""),
		"the page":           r.do(t, "GET", "/docs", ""),
		"an unknown path":    r.do(t, "GET", "/nothing", ""),
		"a wrong method":     r.do(t, "PUT", "/api/users", ""),
		"a wrong body":       r.do(t, "POST", "/api/users", "{", asJSON),
		"a failure":          r.do(t, "GET", "/readyz", ""),
		"headers too large":  r.do(t, "GET", "/healthz", "", header{"X-Long": strings.Repeat("x", 20<<10)}),
		"malformed HTTP":     r.raw(t, "nonsense\r\n\r\n"),
		"a malformed length": r.raw(t, "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"),
		"an unknown method":  r.raw(t, "BREW /api/users HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	}
	for name, a := range answers {
		for field, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if got := a.header.Get(field); got != want {
				t.Errorf("%s: %s = %q, want %q", name, field, got, want)
			}
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id, want one", name)
		}
		if a.header.Get("Server") != "" {
			t.Errorf("%s: Server = %q, want none", name, a.header.Get("Server"))
		}
	}
	if csp := answers["the page"].header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "script") {
		t.Errorf("the page may run scripts: got %q, want csp beginning with \"default-src 'none'\", no \"script\" in it", csp)
	}
}

// What the server refuses before any route is refused with a JSON error, with a code for programs,
// and without repeating what was sent.
func TestMalformedHTTPIsRefusedWithAJSONError(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, text string
		status     int
		code       string
	}{
		{"a malformed request line", "nonsense-" + canary + "\r\n\r\n", 400, "bad_request"},
		{"a malformed length", "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + canary + "\r\n\r\n", 400, "bad_request"},
		{"an unknown method", "BREW /" + canary + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "not_implemented"},
		{"headers too large", "GET /healthz HTTP/1.1\r\nX-Long: " + strings.Repeat(canary, 1000) + "\r\n\r\n", 431, "request_header_fields_too_large"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := r.raw(t, row.text)
			a.refused(t, row.status, row.code, "")
			if strings.Contains(a.body, canary) {
				t.Errorf("body = %s, want no %q in it", a.body, canary)
			}
		})
	}
}
