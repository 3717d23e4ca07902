package httpclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
)

// refused returns the Exchange of a request that got this answer, after the answer was read.
func refused(t *testing.T, status int, contentType, body string) *httpclient.Exchange {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	client, err := httpclient.New(httpclient.Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, x := httpclient.Record(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if read, err := io.ReadAll(resp.Body); err != nil || string(read) != body {
		t.Fatalf("read %d bytes of %d: got %v, want read %v", len(read), len(body), err, body)
	}
	return x
}

func TestRefusalIsKeptAndDecoded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70<<10)
	for _, c := range []struct {
		name    string
		status  int
		kind    string
		body    string
		kept    int
		message string // that is decoded, empty if nothing is
	}{
		{"JSON", 403, "application/json", `{"message":"no"}`, 16, "no"},
		{"JSON in a character set", 429, "application/json; charset=utf-8", `{"message":"no"}`, 16, "no"},
		{"JSON of a type ending in +json", 400, "application/problem+json", `{"message":"no"}`, 16, "no"},
		{"JSON with the type of a page", 403, "text/html", `{"message":"no"}`, 16, ""},
		{"JSON without a type", 403, "", `{"message":"no"}`, 16, ""},
		{"a page with the type of JSON", 403, "application/json", `<html>`, 6, ""},
		{"half of JSON", 403, "application/json", `{"message":"no"`, 15, ""},
		{"JSON, and more", 403, "application/json", `{"message":"no"}<html>`, 22, ""},
		{"nothing", 503, "application/json", "", 0, ""},
		{"a redirect", 302, "application/json", `{"message":"no"}`, 16, "no"},
		{"a success", 200, "application/json", `{"message":"no"}`, 0, ""},
		{"more than is kept", 500, "application/json", `{"message":"` + long + `"}`, 64 << 10, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := refused(t, c.status, c.kind, c.body)
			if got := x.Refusal(); got != c.body[:c.kept] {
				t.Errorf("kept %d bytes, want %d", len(got), c.kept)
			}
			var decoded struct{ Message string }
			if ok := x.DecodeRefusal(&decoded); ok != (c.message != "") {
				t.Errorf("DecodeRefusal() = %t, want %t", ok, !ok)
			} else if ok && decoded.Message != c.message {
				t.Errorf("message = %q, want %q", decoded.Message, c.message)
			}
		})
	}
}

func TestWithoutAnAnswerThereIsNoRefusal(t *testing.T) {
	t.Parallel()
	_, x := httpclient.Record(t.Context())
	if got := x.Refusal(); got != "" {
		t.Errorf("Refusal() = %q, want none", got)
	}
	var decoded any
	if x.DecodeRefusal(&decoded) {
		t.Errorf("DecodeRefusal() decoded %v, want nothing", decoded)
	}
}
