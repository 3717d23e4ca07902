package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/adapters/wire"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/tests/gateway"
	"patchbay/tests/testlog"
)

// serveLogged serves the API with a log that has a line for each request.
func serveLogged(t *testing.T, level slog.Level, changes ...func(*httpapi.Server)) (*rig, *testlog.Buffer) {
	t.Helper()
	log := new(testlog.Buffer)
	r := serve(t, func(s *httpapi.Server) {
		for _, change := range changes {
			change(s)
		}
		s.LogRequests = true
		s.Log = logging.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})).Logger
		s.Payments = payments.New(payments.Options{Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: s.Log, Journal: s.Webhooks.Journal})
	})
	return r, log
}

// linesWith returns the lines that contain these words, without the time and what differs in each run.
func linesWith(log *testlog.Buffer, words string) (lines []string) {
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, words) {
			_, line, _ = strings.Cut(line, "level=")
			lines = append(lines, regexp.MustCompile(`duration=\S+|(req|key)_\w+`).ReplaceAllString(strings.TrimSpace(line), "_"))
		}
	}
	return lines
}

func TestEachRequestHasALine(t *testing.T) {
	t.Parallel()
	r, log := serveLogged(t, slog.LevelInfo)
	own := header{"X-Request-Id": "mine"}
	bearer := header{"Authorization": "Bearer " + r.key(t)}
	r.do(t, "GET", "/api/users/usr_1", "", own, bearer)
	r.do(t, "GET", "/api/users/usr_1?x=ada@example.com", "", own, bearer)
	r.do(t, "GET", "/api/users/usr_1", "", own)
	r.do(t, "GET", "/api/payments/pay_1", "", own, bearer)
	r.do(t, "GET", "/nowhere/ada@example.com", "", own)
	r.do(t, "BREW", "/api/users", "", own)
	r.do(t, "GET", "/api/users/usr_1", "", own, header{"Authorization": "Bearer pb_live_a_b"})
	r.do(t, "GET", "/readyz", "", own)
	got := linesWith(log, "msg=request ")
	want := []string{
		`INFO msg=request method=GET route=/api/users/:id status=200 _ request=mine client=127.0.0.1 tenant=acme key=_`,
		`INFO msg=request method=GET route=/api/users/:id status=400 _ request=mine client=127.0.0.1 tenant=acme key=_ code=unknown_parameter`,
		`INFO msg=request method=GET route=/api/users/:id status=200 _ request=mine client=127.0.0.1 tenant=default key=local`,
		`INFO msg=request method=GET route=/api/payments/:id status=404 _ request=mine client=127.0.0.1 tenant=acme key=_ code=record_not_found`,
		`INFO msg=request method=GET route="" status=404 _ request=mine client=127.0.0.1 code=not_found`,
		`INFO msg=request method=BREW route="" status=501 _ request=mine client=127.0.0.1 code=not_implemented`,
		`INFO msg=request method=GET route=/api/users/:id status=401 _ request=mine client=127.0.0.1 code=unauthorized`,
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("lines =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if failed := linesWith(log, "ERROR"); len(failed) > 0 { // none of it is a mistake of ours
		t.Errorf("errors in the log: %q, want none", failed)
	}
}

// A request that reaches no handler has a line too, and only one.
func TestARequestThatIsNotReadHasOneLine(t *testing.T) {
	t.Parallel()
	post := "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, row := range []struct {
		name   string
		change func(*wire.Options)
		text   string
		want   string
		after  string // of the answer
	}{
		{"a line that is not HTTP", nil, "GET\r\n\r\n", `method=- route="" status=400 _ request=_ client=127.0.0.1 code=bad_request`, ""},
		{"a head that does not arrive in time", func(o *wire.Options) { o.HeadTime = 50 * time.Millisecond }, "GET / HT", `method=- route="" status=408 _ request=_ client=127.0.0.1 code=request_timeout`, ""},
		{"a body that does not arrive in time", func(o *wire.Options) { o.Grace = 50 * time.Millisecond }, post + "Content-Length: 5\r\n\r\n", `method=POST route=/api/users status=408 _ request=_ client=127.0.0.1 tenant=default key=local code=request_timeout`, ""},
		{"a connection beyond the limit in all", func(o *wire.Options) { o.Max = 1 }, "GET /healthz HTTP/1.1\r\n", `method=- route="" status=503 _ request=_ client=127.0.0.1 code=too_many_connections`, "1"},
		{"a connection beyond the limit of an address", func(o *wire.Options) { o.MaxPerAddress = 1 }, "GET /healthz HTTP/1.1\r\n", `method=- route="" status=429 _ request=_ client=127.0.0.1 code=too_many_connections`, "1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r, log := serveLogged(t, slog.LevelInfo, func(s *httpapi.Server) {
				s.Connections.Limits = wire.Defaults
				if row.change != nil {
					row.change(&s.Connections)
				}
			})
			if row.after != "" { // this one is within the bound
				first := r.dial(t)
				if _, err := io.WriteString(first, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %+v %v, want 200", resp, err)
				}
			}
			if got := r.raw(t, row.text).header.Get("Retry-After"); got != row.after {
				t.Errorf("Retry-After = %q, want %q", got, row.after)
			}
			gateway.Eventually(t, patience, "the request has a line", func() bool { return len(linesWith(log, "msg=request ")) > 0 })
			if got := linesWith(log, "request"); len(got) != 1 || got[0] != "INFO msg=request "+row.want {
				t.Errorf("lines = %q, want one: %q", got, "INFO msg=request "+row.want)
			}
		})
	}
}

