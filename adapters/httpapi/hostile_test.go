package httpapi_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/httpapi"
)

// An upgrade or another protocol is not accepted, neither by the server nor by a proxy that waits
// for its consent. What follows is a request, or is not read.
func TestAConnectionCannotBeUpgraded(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.KeysRequired = true })
	after := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: after\r\n\r\n"
	own := "Host: localhost\r\nX-Request-Id: first\r\nX-Secret: " + canary + "\r\n"
	for _, row := range []struct {
		name, text string
		status     int
		nextRead   bool // the request after it is answered
	}{
		{"CONNECT to a host", "CONNECT localhost:443 HTTP/1.1\r\n" + strings.Replace(own, "localhost", "localhost:443", 1) + "\r\n", 404, true},
		{"CONNECT to a route", "CONNECT /api/payments HTTP/1.1\r\n" + own + "\r\n", 405, true},
		{"TRACE of a route", "TRACE /healthz HTTP/1.1\r\n" + own + "\r\n", 405, true},
		{"TRACE of no route", "TRACE / HTTP/1.1\r\n" + own + "\r\n", 404, true},
		{"HTTP/2 by an upgrade", "GET /healthz HTTP/1.1\r\n" + own + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, true},
		{"a WebSocket", "GET /healthz HTTP/1.1\r\n" + own + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", 200, true},
		{"HTTP/2 without an upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, false},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, false},
		{"a header of the PROXY protocol", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 400, false},
		{"OPTIONS of the whole server", "OPTIONS * HTTP/1.1\r\n" + own + "\r\n", 404, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := r.converse(t, row.text+after)
			want := 1
			if row.nextRead {
				want = 2
			}
			if len(got) != want {
				t.Fatalf("%d answers, want %d: %+v", len(got), want, got)
			}
			got[0].hasStatus(t, row.status)
			if row.nextRead && got[1].header.Get("X-Request-Id") != "after" {
				t.Errorf("second answer = %+v, want that to the next request", got[1])
			}
			if !row.nextRead && !got[0].last {
				t.Errorf("answer = %+v, want the last of its connection", got[0])
			}
			if strings.Contains(fmt.Sprint(got[0]), canary) {
				t.Errorf("answer = %+v, want no %q in it", got[0], canary)
			}
		})
	}
}

// Trailers are no headers: a proxy that checks headers has not seen them.
func TestTrailersAreIgnored(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.KeysRequired = true })
	token := r.key(t)
	send := func(lines, trailers string) answer {
		t.Helper()
		return r.raw(t, "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"+lines+
			"\r\n1b\r\n{\"email\":\"ada@example.com\"}\r\n0\r\n"+trailers+"\r\n")
	}
	bearer := "Authorization: Bearer " + token + "\r\n"
	send("Trailer: Authorization\r\n", bearer).refused(t, 401, "unauthorized", "")
	if n := len(r.users.all()); n != 0 {
		t.Fatalf("%d users created with a key in a trailer, want 0", n)
	}
	for range 2 {
		a := send(bearer+"Trailer: Idempotency-Key\r\n", "Idempotency-Key: k\r\n")
		a.hasStatus(t, 201)
		if got := a.header.Get("Idempotency-Replayed"); got != "" {
			t.Errorf("Idempotency-Replayed = %q, want none", got)
		}
	}
	for _, c := range r.users.all() {
		if c.key != "" {
			t.Errorf("idempotency key = %q from a trailer, want none", c.key)
		}
	}
	// A valid key is not replaced by one in a trailer.
	if a := send(bearer, "Authorization: Bearer nonsense\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nHost: b\r\n"); a.status != 201 {
		t.Errorf("got %d %s, want 201", a.status, a.body)
	}
}

// A client that sends two keys may have shown one to a proxy and mean the other.
func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	good := "Authorization: Bearer " + r.key(t) + "\r\n"
	for _, lines := range []string{good + "Authorization: Bearer nonsense\r\n", "Authorization: Bearer nonsense\r\n" + good, good + good, "Authorization:\r\n" + good} {
		r.raw(t, "GET /api/users/usr_1 HTTP/1.1\r\nHost: localhost\r\n"+lines+"\r\n").refused(t, 401, "unauthorized", "")
	}
}

func TestExcessiveLengthsOfBodiesAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	post := "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, row := range []struct {
		name, text string
		status     int
		code       string
	}{
		{"18 nines", post + "Content-Length: 999999999999999999\r\n\r\n", 413, "body_too_large"},
		{"2^63 - 1", post + "Content-Length: 9223372036854775807\r\n\r\n", 400, "bad_request"},
		{"2^63", post + "Content-Length: 9223372036854775808\r\n\r\n", 400, "bad_request"},
		{"a chunk of 2^63 - 1", post + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + strings.Repeat(" ", 2<<20), 413, "body_too_large"},
		{"a chunk of 2^64 - 1", post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + strings.Repeat(" ", 2<<20), 413, "body_too_large"},
		{"a chunk of 2^64", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400, "bad_request"},
		{"chunks of a byte each", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\n \r\n", 1000), 400, "bad_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := r.converse(t, row.text)
			if len(got) != 1 || !got[0].last {
				t.Fatalf("answers = %+v, want one, the last of its connection", got)
			}
			got[0].refused(t, row.status, row.code, "")
		})
	}
}

// A client that has closed its side after the request is answered.
func TestRequestsOnHalfClosedConnectionsAreAnswered(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, text string
		statuses   []int
	}{
		{"after a request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{200}},
		{"after two", strings.Repeat("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 2), []int{200, 200}},
		{"in a head", "GET /healthz HTTP/1.1\r\nHost: loc", []int{400}},
		{"in a body", "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", []int{400}},
		{"in a body that no route reads", "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", []int{404}},
		{"in a chunk", "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{", []int{400}},
		{"before a request", "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			if _, err := io.WriteString(c, row.text); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var statuses []int
			for _, a := range answers(t, c) {
				statuses = append(statuses, a.status)
			}
			if !slices.Equal(statuses, row.statuses) {
				t.Errorf("statuses = %v, want %v", statuses, row.statuses)
			}
		})
	}
	if calls := r.users.all(); len(calls) != 0 {
		t.Errorf("repository calls for half a body = %+v, want none", calls)
	}
}

// All requests are sent at once, some with bodies that are not needed; each is answered, in order.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	r := serve(t)
	var text strings.Builder
	const many = 300
	for n := range many {
		switch n % 3 {
		case 0:
			fmt.Fprintf(&text, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%d\r\n\r\n", n)
		case 1:
			fmt.Fprintf(&text, "POST /nothing HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%d\r\nContent-Length: %d\r\n\r\n%s", n, len(inner), inner)
		case 2:
			fmt.Fprintf(&text, "POST /api/users HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n", n)
		}
	}
	got := r.converse(t, text.String())
	if len(got) != many {
		t.Fatalf("%d answers to %d requests", len(got), many)
	}
	for n, a := range got {
		if got, want := a.header.Get("X-Request-Id"), fmt.Sprint("r", n); got != want {
			t.Fatalf("answer %d is to request %q, want %q", n, got, want)
		}
		a.hasStatus(t, []int{200, 404, 400}[n%3])
	}
}
