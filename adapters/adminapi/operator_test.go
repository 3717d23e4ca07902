package adminapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// everybody is what is read without a secret, where callers of the API need no key.
var everybody = []string{"/healthz", "/metrics", adminapi.ProofPath, "/mock/charges", "/catcher", "/catcher/:name"}

func whole() adminapi.Options {
	return adminapi.Options{
		Mailbox: mailbox{}, Book: &book{}, Metrics: http.NotFoundHandler(), API: "http://127.0.0.1:8080",
		Service: adminapi.Service{
			PutBack:      func(context.Context, string) error { return errors.New("it was put back") },
			Storage:      func(context.Context) adminapi.Storage { return adminapi.Storage{} },
			Backup:       func(context.Context) (ports.Snapshot, error) { return nil, errors.New("it was made") },
			PersonalData: personaldata.New(nobodysData{}),
			Payments: payments.New(payments.Options{
				Journal: memjournal.New(clock.System{}), Clock: clock.System{}, IDs: ids.UUIDs{}, Log: slog.New(slog.DiscardHandler),
			}),
		},
	}
}

type nobodysData struct{}

func (nobodysData) Person(context.Context, string, string, string) (user.Person, error) {
	return user.Person{}, errors.New("they were looked for")
}

func (nobodysData) PersonalObjects(context.Context, user.Person, func(int) error, func(user.PersonalObject) error) error {
	return nil
}

// What a new route is for need not be thought of: it is for operators.
func TestEveryOtherRouteRequiresAnOperator(t *testing.T) {
	t.Parallel()
	for _, keysRequired := range []bool{false, true} {
		open := everybody
		if keysRequired {
			open = []string{"/healthz", "/metrics", adminapi.ProofPath, "/mock/charges"}
		}
		o := whole()
		o.KeysRequired = keysRequired
		r := serve(t, o)
		seen := 0
		for _, route := range r.server.Routes() {
			if slices.Contains(open, route.Path) {
				continue
			}
			seen++
			path := strings.NewReplacer(":id", "key_1", ":name", "x").Replace(route.Path)
			for name, h := range map[string]header{
				"no secret":                    {},
				"another secret":               {"Authorization": "Bearer " + secret.Token + "x"},
				"a part of it":                 {"Authorization": "Bearer " + secret.Token[:8]},
				"an empty secret":              {"Authorization": "Bearer "},
				"the secret in another way":    {"Authorization": "Basic " + secret.Token},
				"a cookie that was not issued": {"Cookie": r.cookieName() + "=AAAAAAAAAAAAAAAAAAAAAAAAAA"},
				"an empty cookie":              {"Cookie": r.cookieName() + "="},
				"the secret as a cookie":       {"Cookie": r.cookieName() + "=" + secret.Token},
				"the secret in the parameter":  {"Referer": r.base + "/?sign_in_once=" + secret.Token},
			} {
				a := r.stranger(t, route.Method, path, `{"tenant":"default","name":"n","userId":"usr_1","verdict":"noted"}`, h)
				if a.status != 401 || route.Method != "HEAD" && !strings.Contains(a.text, "patchbay console") {
					t.Errorf("%s %s with %s: status = %d, want 401, %s", route.Method, path, name, a.status, a.body)
				}
			}
		}
		if seen < 12 {
			t.Errorf("%d routes were tried, want at least 12: the test is broken", seen)
		}
		if keys, err := r.access.List(t.Context()); err != nil || len(keys) != 0 {
			t.Errorf("keys = %v, error = %v, want none", keys, err)
		}
		for _, path := range []string{"/nothing", "/admin/nothing", "/Admin/Keys", "/admin/keys/", "//admin/keys", "/healthz/../admin/keys", "/catcher/x/../../admin/keys", "/catcher/%2e%2e/admin"} {
			if a := r.stranger(t, "GET", path, ""); a.status != 401 && a.status != 404 {
				t.Errorf("%s: status = %d, want 401, %s", path, a.status, a.body)
			}
		}
	}
}

// The tour in README.md, and what scrapes the metrics, need no secret.
func TestRoutesOpenToTheWholeMachine(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	for _, path := range []string{"/healthz", "/mock/charges", "/catcher", "/catcher/x"} {
		if a := r.stranger(t, "GET", path, ""); a.status != 200 {
			t.Errorf("%s: status = %d, want 200, %s", path, a.status, a.body)
		}
	}
	if a := r.stranger(t, "GET", "/metrics", ""); a.status != 404 || a.code != "" { // of the handler itself
		t.Errorf("status = %d, code = %q, want 404 of the handler itself", a.status, a.code)
	}
}