// A trusted proxy names the client in the line; otherwise it is the address that connects.
func TestTheLineHasTheAddressOfTheClient(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, trusted, want string }{
		{"named by a trusted proxy", "127.0.0.1/32", "client=192.0.2.1 "},
		{"not the one named by an untrusted peer", "10.0.0.0/8", "client=127.0.0.1 "},
	} {
		r, log := serveLogged(t, slog.LevelInfo, func(s *httpapi.Server) { s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(row.trusted)} })
		r.do(t, "GET", "/api/users/usr_1", "", header{"X-Forwarded-For": "ada@example.com, 192.0.2.1", "Authorization": "Bearer " + r.key(t)})
		if got := linesWith(log, "msg=request "); len(got) != 1 || !strings.Contains(got[0], row.want) {
			t.Errorf("%s: lines = %q, want one with %q", row.name, got, row.want)
		}
	}
}

func TestRequestsAreNotLoggedByDefault(t *testing.T) {
	t.Parallel()
	log := new(testlog.Buffer)
	r := serve(t, func(s *httpapi.Server) { s.Log = slog.New(slog.NewTextHandler(log, nil)) })
	r.do(t, "GET", "/api/users/usr_1", "")
	if log.String() != "" {
		t.Errorf("log = %q, want nothing", log.String())
	}
}

func TestProbesAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	r, log := serveLogged(t, slog.LevelDebug)
	r.do(t, "GET", "/healthz", "")
	if got := linesWith(log, "route=/healthz"); len(got) != 1 || !strings.HasPrefix(got[0], "DEBUG") {
		t.Errorf("lines = %q, want one at DEBUG", got)
	}
}

// Attempts with unknown keys or unsigned webhooks are logged at once, and then once a minute.
func TestRefusedCredentialsAreLogged(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) {
		s.Webhooks.Routes["stripe"] = webhooks.Route{Verifier: unsigned{&verifier{}}}
		s.Webhooks.Routes["keyless"] = webhooks.Route{Verifier: unsigned{&verifier{}}, Keyless: []string{"first", "second"}}
	})
	for range 50 {
		r.do(t, "GET", "/api/users/usr_1", "", header{"Authorization": "Bearer pb_live_a_secretsecret"})
		r.do(t, "POST", "/api/webhooks/stripe", `{}`, asJSON)
		a := r.do(t, "POST", "/api/webhooks/keyless", `{}`, asJSON)
		if a.refused(t, 503, "webhook_keys_missing", ""); a.header.Get("Retry-After") != "60" || strings.Contains(a.body, "first") {
			t.Fatalf("got %v %s, want a Retry-After of 60, and no name of a provider", a.header, a.body)
		}
	}
	credentials := linesWith(&r.log, "credential is refused")
	if len(credentials) != 1 {
		t.Fatalf("lines = %q, want one for 50 refusals", credentials)
	}
	for _, want := range []string{"WARN", "code=unauthorized", "client=127.0.0.1"} {
		if !strings.Contains(credentials[0], want) {
			t.Errorf("line = %q, want %q in it", credentials[0], want)
		}
	}
	if strings.Contains(credentials[0], "secretsecret") {
		t.Errorf("line = %q, want no secret in it", credentials[0])
	}
	if got := linesWith(&r.log, "signature of a webhook is refused"); len(got) != 1 || !strings.Contains(got[0], "type=stripe") {
		t.Errorf("lines = %q, want one with type=stripe", got)
	}
	keyless := linesWith(&r.log, "webhook is refused: its provider may be one without keys for webhooks")
	if len(keyless) != 1 || !strings.Contains(keyless[0], "type=keyless") || !strings.Contains(keyless[0], "no keys are configured for first, second: invalid (invalid_signature)") {
		t.Errorf("lines = %q, want one with type=keyless, the names, and why the signature was refused", keyless)
	}
	if got := linesWith(&r.log, "request failed"); len(got) != 0 {
		t.Errorf("lines = %q, want none: nothing is broken", got)
	}
}

func TestTheRefusalOfARevokedKeyIsLoggedWithItsID(t *testing.T) {
	t.Parallel()
	r := serve(t)
	token, key, err := r.access.Create(t.Context(), "acme", "test", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.access.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	r.do(t, "GET", "/api/users/usr_1", "", header{"Authorization": "Bearer " + token})
	if want := "key=" + key.ID; !strings.Contains(r.log.String(), want) {
		t.Errorf("log = %q, want %q in it", r.log.String(), want)
	}
}

// unsigned is a verifier that accepts no signature.
type unsigned struct{ *verifier }

func (unsigned) Verify(context.Context, []byte, func(string) string) ([]webhook.Event, error) {
	return nil, fault.New(fault.Invalid, "invalid_signature", "no signature is right")
}

// What a person does through the API is logged with that person and the request.
func TestActionsOfPeopleAreLogged(t *testing.T) {
	t.Parallel()
	r, log := serveLogged(t, slog.LevelInfo)
	bearer := header{"Authorization": "Bearer " + r.key(t), "X-Request-Id": "mine", "Content-Type": "application/json"}
	r.do(t, "POST", "/api/payments/pay_1/resolve", `{"verdict": "noted"}`, bearer)
	r.do(t, "POST", "/api/payments/pay_1/sync", "", bearer)
	r.do(t, "POST", "/api/payments/pay_1/cancel", "", bearer)
	got := linesWith(log, "administrative act")
	if len(got) != 3 {
		t.Fatalf("%d lines of actions, want 3:\n%s", len(got), log.String())
	}
	for i, action := range []string{"payment.resolve", "payment.sync", "payment.cancel"} {
		want := `WARN msg="administrative act failed" request=mine tenant=acme key=_ action=` + action + ` by=_ payment=pay_1`
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("line %d = %q, want %q", i, got[i], want)
		}
	}
}
