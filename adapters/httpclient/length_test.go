package httpclient_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"patchbay/adapters/httpclient"
)

// strict is a server that refuses chunked bodies, and records those that it accepts.
type strict struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newStrict(t *testing.T) *strict {
	t.Helper()
	s := new(strict)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.WriteHeader(http.StatusLengthRequired)
			return
		}
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
	}))
	t.Cleanup(s.Close)
	return s
}

// reader is a body whose length net/http does not know.
type reader struct{ io.Reader }

func (reader) Close() error { return nil }

// A body that is in memory is sent with its length, whatever type an SDK passes it as, and also
// when it is sent again because the connection was stale.
func TestABodyOfKnownLengthIsNotSentInChunks(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"short": "a=b", "empty": "", "long": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStrict(t)
			c, err := httpclient.New(httpclient.Options{BaseURL: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.GetBody = func() (io.ReadCloser, error) { return reader{strings.NewReader(text)}, nil }
			req.Body, _ = req.GetBody()
			resp, err := c.HTTP().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK || len(s.bodies) != 1 || s.bodies[0] != text {
				t.Errorf("%d, and %d bodies, want %d, 1 body, %v", resp.StatusCode, len(s.bodies), http.StatusOK, text)
			}
			if req.ContentLength != 0 {
				t.Error("the caller's request was changed, want it as it was")
			}
		})
	}
}

// The length of a generated body cannot be known before.
func TestABodyOfUnknownLengthIsSentAsItComes(t *testing.T) {
	t.Parallel()
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body) + strings.Join(r.TransferEncoding, "")
	}))
	defer s.Close()
	c, err := httpclient.New(httpclient.Options{BaseURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, reader{bytes.NewReader([]byte("a"))})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got != "achunked" {
		t.Errorf("got %q, want achunked", got)
	}
}
