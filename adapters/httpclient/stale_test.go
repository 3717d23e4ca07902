package httpclient_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// A server may close a kept connection at any time, also when the next request is about to be
// written. If nothing of it left, its outcome is not unknown, and it is sent on a new connection.
// The network is one of pipes, in which no byte can be in transit.
func TestConnectionClosedBeforeTheRequest(t *testing.T) {
	for _, over := range []bool{false, true} {
		for _, tt := range []struct{ name, method, body string }{
			{"GET", http.MethodGet, ""},
			{"POST", http.MethodPost, `{"in":1}`},
			{"POST without a body", http.MethodPost, ""},
		} {
			t.Run(fmt.Sprintf("%s, TLS %t", tt.name, over), func(t *testing.T) {
				t.Parallel()
				m := newMemory()
				defer m.Close()
				o, config := httpclient.Options{BaseURL: "http://127.0.0.1"}, (*tls.Config)(nil)
				if over {
					a := newAuthority(t)
					o, config = httpclient.Options{BaseURL: "https://127.0.0.1", Roots: a.client()}, a.server(t, "127.0.0.1", time.Now().Add(time.Hour))
				}
				go closing(m, config)
				c := client(t, o.Over(m.Dial))
				for n := range 400 {
					ctx, x := httpclient.Record(t.Context())
					status, _, err := send(ctx, t, c, tt.method, o.BaseURL, tt.body, nil)
					if err != nil || status != http.StatusOK || !x.Written() {
						t.Fatalf("request %d: status %d, written %t, %v, want %d, written", n, status, x.Written(), err, http.StatusOK)
					}
				}
			})
		}
	}
}

// closing answers one request on each connection as if it kept it, and closes it at once. Over TLS
// it sends an alert, and then reads as much as the client's alert needs, which is less than a
// request.
func closing(m *memory, config *tls.Config) {
	answer := func(c net.Conn, _ *http.Request, _ int) bool {
		_, _ = io.WriteString(c, fine)
		if layer, ok := c.(*tls.Conn); ok {
			_ = layer.CloseWrite()
			_, _ = io.ReadFull(layer.NetConn(), make([]byte, 24))
		}
		return false
	}
	for {
		c, err := m.Accept()
		if err != nil {
			return
		}
		if config != nil {
			c = tls.Server(c, config)
		}
		go new(raw).serve(c, answer)
	}
}

// A connection that fails during a write may or may not have accepted bytes.
func TestConnectionThatTakesNothingIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		takes   int
		written bool
	}{
		{"none", 0, false},
		{"the first", 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := httpclient.Options{BaseURL: "http://api.test"}.Over(func(context.Context, string, string) (net.Conn, error) {
				ours, _ := net.Pipe()
				return &failing{Conn: ours, takes: tt.takes}, nil
			})
			ctx, x := httpclient.Record(t.Context())
			_, _, err := send(ctx, t, client(t, o), http.MethodPost, o.BaseURL, "x", nil)
			if err == nil || x.Written() != tt.written {
				t.Fatalf("written %t: got %v, want an error, written %v", x.Written(), err, tt.written)
			}
		})
	}
}

type failing struct {
	net.Conn
	takes int
}

func (f *failing) Write([]byte) (int, error) { return f.takes, io.ErrClosedPipe }

// net/http sends a request with an idempotency key again if it failed on a kept connection. Such a
// repeat would be neither counted nor recorded, and the caller must know what was sent.
func TestARequestThatHasLeftIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, body := range []string{"", `{"in":1}`} {
			for _, over := range []bool{false, true} {
				for end, last := range map[string]peer{"reset": reset, "closed": respond("")} {
					t.Run(fmt.Sprintf("%s with body %q, %s, TLS %t", key, body, end, over), func(t *testing.T) {
						t.Parallel()
						notAgain(t, key, body, over, last)
					})
				}
			}
		}
	}
}

func notAgain(t *testing.T, key, body string, over bool, last peer) {
	t.Helper()
	keys := make(chan string, 2)
	answer := func(c net.Conn, req *http.Request, nth int) bool {
		keys <- req.Header.Get(key)
		if nth == 1 {
			_, _ = io.WriteString(c, fine)
			return true
		}
		return last(c, req, nth)
	}
	var config *tls.Config
	o := httpclient.Options{}
	if over {
		a := newAuthority(t)
		config, o.Roots = a.server(t, "127.0.0.1", time.Now().Add(time.Hour)), a.client()
	}
	r := newRaw(t, config, answer)
	o.BaseURL = "http://" + r.address
	if over {
		o.BaseURL = "https://" + r.address
	}
	c := client(t, o)
	header := http.Header{key: {"k1"}}
	if _, _, err := send(t.Context(), t, c, http.MethodPost, o.BaseURL, body, header); err != nil {
		t.Fatal(err)
	}
	ctx, x := httpclient.Record(t.Context())
	_, _, err := send(ctx, t, c, http.MethodPost, o.BaseURL, body, header)
	if err == nil || !x.Written() || x.Kind(err) != fault.UnknownOutcome || r.requests.Load() != 2 {
		t.Fatalf("got written %t after %d requests, error %v, want written after 2 with kind %s", x.Written(), r.requests.Load(), err, fault.UnknownOutcome)
	}
	if first, second := <-keys, <-keys; first != "k1" || second != "k1" || header.Get(key) != "k1" {
		t.Fatalf("got the keys %q and %q, want k1 twice, as the caller's %q", first, second, header)
	}
}
