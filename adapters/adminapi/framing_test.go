package adminapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/adminapi"
)

// The admin listener reads requests as the API does: what can be understood in two ways
// ends the connection, and no body is a request.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Metrics: http.NotFoundHandler()})
	inner := "DELETE /admin/keys/key_smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post := "POST /admin/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	long := strings.Repeat("A", 300<<10) + inner
	for _, row := range []struct {
		name, text string
		status     int  // 0 for any
		goesOn     bool // the request after it is answered
	}{
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 1\r\n\r\n{}", 400, false},
		{"a length and chunks", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, false},
		{"a coding that looks like chunks", post + "Transfer-Encoding: xchunked\r\n\r\n{}", 400, false},
		{"no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400, false},
		{"two Hosts", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, false},
		{"a folded line", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n z\r\n\r\n", 400, false},
		{"a line feed alone", "GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n", 400, false},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, false},
		{"headers that are too large", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431, false},
		{"a body of a length that nobody reads", "PUT /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner, 0, true},
		{"a body in chunks that nobody reads", "PUT /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner), 0, false},
		{"a body that is too large", post + "Content-Length: " + fmt.Sprint(len(long)) + "\r\n\r\n" + long, 413, false},
		{"a body that is refused", "POST /admin/keys HTTP/1.1\r\nHost: evil.example\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := converse(t, r.host, row.text+"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			want := 1
			if row.goesOn {
				want = 2
			}
			if len(got) != want || row.status != 0 && got[0].StatusCode != row.status || row.goesOn && got[1].StatusCode != 200 || !row.goesOn && !got[0].Close {
				t.Errorf("got %d answers, want %d, the first with status %d (0 is any): %v", len(got), want, row.status, got)
			}
		})
	}
}

// converse sends all it has on one connection, and returns the answers until it is closed.
func converse(t *testing.T, address, text string) (all []*http.Response) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(c, text) // the server may close at any time
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return all
		}
		_, _ = io.Copy(io.Discard, resp.Body) // its end is what counts
		_ = resp.Body.Close()
		all = append(all, resp)
	}
}
