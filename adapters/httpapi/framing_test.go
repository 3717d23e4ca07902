package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/httpapi"
	"patchbay/adapters/wire"
)

// Whatever two programs may read differently according to RFC 9112 is refused, and the connection
// ends: what follows on it may be a request or a body.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	post := "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	get := "GET /healthz HTTP/1.1\r\n"
	for _, row := range []struct{ name, head string }{
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 1\r\n"},
		{"a length twice", post + "Content-Length: 2\r\nContent-Length: 2\r\n"},
		{"a length and chunks", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"},
		{"a coding that looks like chunks", post + "Transfer-Encoding: xchunked\r\n"},
		{"another coding before chunks", post + "Transfer-Encoding: gzip, chunked\r\n"},
		{"the coding identity", post + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n"},
		{"chunks under HTTP/1.0", "POST /api/users HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"},
		{"no Host", get},
		{"two Hosts", get + "Host: localhost\r\nHost: b\r\n"},
		{"a Host twice", get + "Host: localhost\r\nHost: localhost\r\n"},
		{"a folded line", get + "Host: localhost\r\nX: y\r\n z\r\n"},
		{"a space before the colon", post + "Content-Length : 2\r\n"},
		{"a line feed alone", get + "Host: localhost\nX: y\r\n"},
		{"a line feed alone after the request line", "GET /healthz HTTP/1.1\nHost: localhost\r\n"},
		{"a carriage return alone", get + "Host: localhost\r\nX: y\rz\r\n"},
		{"a null byte", get + "Host: localhost\r\nX: y\x00z\r\n"},
		{"two empty lines first", "\r\n\r\n" + get + "Host: localhost\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			// Sent after a request that is accepted, and before one that must not be read.
			got := r.converse(t, get+"Host: localhost\r\n\r\n"+row.head+"\r\n{}"+get+"Host: localhost\r\n\r\n")
			if len(got) != 2 {
				t.Fatalf("%d answers, want 2: %+v", len(got), got)
			}
			got[0].hasStatus(t, 200)
			got[1].refused(t, 400, "bad_request", "")
			if !got[1].last {
				t.Errorf("header = %v, want the last answer of its connection", got[1].header)
			}
		})
	}
}

// converse sends text on one connection and returns the answers until the server closes it. It
// reads while it sends, because the server may answer at any time.
func (r *rig) converse(t *testing.T, text string) []answer {
	t.Helper()
	c := r.dial(t)
	go func() {
		_, _ = io.WriteString(c, text) // the server may close at any time
		if half, ok := c.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	return answers(t, c)
}

func answers(t *testing.T, c io.Reader) (all []answer) {
	t.Helper()
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && in.Buffered() == 0 {
			return all
		}
		if err != nil {
			t.Errorf("after %d answers: %v", len(all), err)
			return all
		}
		all = append(all, read(t, resp))
	}
}

// inner is a request in a body. Any answer to it would show its id.
const inner = "DELETE /api/users/usr_smuggled HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"

// flaw is a reason for which a request is answered before its body is read.
type flaw struct {
	name   string
	change func(method, path string) (string, string)
	header string
	status int // of the answer, 0 for any
}

func flaws() []flaw {
	same := func(method, path string) (string, string) { return method, path }
	key := "Authorization: Bearer KEY\r\nContent-Type: application/json\r\n"
	return []flaw{
		{"no key", same, "", 0},
		{"a wrong key", same, "Authorization: Bearer pk_nobody\r\n", 0},
		{"another method", func(_, path string) (string, string) { return "OPTIONS", path }, key, 405},
		{"an unknown method", func(_, path string) (string, string) { return "BREW", path }, key, 501},
		{"another path", func(method, path string) (string, string) { return method, path + "/nothing" }, key, 0},
		{"an empty Idempotency-Key", same, key + "Idempotency-Key: \"\"\r\n", 0},
		{"a malformed version", same, key + "If-Match: nonsense\r\n", 0},
		{"an old version", same, key + "If-Match: \"1\"\r\n", 0},
		{"an encoded body", same, key + "Content-Encoding: gzip\r\n", 0},
		{"another content type", same, "Authorization: Bearer KEY\r\nContent-Type: text/plain\r\n", 0},
		{"an old signature", same, "Stripe-Signature: old\r\n", 0},
		{"no flaw", same, key, 0},
	}
}

