package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// Fiber returns strings that lie in its buffers, and reuses the buffers for the next request.
// Whatever is kept beyond a request must be a copy.
func TestWhatOutlivesARequestIsACopy(t *testing.T) {
	t.Parallel()
	r := serve(t)
	long := func(s string) string { return s + strings.Repeat("_"+s, 12) } // fills what is used again
	first, other := long("first"), long("OTHER")
	requests := func(tag string) {
		t.Helper()
		// On one connection each request lies in the memory of the one before.
		client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
		defer client.CloseIdleConnections()
		for _, one := range []struct{ method, path, body string }{
			{"GET", "/api/users/" + tag, ""},
			{"GET", "/api/users?cursor=" + tag, ""},
			{"GET", "/api/users?email=" + tag + "@example.com", ""},
			{"POST", "/api/users", `{"email":"` + tag + `@example.com","name":"` + tag + `","metadata":{"` + tag[:20] + `":"` + tag + `"}}`},
			{"PATCH", "/api/users/" + tag, `{"email":"` + tag + `@example.com","metadata":{"` + tag + `":"` + tag + `"}}`},
			{"DELETE", "/api/users/" + tag, ""},
			{"POST", "/api/webhooks/stripe", tag},
		} {
			req, err := http.NewRequestWithContext(t.Context(), one.method, r.base+one.path, strings.NewReader(one.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Idempotency-Key", tag)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode >= 300 {
				t.Fatalf("%s %s: got %d %s, %v, want status below 300", one.method, one.path, resp.StatusCode, body, err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	requests(first)
	kept := r.users.all()
	if len(kept) != 6 || len(r.hooks.seen()) != 1 {
		t.Fatalf("%d calls, %d webhooks, want 6 kept, 1 seen", len(kept), len(r.hooks.seen()))
	}
	before, hook := shown(kept), bytes.Clone(r.hooks.seen()[0])
	if strings.Count(before, first) < 12 || string(hook) != first {
		t.Fatalf("the first requests are not in what was kept: got %s, %s, want it at least 12 times, hook %v", before, hook, first)
	}
	for range 20 {
		requests(other)
	}
	if after := shown(kept); after != before {
		t.Errorf("changed by later requests:\n%s\n%s", before, after)
	}
	if !bytes.Equal(r.hooks.seen()[0], hook) {
		t.Errorf("a webhook's body was changed by later requests: got %s, want %q", r.hooks.seen()[0], hook)
	}
}

// shown formats calls, including what their pointers lead to, into memory of its own.
func shown(calls []call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "%s %s %s %s %s %s %+v", c.op, c.tenant, c.id, c.email, c.key, c.cursor, c.user)
		if c.patch.Email != nil {
			fmt.Fprintf(&b, " %s", *c.patch.Email)
		}
		for _, k := range reflect.ValueOf(c.patch.Metadata).MapKeys() {
			fmt.Fprintf(&b, " %s=%s", k, *c.patch.Metadata[k.String()])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