func TestARefusalIsJSONForProgramsAndAPageForBrowsers(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	if a := r.stranger(t, "GET", "/admin/keys", ""); a.code != "not_signed_in" || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("code = %q, headers = %v, want not_signed_in, and WWW-Authenticate", a.code, a.header)
	}
	a := r.stranger(t, "GET", "/", "", header{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
	if a.status != 401 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") ||
		!strings.Contains(a.body, "patchbay console") || !strings.Contains(a.body, `href="/catcher"`) || strings.Contains(a.body, "/admin/keys") {
		t.Errorf("status = %d, page = %s, want 401, and a page that says how to sign in", a.status, a.body)
	}
}

func (r *rig) cookieName() string {
	return "patchbay_console_" + r.host[strings.LastIndexByte(r.host, ':')+1:]
}

// open opens a link, as a browser that it is pasted into does.
func (r *rig) open(t *testing.T, path string) answer {
	t.Helper()
	return r.stranger(t, "GET", path, "", header{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"})
}

var cookie = regexp.MustCompile(`^(patchbay_console_\d+=[A-Z2-7]{26}); expires=[^;]+; path=/; HttpOnly; SameSite=Strict$`)

func TestASignInLinkCanBeUsedOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	path := r.server.SignInLink("operator:ada").Path
	if !regexp.MustCompile(`^/\?sign_in_once=[A-Z2-7]{26}$`).MatchString(path) {
		t.Fatalf("path = %q, want the parameter sign_in_once with 26 characters", path)
	}
	for name, wrong := range map[string]string{"another's": "/?sign_in_once=AAAAAAAAAAAAAAAAAAAAAAAAAA", "cut off": path[:len(path)-1], "in small letters": strings.ToLower(path)} {
		if a := r.open(t, wrong); a.status != 401 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("a link that is %s: status = %d, want 401, %v", name, a.status, a.header)
		}
	}
	if a := r.stranger(t, "GET", path, "", header{"Sec-Fetch-Site": "cross-site"}); a.status != 403 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("opened by another site's page: status = %d, want 403, %v", a.status, a.header)
	}
	if a := r.stranger(t, "HEAD", path, ""); a.status == 303 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("status of HEAD = %d, headers = %v, want no sign-in", a.status, a.header)
	}
	a := r.open(t, path)
	set := cookie.FindStringSubmatch(a.header.Get("Set-Cookie"))
	if a.status != 303 || a.header.Get("Location") != "/" || set == nil || !strings.HasPrefix(set[1], r.cookieName()+"=") ||
		a.header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(path, strings.SplitN(set[1], "=", 2)[1]) {
		t.Fatalf("status = %d, headers = %v, want 303 to /, a cookie other than the link's token, and no referrer", a.status, a.header)
	}
	signedIn := header{"Cookie": set[1]}
	if a := r.stranger(t, "GET", "/", "", signedIn); a.status != 200 || !strings.Contains(a.body, "/admin/keys") {
		t.Errorf("signed in: status = %d, want 200, %s", a.status, a.body)
	}
	if a := r.stranger(t, "POST", "/admin/keys", `{"tenant":"default","name":"n"}`, signedIn, header{"Origin": r.base}); a.status != 201 {
		t.Errorf("signed in: status = %d, want 201, %s", a.status, a.body)
	}
	if a := r.stranger(t, "POST", "/admin/keys", `{"tenant":"default","name":"n"}`, signedIn, header{"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"}); a.status != 403 {
		t.Errorf("by another program's page on this machine, which the browser sends the cookie for: status = %d, want 403, %s", a.status, a.body)
	}
	if a := r.open(t, path); a.status != 401 || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "used already") {
		t.Errorf("a second time: status = %d, want 401, %s", a.status, a.body)
	}
	if !strings.Contains(r.log.String(), `action=key.create by=operator:ada`) {
		t.Errorf("log = %s, want the act by operator:ada in it", r.log.String())
	}
}

