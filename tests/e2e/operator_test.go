package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// command runs a command with a gateway's configuration.
func command(t *testing.T, g *gateway.Gateway, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := g.Command(t, append(args, g.Args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, exited := err.(*exec.ExitError); !exited { //nolint:errorlint // as Run returns it
			t.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// anybody makes a request to the admin listener without the secret.
func anybody(t *testing.T, g *gateway.Gateway, method, path, body string, headers ...gateway.Header) gateway.Answer {
	t.Helper()
	a, err := gateway.Send(context.Background(), method, g.Admin+path, []byte(body), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnotherUserOfTheMachineCanDoNothingAtTheAdminListener(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	for _, one := range []struct{ method, path, body string }{
		{"POST", "/admin/keys", `{"tenant":"default","name":"mine"}`},
		{"GET", "/admin/keys", ""},
		{"GET", "/admin/storage/backup", ""},
		{"GET", "/admin/storage", ""},
		{"POST", "/admin/data/export", `{"tenant":"default","email":"ada@example.com"}`},
		{"GET", "/", ""},
	} {
		if a := anybody(t, g, one.method, one.path, one.body); a.Status != 401 || !strings.Contains(string(a.Body), "patchbay console") {
			t.Errorf("%s %s: got %d %s, want 401, \"patchbay console\" in it", one.method, one.path, a.Status, a.Body)
		}
	}
	if info, err := os.Stat(g.Data("installation.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret: got %v, %v, want perm 0o600", info, err)
	}
	if out, _, code := command(t, g, "keys", "list"); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("%d %s", code, out)
	}
	for _, line := range []string{"credential is refused", "code=not_signed_in", `msg="administrative act" action=key.list by=operator`} {
		if !strings.Contains(g.Log(), line) {
			t.Errorf("got no line with %q in the log, want one", line)
		}
	}
	if n := strings.Count(g.Log(), "credential is refused"); n != 1 {
		t.Errorf("got %d lines, want 1", n)
	}
}

func TestTheLogsOwnLinkSignsABrowserIn(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	at := regexp.MustCompile(`msg="console ready[^"]*" url="?(http://127\.0\.0\.1:\d+)(/\?sign_in_once=[A-Z2-7]+)`).FindStringSubmatch(g.Log())
	if at == nil || at[1] != g.Admin {
		t.Fatalf("got %s, want the address %v", g.Log(), g.Admin)
	}
	printed, stderr, code := command(t, g, "console")
	if code != 0 || !strings.HasPrefix(printed, g.Admin+"/?sign_in_once=") || !strings.Contains(stderr, "once, until ") {
		t.Fatalf("got %d %s%s, want 0, a URL beginning with %v, \"once, until \" in it", code, printed, stderr, g.Admin+"/?sign_in_once=")
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
	for _, link := range []string{g.Admin + at[2], strings.TrimSpace(printed)} {
		for _, want := range []int{http.StatusSeeOther, http.StatusUnauthorized} { // the second time
			resp, err := browser.Get(link)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%d, want %d", resp.StatusCode, want)
			}
			if cookies := resp.Cookies(); want == http.StatusSeeOther {
				anybody(t, g, "GET", "/admin/keys", "", gateway.Header{"Cookie": cookies[0].Name + "=" + cookies[0].Value}).HasStatus(t, 200)
			}
		}
	}
}

// TestACommandDoesNotActOnAnotherInstallation checks commands with the configuration of one
// installation while another installation's gateway runs at its address.
func TestACommandDoesNotActOnAnotherInstallation(t *testing.T) {
	t.Parallel()
	theirs := gateway.Start(t)
	mine := gateway.New(t)
	mine.Env = theirs.Env // the same addresses
	if _, stderr, code := command(t, mine, "storage", "create"); code != 0 {
		t.Fatal(stderr)
	}
	for _, args := range []string{"keys create --name mine", "keys list", "storage status", "data erase --email ada@example.com --yes", "storage backup --to kept.db", "payments review", "console"} {
		_, stderr, code := command(t, mine, strings.Fields(args)...)
		if code != 1 || !strings.Contains(stderr, "has not proved to be the gateway of this installation") || !strings.Contains(stderr, mine.Data("patchbay.db")) {
			t.Errorf("%s: got %d %s, want 1, \"has not proved to be the gateway of this installation\" in it, %q in it", args, code, stderr, mine.Data("patchbay.db"))
		}
	}
	if strings.Contains(theirs.Log(), "administrative act") || strings.Contains(theirs.Log(), "credential is refused") {
		t.Errorf("got %s, want no \"administrative act\" in it, no \"credential is refused\" in it", theirs.Log())
	}
	if out, _, code := command(t, theirs, "keys", "list"); code != 0 || strings.Contains(out, "mine") {
		t.Errorf("got %d %s, want 0, no \"mine\" in it", code, out)
	}
}

// TestACommandDoesNotActOnACopyOfItsStore checks commands while a gateway runs on a copy of the
// installation, with the same secrets.
func TestACommandDoesNotActOnACopyOfItsStore(t *testing.T) {
	t.Parallel()
	trial, first := gateway.New(t), gateway.New(t)
	if _, stderr, code := command(t, first, "storage", "create"); code != 0 {
		t.Fatal(stderr)
	}
	trial.TakeSecrets(t, first)
	first.CopyStore(t, trial.Data(""))
	trial.Restart(t)
	first.Env = trial.Env
	if _, stderr, code := command(t, first, "keys", "create", "--name", "mine"); code != 1 || !strings.Contains(stderr, "serves another store than sqlite "+first.Data("patchbay.db")) {
		t.Errorf("%d %s", code, stderr)
	}
	if out, _, code := command(t, trial, "keys", "list"); code != 0 || strings.Contains(out, "mine") {
		t.Errorf("got %d %s, want 0, no \"mine\" in it", code, out)
	}
}

func TestACommandInAnEmptyDirectoryFailsAndMakesNothing(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	for _, args := range []string{"data export --email ada@example.com", "keys list", "storage status", "keys create --name n", "payments review"} {
		out, stderr, code := command(t, g, strings.Fields(args)...)
		if code != 1 || strings.Contains(out, "{") || !strings.Contains(stderr, "there is no store: sqlite "+g.Data("patchbay.db")) {
			t.Errorf("%s: got %d %s%s, want 1, no \"{\" in it, %q in it", args, code, out, stderr, "there is no store: sqlite "+g.Data("patchbay.db"))
		}
	}
	if _, err := os.Stat(g.Data("")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

// TestAStoreOnAServerIsMadeOnlyWhenItIsAskedFor checks that, on a database server too, commands
// that only read create no tables, and that the first API key can be created before the first
// start.
func TestAStoreOnAServerIsMadeOnlyWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	for name, database := range map[string]string{"Postgres": gateway.OnPostgres(server, server.Database(t)), "Mongo": gateway.OnMongo(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gateway.Configured(t, "storage: {provider: db}\nproviders: {db: "+database+"}\nauth: {mode: required}\n")
			if _, stderr, code := command(t, g, "keys", "list"); code != 1 || !strings.Contains(stderr, "no installation.json in "+g.Data("")) {
				t.Errorf("got %d %s, want 1, %q in it", code, stderr, "no installation.json in "+g.Data(""))
			}
			other := gateway.New(t)
			if _, stderr, code := command(t, other, "storage", "create"); code != 0 {
				t.Fatal(stderr)
			}
			g.TakeSecrets(t, other)
			for _, args := range []string{"keys list", "keys create --name n", "data export --email ada@example.com", "storage status", "payments review"} {
				if _, stderr, code := command(t, g, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "there is no store: ") {
					t.Errorf("%s: got %d %s, want 1, \"there is no store: \" in it", args, code, stderr)
				}
			}
			if _, stderr, code := command(t, g, "storage", "create"); code != 0 {
				t.Fatal(stderr)
			}
			token, stderr, code := command(t, g, "keys", "create", "--name", "first")
			if code != 0 || !strings.Contains(stderr, "opened by this command") {
				t.Fatalf("got %d %s, want 0, \"opened by this command\" in it", code, stderr)
			}
			if _, err := os.Stat(g.Data("spool.db")); !os.IsNotExist(err) {
				t.Errorf("the spool: got error %v, want that it does not exist", err)
			}
			g.Restart(t)
			g.Do(t, "GET", "/api/users", nil, gateway.Header{"Authorization": "Bearer " + strings.TrimSpace(token)}).HasStatus(t, 200)
			if _, stderr, code := command(t, g, "storage", "status"); code != 0 || !strings.Contains(stderr, "asked of the gateway at ") {
				t.Errorf("got %d %s, want 0, \"asked of the gateway at \" in it", code, stderr)
			}
		})
	}
}
