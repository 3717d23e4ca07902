package httpapi_test

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"patchbay/ports"
)

// A webhook that cannot be accepted is refused while its body is still being sent: none of these
// clients sends the rest before it has read the answer.
func TestAWebhookIsRefusedBeforeItsBodyIsRead(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, path, signature string
		status                int
		code                  string
	}{
		{"a route that is not there", "/api/webhooks/nobody", "t=1", 404, "no_such_route"},
		{"a signature that is too old", "/api/webhooks/stripe", "old", 400, "invalid_signature"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: %s\r\nContent-Length: 5000000\r\n\r\n%s",
				row.path, row.signature, strings.Repeat(" ", 20_000))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp).refused(t, row.status, row.code, "")
			if !resp.Close {
				t.Error("the connection stays, with a body on it that nobody has read; want it closed")
			}
		})
	}
	if bodies := r.hooks.seen(); len(bodies) != 0 {
		t.Errorf("%d bodies were read, want no bodies", len(bodies))
	}
}

// Events are handled after their webhook was answered, and the next one is read into the same memory.
func TestWhatAWebhookSaysStaysAsItWas(t *testing.T) {
	t.Parallel()
	r := serve(t)
	c := r.dial(t)
	answers := bufio.NewReader(c)
	var want []string
	for i := range 20 {
		id := fmt.Sprintf("msg_%04d", i)
		want = append(want, id)
		if _, err := fmt.Fprintf(c, "POST /api/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nWebhook-Id: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(id), id); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := read(t, resp); a.status != http.StatusOK {
			t.Fatalf("answered %d %s, want 200", a.status, a.body)
		}
	}
	r.hooks.mu.Lock()
	defer r.hooks.mu.Unlock()
	var bodies []string
	for _, b := range r.hooks.bodies {
		bodies = append(bodies, string(b))
	}
	if !slices.Equal(r.hooks.ids, want) || !slices.Equal(bodies, want) {
		t.Errorf("ids = %q, bodies = %q, want %q", r.hooks.ids, bodies, want)
	}
}

// pleased is a verifier whose provider expects an answer of its own.
type pleased struct{ verifier }

func (*pleased) Acknowledge() ports.Acknowledgement {
	return ports.Acknowledgement{Status: http.StatusAccepted, ContentType: "text/plain", Body: "[accepted]"}
}

func TestAProviderDecidesTheAnswerToItsWebhooks(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for path, want := range map[string]string{
		"/api/webhooks/stripe":  "200 application/json {\"received\":true}\n",
		"/api/webhooks/pleased": "202 text/plain [accepted]",
	} {
		a := r.do(t, "POST", path, "{}")
		if got := fmt.Sprintf("%d %s %s", a.status, a.header.Get("Content-Type"), a.body); got != want {
			t.Errorf("%s: answered %q, want %q", path, got, want)
		}
	}
}