// On virtual time: without a listener.
func TestLinksAndSessionsExpireAndAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			name string
			make func(*adminapi.Server) (token string)
			of   func(*adminapi.Server, string) bool
			life time.Duration
		}{
			{"a link", (*adminapi.Server).NewLink, (*adminapi.Server).LinkOpens, 15 * time.Minute},
			{"a session", (*adminapi.Server).NewSession, (*adminapi.Server).SessionHolds, 12 * time.Hour},
		} {
			c := adminapi.New(adminapi.Options{Metrics: http.NotFoundHandler()})
			early, late := row.make(c), row.make(c)
			<-time.After(row.life - time.Second)
			if !row.of(c, early) {
				t.Errorf("%s: invalid a second before its end, want valid", row.name)
			}
			<-time.After(time.Second)
			if row.of(c, late) {
				t.Errorf("%s: valid after its end, want invalid", row.name)
			}
			first := row.make(c)
			for range 64 {
				row.make(c)
			}
			if row.of(c, first) {
				t.Errorf("%s: the oldest is valid though there are too many, want it removed", row.name)
			}
		}
	})
}

// acts are the lines about what was done, without the time and what differs each time.
func (r *rig) acts() (lines []string) {
	for line := range strings.Lines(r.log.String()) {
		if _, line, ok := strings.Cut(line, "msg=\"administrative act"); ok {
			lines = append(lines, regexp.MustCompile(`key_[0-9a-z]{26}`).ReplaceAllString(strings.TrimSpace(line), "key_"))
		}
	}
	return lines
}

func TestActsOfAnOperatorAreLogged(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	ada := header{adminapi.OperatorHeader: "ada"}
	for _, one := range []struct {
		method, path, body string
		header             header
	}{
		{"GET", "/admin/keys", "", ada},
		{"POST", "/admin/keys", `{"tenant":"acme","name":"n"}`, ada},
		{"POST", "/admin/keys", `{"tenant":"acme"}`, ada},
		{"DELETE", "/admin/keys/key_nobody", "", header{adminapi.OperatorHeader: "ada x=\"y\""}},
		{"POST", "/admin/data/export", `{"tenant":"acme","userId":"usr_1"}`, header{}},
		{"POST", "/admin/data/erase", `{"tenant":"acme","email":"ada@example.com","rehearsal":true}`, ada},
		{"GET", "/admin/storage/backup", "", ada},
		{"GET", "/admin/storage", "", ada},
		{"POST", "/admin/links", "", ada},
	} {
		r.do(t, one.method, one.path, one.body, one.header)
	}
	want := []string{
		`" action=key.list by=operator:ada`,
		`" action=key.create by=operator:ada tenant=acme key=key_`,
		`failed" action=key.create by=operator:ada tenant=acme error="invalid`,
		`failed" action=key.revoke by=operator key=key_nobody error="`,
		`failed" action=data.export by=operator tenant=acme user=usr_1 error="they were looked for"`,
		`failed" action=data.erase_rehearsal by=operator:ada tenant=acme error="they were looked for"`,
		`failed" action=storage.backup by=operator:ada error="it was made"`,
		`" action=storage.status by=operator:ada`,
		`" action=console.link by=operator:ada`,
	}
	got := r.acts()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if log := r.log.String(); strings.Contains(log, "example.com") || strings.Contains(log, secret.Token) || strings.Contains(log, "pb_live_") {
		t.Errorf("log = %s, want no address, token or key in it", log)
	}
}

// A backup is done when it is fetched, not when it is begun.
func TestATruncatedBackupIsLoggedAsFailed(t *testing.T) {
	t.Parallel()
	o, s := backups(unending{}, 1<<50)
	r := serve(t, o)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/admin/storage/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.acts(); len(got) != 0 {
		t.Errorf("acts = %q, want none before the download ends", got)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	<-s.closed
	eventually(t, "the log says so", func() bool {
		got := r.acts()
		return len(got) == 1 && strings.Contains(got[0], "failed") && strings.Contains(got[0], "action=storage.backup")
	})
}

// Who tries secrets is told of at once, and then once a minute.
func TestRefusedCredentialsAreSampled(t *testing.T) {
	t.Parallel()
	r := serve(t, whole())
	for range 50 {
		r.stranger(t, "GET", "/admin/keys", "", header{"Authorization": "Bearer hunter2hunter2"})
		r.open(t, "/?sign_in_once=hunter2hunter2")
		r.do(t, "GET", "/admin/keys", "", header{"Origin": "http://evil.example"})
	}
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	if len(lines) != 3 {
		t.Errorf("got %d lines, want 3:\n%s", len(lines), r.log.String())
	}
	for i, code := range []string{"invalid_secret", "link_used", "not_local"} {
		if !strings.Contains(lines[i], "level=WARN") || !strings.Contains(lines[i], "credential is refused") || !strings.Contains(lines[i], "code="+code) || strings.Contains(lines[i], "hunter2") {
			t.Errorf("line = %s, want a warning with code=%s, and no credential", lines[i], code)
		}
	}
}
