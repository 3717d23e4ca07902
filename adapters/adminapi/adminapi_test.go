package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/catchermail"
	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

const patience = 20 * time.Second

// secret is that of the installation.
var secret = adminapi.Identity{Token: "secret-of-the-installation", Key: []byte("key of the proof"), Store: "sqlite /srv/patchbay.db"}

// rig is the admin listener on a loopback port, and the operator at it.
type rig struct {
	base, host string
	log        testlog.Buffer
	server     *adminapi.Server
	access     *apikeys.Service
	journal    *memjournal.Journal
}

func serve(t *testing.T, o adminapi.Options) *rig {
	t.Helper()
	r := &rig{journal: memjournal.New(clock.System{})}
	r.access = apikeys.New(apikeys.Options{Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, Pepper: []byte("pepper")})
	o.APIKeys, o.Identity = r.access, secret
	o.Log = logging.New(slog.NewTextHandler(&r.log, nil)).Logger
	c := adminapi.New(o)
	r.server = c
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.host = l.Addr().String()
	r.base = "http://" + r.host
	done := make(chan error, 1)
	go func() { done <- c.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := errors.Join(c.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	gateway.Eventually(t, patience, what, ok)
}

type header map[string]string

type answer struct {
	status int
	header http.Header
	body   string
	code   string // of an error
	text   string
}

// do is what the operator does, who shows the secret but where a header says otherwise.
func (r *rig) do(t *testing.T, method, path, body string, headers ...header) answer {
	t.Helper()
	return r.stranger(t, method, path, body, append([]header{{"Authorization": "Bearer " + secret.Token}}, headers...)...)
}

// stranger is what anybody on the machine can do.
func (r *rig) stranger(t *testing.T, method, path, body string, headers ...header) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		for name, value := range h {
			if name == "Host" {
				req.Host = value
			}
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // without going where it redirects to
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failed struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(raw, &failed) // where it is no error it has none
	return answer{resp.StatusCode, resp.Header, string(raw), failed.Error.Code, failed.Error.Message}
}

// A browser says where a request is from, and under what name it found this machine:
// that it has been signed in is not enough.
func TestRequestsFromOtherSitesAndHostsAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Metrics: http.NotFoundHandler()})
	_, port, err := net.SplitHostPort(r.host)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		header header
		ok     bool
	}{
		{"by its address", header{"Host": r.host}, true},
		{"by name", header{"Host": "localhost:" + port}, true},
		{"by name, without a port", header{"Host": "localhost"}, true},
		{"by name, in capitals", header{"Host": "LOCALHOST:" + port}, true},
		{"by its other address", header{"Host": "[::1]:" + port}, true},
		{"by another loopback address", header{"Host": "127.9.9.9"}, true},
		{"from its own pages", header{"Origin": r.base}, true},
		{"from its own pages, by name", header{"Host": "localhost:" + port, "Origin": "http://localhost:" + port}, true},

		{"under a foreign name", header{"Host": "evil.example"}, false},
		{"under a foreign name and this port", header{"Host": "evil.example:" + port}, false},
		{"under a name that begins like ours", header{"Host": "127.0.0.1.evil.example"}, false},
		{"under a name that ends like ours", header{"Host": "evil.localhost"}, false},
		{"under the network's address", header{"Host": "192.168.1.7:" + port}, false},
		{"under the address of all", header{"Host": "0.0.0.0:" + port}, false},
		{"under a foreign name, behind a proxy that is none", header{"Host": "evil.example", "X-Forwarded-Host": "localhost"}, false},
		{"under a foreign name, from its pages", header{"Host": "evil.example", "Origin": "http://evil.example"}, false},
		{"from a foreign page", header{"Origin": "https://evil.example"}, false},
		{"from a foreign page, behind a proxy that is none", header{"Origin": "http://localhost", "X-Forwarded-Host": "localhost"}, false},
		{"from a page at another port", header{"Origin": "http://127.0.0.1:1"}, false},
		{"from a file or a sandbox", header{"Origin": "null"}, false},
		{"from what is no origin", header{"Origin": "http://%zz"}, false},
		{"of another site, as a picture is", header{"Sec-Fetch-Site": "cross-site"}, false},
		{"of another port of this machine", header{"Sec-Fetch-Site": "same-site"}, false},
		{"through a proxy", header{"X-Forwarded-For": "127.0.0.1"}, false},
		{"through a proxy that says so", header{"Via": "1.1 proxy"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, one := range []struct{ method, path, body string }{
				{"GET", "/", ""},
				{"GET", "/healthz", ""},
				{"GET", "/admin/keys", ""},
				{"GET", "/metrics", ""},
				{"POST", "/admin/keys", `{"tenant":"default","name":"n"}`},
				{"DELETE", "/admin/keys/key_nobody", ""},
			} {
				a := r.do(t, one.method, one.path, one.body, row.header)
				if forbidden := a.status == 403; forbidden == row.ok || forbidden && a.code != "not_local" {
					t.Errorf("%s %s: status = %d, accepted = %t, want accepted = %t, or else 403 not_local: %s", one.method, one.path, a.status, !forbidden, row.ok, a.body)
				}
			}
		})
	}
	keys, err := r.access.List(t.Context())
	if err != nil || len(keys) != 8 {
		t.Errorf("%d keys were made (%v), want one for each that was let in", len(keys), err)
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Mailbox: mailbox{}})
	for _, path := range []string{"/", "/healthz", "/catcher", "/catcher/x", "/admin/keys", "/nothing"} {
		h := r.do(t, "GET", path, "").header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "script") {
			t.Errorf("%s: Content-Security-Policy = %q, want default-src 'none', and no scripts", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers = %v, want nosniff, DENY, no-store, and no access from other origins", path, h)
		}
	}
}

