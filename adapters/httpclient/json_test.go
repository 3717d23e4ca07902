package httpclient_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

func TestJSONInAndOut(t *testing.T) {
	type user struct {
		Name string `json:"name"`
	}
	type got struct {
		method, url, accept, kind, body string
		length                          int64
	}
	tests := []struct {
		name string
		req  httpclient.Request
		want got
	}{
		{"a body", httpclient.Request{Method: "POST", Path: "/users?limit=2", In: user{"Ann"}}, got{"POST", "/v1/users?limit=2", "application/json", "application/json", `{"name":"Ann"}`, 14}},
		{"none", httpclient.Request{Method: "DELETE", Path: "/users/1"}, got{"DELETE", "/v1/users/1", "application/json", "", "", 0}},
		{"GET where no method is given", httpclient.Request{}, got{"GET", "/v1", "application/json", "", "", 0}},
		{"a query alone", httpclient.Request{Path: "?a=b"}, got{"GET", "/v1?a=b", "application/json", "", "", 0}},
		{"types of the caller's", httpclient.Request{
			Method: "PATCH", In: 1, Header: http.Header{"Accept": {"text/x"}, "Content-Type": {"a/b"}},
		}, got{"PATCH", "/v1", "text/x", "a/b", "1", 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen got
			virtual(t, httpclient.Options{}, func(w http.ResponseWriter, req *http.Request) {
				body, _ := io.ReadAll(req.Body)
				seen = got{req.Method, req.RequestURI, req.Header.Get("Accept"), req.Header.Get("Content-Type"), string(body), req.ContentLength}
				_, _ = io.WriteString(w, `{"name":"Bob"}`)
			}, func(t *testing.T, c *httpclient.Client, _ *memory) {
				var out user
				tt.req.Out = &out
				if err := c.Do(t.Context(), tt.req); err != nil || out.Name != "Bob" || seen != tt.want {
					t.Fatalf("%+v in, %+v out, %v, want name Bob, seen %v", seen, out, err, tt.want)
				}
			})
		})
	}
}

func TestAnswerOfNoInterest(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"no content":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		"not to be read":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, "fine") },
		"nothing at all":   func(http.ResponseWriter) {},
		"created, no more": func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, httpclient.Options{}, func(w http.ResponseWriter, _ *http.Request) { answer(w) }, func(t *testing.T, c *httpclient.Client, _ *memory) {
				if err := c.Do(t.Context(), httpclient.Request{Method: "POST"}); err != nil {
					t.Fatal(err)
				}
				kept := 7
				if err := c.Do(t.Context(), httpclient.Request{Method: "POST", Out: &kept}); name == "no content" && (err != nil || kept != 7) {
					t.Fatalf("got %d, error %v, want 7 unchanged", kept, err)
				}
			})
		})
	}
}

func TestWhatCannotBeSentIsInvalid(t *testing.T) {
	tests := map[string]httpclient.Request{
		"a body that is no JSON":              {In: func() {}},
		"a method that is none":               {Method: "GET /" + canaryPath},
		"a path that makes another host":      {Path: "@" + canaryPath + ".test/"},
		"a path that goes on with the host":   {Path: "." + canaryPath + ".test/"},
		"a path that is a port":               {Path: ":80/"},
		"a path that is none":                 {Path: "/%zz" + canaryPath},
		"a header of two lines":               {Header: http.Header{"Idempotency-Key": {canaryToken + "\r\nX: y"}}},
		"a header with what can't be printed": {Header: http.Header{"Idempotency-Key": {canaryToken + "\x7f"}}},
	}
	for name, req := range tests {
		t.Run(name, func(t *testing.T) {
			virtual(t, httpclient.Options{}, nil, func(t *testing.T, c *httpclient.Client, m *memory) {
				err := c.Do(t.Context(), req)
				if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "canary") || m.dials.Load() != 0 {
					t.Fatalf("%v after %d dials, want kind %v, no \"canary\" in it, dials 0", err, m.dials.Load(), fault.Invalid)
				}
			})
		})
	}
	// Without a path in the base URL an invalid path would follow the host directly.
	m := newMemory()
	c := client(t, httpclient.Options{BaseURL: "http://api.test"}.Over(m.Dial))
	for _, path := range []string{"@other.test", ".other.test", ":1", "users"} {
		if err := c.Do(t.Context(), httpclient.Request{Path: path}); !fault.Is(err, fault.Invalid) || m.dials.Load() != 0 {
			t.Errorf("%s: got %v, want kind %v, dials 0", path, err, fault.Invalid)
		}
	}
}

func TestKindsByStatus(t *testing.T) {
	want := map[int]fault.Kind{
		101: fault.UnknownOutcome,
		300: fault.Invalid, 302: fault.Invalid, 304: fault.Invalid, 399: fault.Invalid,
		400: fault.Invalid, 401: fault.Unauthorized, 402: fault.Invalid, 403: fault.Unauthorized, 404: fault.NotFound,
		405: fault.Invalid, 408: fault.UnknownOutcome, 409: fault.Conflict, 410: fault.NotFound, 412: fault.Conflict,
		413: fault.Invalid, 415: fault.Invalid, 422: fault.Invalid, 429: fault.RateLimited, 499: fault.Invalid,
		500: fault.UnknownOutcome, 501: fault.UnknownOutcome, 502: fault.UnknownOutcome, 503: fault.UnknownOutcome,
		504: fault.UnknownOutcome, 599: fault.UnknownOutcome, 600: fault.UnknownOutcome,
	}
	for status, kind := range want {
		if got := httpclient.KindOfStatus(status); got != kind {
			t.Errorf("%d is %s, want %s", status, got, kind)
		}
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			virtual(t, httpclient.Options{Attempts: 1}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				if status != http.StatusNotModified && status > 199 {
					_, _ = io.WriteString(w, canaryBody)
				}
			}, func(t *testing.T, c *httpclient.Client, _ *memory) {
				err := c.Do(t.Context(), httpclient.Request{Method: "POST", Out: new(json.RawMessage)})
				if f := fault.From(err); f.Kind != kind || status > 199 && f.RetryAfter != 7*time.Second || strings.Contains(err.Error(), "canary") {
					t.Fatalf("got %+v, want kind %v and the RetryAfter of the answer", f, kind)
				}
			})
		})
	}
}
