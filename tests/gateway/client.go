package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/tests/openapi"
)

// Answer is an HTTP response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any // set if the body is an object
}

// String returns the status, the headers and the first 300 characters of the body.
func (a Answer) String() string { return fmt.Sprintf("%d %v %.300s", a.Status, a.Header, a.Body) }

// Text returns a string from nested objects, or "" if it is absent.
func (a Answer) Text(path ...string) string {
	var v any = a.JSON
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// Number returns a number of the JSON body, or 0 if it is absent.
func (a Answer) Number(name string) int64 {
	n, _ := a.JSON[name].(float64)
	return int64(n)
}

// Code returns the code of an error.
func (a Answer) Code() string { return a.Text("error", "code") }

// Data returns the items of a page.
func (a Answer) Data() []map[string]any {
	list, _ := a.JSON["data"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

// HasStatus fails the test if the answer has another status. what, if given, says which
// answer it is.
func (a Answer) HasStatus(t testing.TB, want int, what ...string) {
	t.Helper()
	if a.Status != want {
		t.Errorf("%sstatus = %d, want %d: %s", strings.Join(append(what, ""), ": "), a.Status, want, a.Body)
	}
}

// Header is a set of request headers.
type Header map[string]string

// Key returns the header for an idempotency key.
func Key(k string) Header { return Header{"Idempotency-Key": k} }

var checked = sync.OnceValues(func() (*http.Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	checker, err := openapi.Load(filepath.Join(Root(), "adapters", "httpapi", "openapi.yaml"), transport)
	return &http.Client{Transport: checker, Timeout: 20 * time.Second}, err
})

// Do sends a request with an optional JSON body, and checks the request and its response against
// the OpenAPI document.
func (g *Gateway) Do(t testing.TB, method, path string, body any, headers ...Header) Answer {
	t.Helper()
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
		headers = append([]Header{{"Content-Type": "application/json"}}, headers...)
	}
	return g.send(context.Background(), t, method, g.Base+path, raw, headers...)
}

// Wrong sends a request that is invalid on purpose.
func (g *Gateway) Wrong(t testing.TB, method, path string, body []byte, headers ...Header) Answer {
	t.Helper()
	return g.send(openapi.Wrong(context.Background()), t, method, g.Base+path, body, headers...)
}

// Ask gets a page of the admin listener without credentials.
func (g *Gateway) Ask(t testing.TB, path string) Answer {
	t.Helper()
	return g.send(context.Background(), t, http.MethodGet, g.Admin+path, nil)
}

// AskAsOperator gets a page of the admin listener with the operator's token.
func (g *Gateway) AskAsOperator(t testing.TB, path string) Answer {
	t.Helper()
	return g.send(context.Background(), t, http.MethodGet, g.Admin+path, nil, g.Operator(t))
}

func (g *Gateway) send(ctx context.Context, t testing.TB, method, url string, body []byte, headers ...Header) Answer {
	t.Helper()
	a, err := Send(ctx, method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// Send sends a request and reads its response. It returns an error if there is no response, or if
// the response does not match the OpenAPI document.
func Send(ctx context.Context, method, url string, body []byte, headers ...Header) (Answer, error) {
	client, err := checked()
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for _, h := range headers {
		for name, value := range h {
			req.Header.Set(name, value)
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		return Answer{}, err
	}
	_ = json.Unmarshal(a.Body, &a.JSON) // the body may be something else than an object
	return a, nil
}

// Eventually polls until ok returns true, and fails the test after the limit.
func Eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end.C:
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

// Page returns the path of a page of a list: of the first where cursor is empty. path has a query.
func Page(path, cursor string) string {
	if cursor == "" {
		return path
	}
	return path + "&cursor=" + url.QueryEscape(cursor)
}

// Charge is an entry of the mock provider's book.
type Charge struct {
	Reference string            `json:"reference"`
	Amount    int64             `json:"amount"`
	Captured  int64             `json:"captured"`
	Refunded  int64             `json:"refunded"`
	Status    string            `json:"status"`
	Metadata  map[string]string `json:"metadata"`
}

// Charges reads the mock provider's whole book, by payment. It retries while the database is busy.
func (g *Gateway) Charges(t testing.TB) map[string][]Charge {
	t.Helper()
	book := make(map[string][]Charge)
	for cursor := ""; ; {
		var page struct {
			Data       []Charge `json:"data"`
			NextCursor string   `json:"nextCursor"`
		}
		var a Answer
		Eventually(t, time.Minute, "the book can be read", func() bool {
			a = g.Ask(t, "/mock/charges?cursor="+cursor)
			return a.Status == http.StatusOK
		})
		if err := json.Unmarshal(a.Body, &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Data {
			id := c.Metadata["patchbay_payment"]
			book[id] = append(book[id], c)
		}
		if cursor = page.NextCursor; cursor == "" {
			return book
		}
	}
}

// Metric returns the value of one series of the gateway's metrics, or "" if it is absent.
func (g *Gateway) Metric(t testing.TB, series string) string {
	t.Helper()
	for line := range strings.Lines(string(g.Ask(t, "/metrics").Body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