// mailbox is a mailbox of what a test puts there.
type mailbox struct {
	caught []email.Caught
	err    error
}

func (m mailbox) List(int) ([]email.Caught, error) { return m.caught, m.err }
func (m mailbox) Read(string) ([]byte, error)      { return []byte("Subject: s\r\n\r\n" + attack), m.err }

const attack = `<script>alert("1")</script>`

func TestPagesEscapeForeignText(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{API: "http://127.0.0.1:8080", Mailbox: mailbox{caught: []email.Caught{{
		Name: `000-"><img src=x>.eml`, From: "From" + attack, To: "To" + attack, Subject: "Subject" + attack,
	}}}})
	a := r.do(t, "GET", "/catcher", "")
	if a.status != 200 || strings.Contains(a.body, "<script") || strings.Contains(a.body, "<img") {
		t.Fatalf("status = %d, want 200, %s", a.status, a.body)
	}
	text := html.UnescapeString(a.body)
	for _, field := range []string{"From", "To", "Subject"} {
		if !strings.Contains(text, field+attack) {
			t.Errorf("the page is %s, want the field %s of the message in it", a.body, field)
		}
	}
}

// A caught message holds whatever somebody was to be sent. Shown as what it is,
// its script would run beside the console's keys.
func TestCaughtMailIsServedAsPlainText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	catcher, err := catchermail.New(catchermail.Options{Name: "catcher", Path: filepath.Join(dir, "mail"), Keep: 10})
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, adminapi.Options{Mailbox: catcher})
	if a := r.do(t, "GET", "/catcher", ""); !strings.Contains(a.body, "Nothing yet") {
		t.Errorf("the page is %s, want \"Nothing yet\" in it", a.body)
	}
	receipt, err := catcher.Send(t.Context(), email.Message{
		ID: "msg_1", MessageID: "msg_1@example.com", From: email.Address{Email: "shop@example.com"},
		To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", HTML: attack, Text: "Hello", CreatedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := r.do(t, "GET", "/catcher", ""); !strings.Contains(a.body, `href="/catcher/`+receipt.Reference+`"`) || !strings.Contains(a.body, "ada@example.com") {
		t.Errorf("the page is %s, want a link to %s, and its recipient", a.body, receipt.Reference)
	}
	a := r.do(t, "GET", "/catcher/"+receipt.Reference, "")
	if a.status != 200 || a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(a.body, "Subject: Hello") || !strings.Contains(a.body, "<script>") {
		t.Errorf("status = %d, headers = %v, body = %s, want 200 and the message as plain text", a.status, a.header, a.body)
	}

	// Files beside the mail, and in the directory itself.
	for _, name := range []string{filepath.Join(dir, "0000000009-secret.eml"), filepath.Join(dir, "mail", "notes.eml")} {
		if err := os.WriteFile(name, []byte("not for the web"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"nobody", "notes.eml", "0000000007-msg_9.eml", "%2e%2e%2f0000000009-secret.eml", "..%2f0000000009-secret.eml",
		"..%5c0000000009-secret.eml", "1-..%2f..%2f0000000009-secret.eml", "../0000000009-secret.eml", "%00.eml", "1-%00.eml",
		receipt.Reference + "%2f..%2f..%2f0000000009-secret.eml",
	} {
		if a := r.do(t, "GET", "/catcher/"+name, ""); a.status != 404 || strings.Contains(a.body, "not for the web") {
			t.Errorf("%s: status = %d, want 404, %s", name, a.status, a.body)
		}
	}
}

func TestPagesOfProvidersNotConfiguredAreNotFound(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{API: "http://127.0.0.1:8080"})
	for _, path := range []string{"/catcher", "/catcher/x", "/mock/charges", "/nothing"} {
		if a := r.do(t, "GET", path, ""); a.status != 404 || a.code != "not_found" {
			t.Errorf("%s: status = %d, want 404, %s", path, a.status, a.body)
		}
	}
	a := r.do(t, "GET", "/", "")
	if strings.Contains(a.body, "/catcher") || strings.Contains(a.body, "/mock") || !strings.Contains(a.body, `href="http://127.0.0.1:8080/docs"`) {
		t.Errorf("the page is %s, want a link to the documentation, and none to a catcher or a mock", a.body)
	}
	full := serve(t, adminapi.Options{Mailbox: mailbox{}, Book: &book{}}).do(t, "GET", "/", "")
	if !strings.Contains(full.body, `href="/catcher"`) || !strings.Contains(full.body, `href="/mock/charges"`) {
		t.Errorf("the page is %s, want links to the catcher and to the charges", full.body)
	}
}

// book is a provider's book of one page.
type book struct{ cursor string }

func (b *book) Book(_ context.Context, cursor string, limit int) (payment.BookPage, error) {
	b.cursor = fmt.Sprint(cursor, " ", limit)
	return payment.BookPage{Entries: []payment.BookEntry{{Reference: "pi_1", Amount: 500, Currency: "eur"}}, Next: "more"}, nil
}

func TestChargesListsTheBookOfTheMock(t *testing.T) {
	t.Parallel()
	b := &book{}
	a := serve(t, adminapi.Options{Book: b}).do(t, "GET", "/mock/charges?cursor=here", "")
	var page struct {
		Data []struct {
			Reference, Currency string
			Amount              int64
		}
		NextCursor string
	}
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(page.Data) != 1 || page.NextCursor != "more" || b.cursor != "here 100" {
		t.Fatalf("error = %v, cursor and limit = %q, answer = %s, want one charge and the next cursor, read by %q", err, b.cursor, a.body, "here 100")
	}
	if e := page.Data[0]; e.Reference != "pi_1" || e.Currency != "eur" || e.Amount != 500 {
		t.Errorf("charge = %+v, want pi_1 over 500 eur", e)
	}
}

func TestStatusAndCodeOfErrors(t *testing.T) {
	t.Parallel()
	const canary = "hunter2"
	for _, row := range []struct {
		name       string
		err        error
		status     int
		code, text string
	}{
		{"nobody knows", errors.New(canary), 500, "internal", "the gateway made a mistake"},
		{"a mistake of ours", fault.Wrap(fault.Internal, "op", errors.New(canary)), 500, "internal", "the gateway made a mistake"},
		{"a mistake of ours with a text", fault.New(fault.Internal, canary, canary), 500, "internal", "the gateway made a mistake"},
		{"a disk that cannot be read", fault.Wrap(fault.Unavailable, "op", errors.New(canary)), 503, "unavailable", "it cannot be done at present"},
		{"a store that is closed", fault.New(fault.Unavailable, "store_closed", "the store is closed"), 503, "store_closed", "the store is closed"},
		{"what is not there", fault.New(fault.NotFound, "no_such_message", ""), 404, "not_found", "there is no such thing"},
		{"what is wrong", fault.InvalidParam("name", "invalid_name", "a name is needed"), 400, "invalid_name", "a name is needed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, adminapi.Options{Mailbox: mailbox{err: row.err}}).do(t, "GET", "/catcher", "")
			if a.status != row.status || a.code != row.code || a.text != row.text || strings.Contains(a.body, canary) {
				t.Errorf("status = %d, want %d, code %q, message %q, no secret in %s", a.status, row.status, row.code, row.text, a.body)
			}
		})
	}
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintln(w, "up 1")
	})})
	if a := r.do(t, "GET", "/metrics", ""); a.status != 200 || a.body != "up 1\n" || a.header.Get("Content-Type") != "text/plain; version=0.0.4" {
		t.Errorf("status = %d, want 200, %q %s", a.status, a.body, a.header)
	}
}

// A mistake of ours ends the request, not the process with all that is under way in it.
func TestAPanicEndsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Service: adminapi.Service{Storage: func(context.Context) adminapi.Storage { panic("no storage") }}})
	if a := r.do(t, "GET", "/admin/storage", ""); a.status != 500 || strings.Contains(a.body, "no storage") {
		t.Errorf("status = %d, want 500, %s", a.status, a.body)
	}
	if log := r.log.String(); !strings.Contains(log, "no storage") || !strings.Contains(log, "adminapi_test.go") {
		t.Errorf("log = %s, want the panic and its file in it", log)
	}
	if a := r.do(t, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("after it: status = %d, want 200, %s", a.status, a.body)
	}
}
