package httpclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

const limit = 64 << 10

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	body := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	tests := []struct {
		name   string
		handle http.HandlerFunc
		fits   bool
	}{
		{"as large as is allowed", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body(limit))
		}, true},
		{"a byte more", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body(limit+1))
		}, false},
		{"2 GB with a length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(2<<30))
			flood(w)
		}, false},
		{"2 GB in chunks", func(w http.ResponseWriter, _ *http.Request) { flood(w) }, false},
		{"2 GB with a failure", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			flood(w)
		}, false},
		{"gzip as large as is allowed", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(zipped(body(limit)))
		}, true},
		{"gzip that grows", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(zipped(body(1000 * limit)))
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, read := newMemory(), new(atomic.Int64)
			handle := func(w http.ResponseWriter, req *http.Request) {
				if strings.HasPrefix(tt.name, "gzip") {
					w.Header().Set("Content-Encoding", "gzip")
				}
				tt.handle(w, req)
			}
			server := &http.Server{Handler: http.HandlerFunc(handle), ReadHeaderTimeout: patience}
			go server.Serve(m)
			defer server.Close()
			o := httpclient.Options{BaseURL: "http://api.test", MaxAnswer: limit, Attempts: 1}
			c := client(t, o.Over(func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := m.Dial(ctx, network, address)
				return &counting{Conn: c, read: read}, err
			}))
			_, answer, err := send(t.Context(), t, c, http.MethodGet, o.BaseURL, "", nil)
			if errors.Is(err, httpclient.ErrAnswerTooLarge) == tt.fits || len(answer) > limit || tt.fits && len(answer) != limit {
				t.Errorf("got %d bytes, error %v, want at most %d, complete: %v", len(answer), err, limit, tt.fits)
			}
			var out string
			err = c.Do(t.Context(), httpclient.Request{Out: &out})
			if tt.fits && err != nil || !tt.fits && !fault.Is(err, fault.UnknownOutcome) {
				t.Error(err)
			}
			// Two answers, and what a buffer of net/http holds for each.
			if read.Load() > 2*(limit+8<<10) {
				t.Errorf("%d bytes came through the network, want at most %v", read.Load(), 2*(limit+8<<10))
			}
		})
	}
}

// flood writes until the client stops reading, at most 2 GB.
func flood(w io.Writer) {
	part := make([]byte, 32<<10)
	for range 2 << 30 / len(part) {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

func zipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

type counting struct {
	net.Conn
	read *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func TestSlowAnswersAreCut(t *testing.T) {
	drip := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			<-time.After(time.Second)
		}
	}
	hang := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	for name, handle := range map[string]http.HandlerFunc{"a byte a second": drip, "nothing at all": hang} {
		for _, timeout := range []time.Duration{0, 3500 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s within %s", name, timeout), func(t *testing.T) {
				virtual(t, httpclient.Options{Timeout: timeout, Attempts: 1}, handle, func(t *testing.T, c *httpclient.Client, _ *memory) {
					start := time.Now()
					err := c.Do(t.Context(), httpclient.Request{Out: new(int)})
					want := timeout
					if want == 0 {
						want = httpclient.DefaultTimeout
					}
					if took := time.Since(start); took != want || !fault.Is(err, fault.UnknownOutcome) {
						t.Fatalf("%v after %s, want took %v, kind %v", err, took, want, fault.UnknownOutcome)
					}
				})
			})
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	other := newRaw(t, nil, respond(fine))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, to := range []string{"http://" + other.address, "/same-host", "https://api.test/", "//" + other.address} {
				t.Run(fmt.Sprintf("%d %s to %s", status, method, to), func(t *testing.T) {
					t.Parallel()
					r := newRaw(t, nil, func(c net.Conn, _ *http.Request, _ int) bool {
						_, _ = fmt.Fprintf(c, "HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, to)
						return true
					})
					o := httpclient.Options{BaseURL: "http://" + r.address, Tokens: fixed("t")}
					c := client(t, o)
					got, _, err := send(t.Context(), t, c, method, o.BaseURL, "x", nil)
					if err != nil || got != status {
						t.Fatalf("status %d, %v, want %v", got, err, status)
					}
					if err := c.Do(t.Context(), httpclient.Request{Method: method}); !fault.Is(err, fault.Invalid) {
						t.Fatal(err)
					}
					if r.requests.Load() != 2 || other.requests.Load() != 0 {
						t.Fatalf("%d requests, %d elsewhere, want requests 2, requests 0", r.requests.Load(), other.requests.Load())
					}
				})
			}
		}
	}
}

func TestBaseURL(t *testing.T) {
	for _, bad := range []string{"", "api.test", "ftp://api.test", "http://", "https:///v1", "http://[::1", "http://h/v1?key=" + canaryQuery, "http://h/#x"} {
		t.Run(bad, func(t *testing.T) {
			t.Setenv("API_BASE_URL", "")
			_, err := httpclient.New(httpclient.Options{BaseURL: bad})
			if fault.From(err).Code != "invalid_base_url" || strings.Contains(err.Error(), "canary") {
				t.Fatal(err)
			}
		})
	}
	t.Setenv("API_BASE_URL", "https://api.test/v1/")
	if _, err := httpclient.New(httpclient.Options{}); err != nil {
		t.Fatal(err)
	}
}