// Whatever the route and whatever is wrong: no byte of one request is read as another's, every
// answer names its request, and there are never more answers than requests.
func TestNoByteOfARequestIsReadAsAnotherRequest(t *testing.T) {
	t.Parallel()
	var server *httpapi.Server
	r := serve(t, func(s *httpapi.Server) { server, s.KeysRequired = s, true })
	token := r.key(t)
	paddings := []int{0, 8192, 300 << 10}
	for _, route := range server.Routes() {
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			t.Parallel()
			path := strings.NewReplacer(":id", "usr_1", ":route", "stripe", ":token", "t", ":number", "0").Replace(route.Path)
			for _, flaw := range flaws() {
				method, path := flaw.change(route.Method, path)
				for _, padding := range paddings {
					body := strings.Repeat("A", padding) + inner
					for _, framed := range []string{
						fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
						fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
						// The length is larger than the body: the next request is in it.
						fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 40<<20, body),
					} {
						head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: outer\r\n%s",
							method, path, strings.ReplaceAll(flaw.header, "KEY", token))
						got := r.converse(t, head+framed+"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: after\r\n\r\n")
						name := fmt.Sprintf("%s, %d bytes before %.20q", flaw.name, padding, framed)
						checkOrder(t, name, got, flaw.status)
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		for _, c := range r.users.all() {
			if c.id == "usr_smuggled" {
				t.Errorf("repository call = %+v from a body, want none", c)
			}
		}
	})
}

// checkOrder checks that the answers are those to the outer request and possibly to the one after
// it.
func checkOrder(t *testing.T, name string, got []answer, status int) {
	t.Helper()
	if len(got) == 0 || len(got) > 2 {
		t.Errorf("%s: got %d answers, want 1 or 2", name, len(got))
		return
	}
	for i, want := range []string{"outer", "after"}[:len(got)] {
		// If only the framing of a head is wrong, its answer has an id of the server's.
		if id := got[i].header.Get("X-Request-Id"); id != want && got[i].status < 400 || id == "smuggled" {
			t.Errorf("%s: answer %d is to request %q, want %q: %d %s", name, i+1, id, want, got[i].status, got[i].body)
		}
	}
	if status != 0 && got[0].status != status && got[0].status != 413 {
		t.Errorf("%s: status = %d, want %d: %s", name, got[0].status, status, got[0].body)
	}
}

// The answer reaches a client that sends its whole body before it reads, even if most of the body
// is not needed.
func TestAnswersReachAClientThatIsStillSending(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.KeysRequired = true })
	for _, row := range []struct{ name, head string }{
		{"without a key", "POST /api/emails HTTP/1.1\r\nHost: localhost\r\n"},
		{"to an unknown path", "POST /nothing HTTP/1.1\r\nHost: localhost\r\n"},
		{"with a head that is refused", "POST /nothing HTTP/1.1\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			size := 20 << 20
			if _, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n", row.head, size); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(c, endless{}, int64(size)); err != nil {
				t.Fatalf("the server stopped reading: %v", err)
			}
			if got := answers(t, c); len(got) != 1 || got[0].status < 400 || !got[0].last {
				t.Errorf("answers = %+v, want one error, the last of its connection", got)
			}
		})
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A client that waits for 100 Continue gets it if the route needs the body, and the final answer
// at once if it does not.
func TestContinueIsSentIfTheRouteReadsTheBody(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) { s.KeysRequired = true })
	token := r.key(t)
	body := `{"email":"ada@example.com"}`
	for _, row := range []struct {
		name, line, key string
		first           string // of the status lines
		closes          bool
	}{
		{"accepted", "POST /api/users", token, "HTTP/1.1 100 ", false},
		{"without a key", "POST /api/users", "pk_nobody", "HTTP/1.1 401 ", true},
		{"to an unknown path", "POST /nothing", token, "HTTP/1.1 404 ", true},
		{"with another method", "PUT /api/users", token, "HTTP/1.1 405 ", true},
		{"with a body that the route does not read", "GET /api/users", token, "HTTP/1.1 200 ", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			if _, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
				"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", row.line, row.key, len(body)); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			first, err := in.Peek(len(row.first))
			if string(first) != row.first || err != nil {
				t.Fatalf("first line = %q, %v, want %q", first, err, row.first)
			}
			if row.closes {
				if got := answers(t, in); len(got) != 1 || !got[0].last {
					t.Errorf("answers = %+v, want one, the last of its connection", got)
				}
				return
			}
			if _, err := io.WriteString(c, body); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{100, 201} {
				if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != want {
					t.Fatalf("%+v %v, want %d", resp, err, want)
				}
			}
		})
	}
}

// A client beyond the limit gets an error in JSON, and the others are not affected.
func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		options wire.Options
		status  int
	}{
		{"in all", wire.Options{Max: 2}, 503},
		{"from one address", wire.Options{MaxPerAddress: 2}, 429},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, func(s *httpapi.Server) {
				row.options.Limits = wire.Defaults
				s.Connections = row.options
			})
			for range 2 {
				c := r.dial(t)
				if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %+v %v, want 200", resp, err)
				}
			}
			got := r.converse(t, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if len(got) != 1 {
				t.Fatalf("got %+v, want 1 entry", got)
			}
			got[0].refused(t, row.status, "too_many_connections", "")
		})
	}
}
