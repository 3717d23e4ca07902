package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/tests/gateway"
)

func write(t *testing.T, g *gateway.Gateway, text string) (file string) {
	t.Helper()
	file = filepath.Join(g.Dir, "file.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const sixMistakes = `server:
  adress: 127.0.0.1:8080
  admin_address: 0.0.0.0:8081
mail:
  delivery: twice
payments:
  providers: [mock, mock]
  currencies: [usd, xxx]
providers:
  stripe: {type: stripe}
`

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	file := write(t, g, sixMistakes)
	g.Env = nil
	for _, command := range []string{"check", "serve"} {
		out, err := g.Command(t, command, "--config", file).CombinedOutput()
		if err == nil {
			t.Errorf("%s accepts it, want an error", command)
		}
		for _, want := range []string{
			"file.yaml:2: server.adress: is not a setting; did you mean address?",
			"file.yaml:3: server.admin_address: must be a loopback address",
			"file.yaml:5: mail.delivery: \"twice\" must be one of",
			"file.yaml:7: payments.providers: names \"mock\" twice",
			"file.yaml:8: payments.currencies[1]: \"xxx\" is not a known currency",
			"file.yaml:10: providers.stripe.secret_key: is required",
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s does not say %q:\n%s", command, want, out)
			}
		}
	}
}

func TestASimulatorNeverStandsBesideARealProvider(t *testing.T) {
	t.Parallel()
	for name, lists := range map[string]string{
		"the mock first":    "payments: {providers: [mock, stripe]}",
		"the mock last":     "payments: {providers: [stripe, mock]}",
		"the catcher first": "mail: {providers: [catcher, sendgrid]}",
		"the catcher last":  "mail: {providers: [sendgrid, catcher]}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gateway.New(t)
			g.Env = append(g.Env, "STRIPE=sk_live_1", "SENDGRID=SG.1")
			file := write(t, g, lists+"\nproviders:\n  stripe: {type: stripe, secret_key: \"${STRIPE}\"}\n  sendgrid: {type: sendgrid, api_key: \"${SENDGRID}\"}\n")
			out, err := g.Command(t, "serve", "--config", file).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "is live and") {
				t.Errorf("got %v, want it refused:\n%s", err, out)
			}
		})
	}
}

func TestOffLoopbackAKeyIsNeeded(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	// This listens on every address of the machine; the test connects to loopback only.
	g.Env = append(g.Env, "PATCHBAY_SERVER__ADDRESS=0.0.0.0:"+port)
	out, err := g.Command(t, append([]string{"serve"}, g.Args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "patchbay keys create") {
		t.Fatalf("it serves without a key: got %v, want an error, \"patchbay keys create\" in it:\n%s", err, out)
	}
	create := func(args ...string) gateway.Header {
		cmd := g.Command(t, append(append([]string{"keys", "create"}, args...), g.Args...)...)
		token, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return gateway.Header{"Authorization": "Bearer " + strings.TrimSpace(string(token))}
	}
	all := create("--name", "shop")
	g.Restart(t)
	reader := create("--name", "reader", "--scopes", "users:read") // by the running gateway
	other := create("--name", "other", "--tenant", "other")

	u := g.Do(t, "POST", "/api/users", object{"email": "ada@example.com"}, all)
	if u.Status != 201 {
		t.Fatalf("got %d %s, want 201", u.Status, u.Body)
	}
	path := "/api/users/" + u.Text("id")
	tests := []struct {
		name   string
		method string
		header gateway.Header
		status int
	}{
		{"the key of all scopes", "GET", all, 200},
		{"no key", "GET", nil, 401},
		{"a key that is none", "GET", gateway.Header{"Authorization": "Bearer pb_live_x_y"}, 401},
		{"a key with one letter changed", "GET", gateway.Header{"Authorization": all["Authorization"][:len(all["Authorization"])-1] + "g"}, 401},
		{"a key of the scope", "GET", reader, 200},
		{"a key without the scope", "DELETE", reader, 403},
		{"another tenant's key", "GET", other, 404},
	}
	for _, tt := range tests {
		if a := g.Do(t, tt.method, path, nil, tt.header); a.Status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, a.Status, a.Body, tt.status)
		}
	}
	list, err := g.Command(t, append([]string{"keys", "list"}, g.Args...)...).Output()
	if err != nil || strings.Count(string(list), "valid") != 3 || strings.Contains(string(list), "pb_live_") {
		t.Errorf("got %v, want \"valid\" 3 times, no \"pb_live_\" in it:\n%s", err, list)
	}
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, "reader") {
			if out, err := g.Command(t, append([]string{"keys", "revoke", strings.Fields(line)[0]}, g.Args...)...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	g.Do(t, "GET", path, nil, reader).HasStatus(t, 401, "a revoked key")
	database, err := os.ReadFile(filepath.Join(g.Dir, "data", "patchbay.db"))
	wal, _ := os.ReadFile(filepath.Join(g.Dir, "data", "patchbay.db-wal"))
	secret := all["Authorization"][len(all["Authorization"])-64:]
	if err != nil || strings.Contains(string(database)+string(wal), secret) {
		t.Errorf("the database holds the secret of a key (%v), want no %q in it", err, secret)
	}
}

func TestOneProcessHasTheDatabase(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	second := gateway.New(t)
	second.Dir = g.Dir
	out, err := second.Command(t, append([]string{"serve"}, second.Args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "open in another process") {
		t.Errorf("got %v, want an error, \"open in another process\" in it:\n%s", err, out)
	}
}

// TestADirectoryThatCannotBeWrittenIsRefusedAtTheStart checks that serve tests the directories that
// it needs at the start. A gateway that cannot write its mail would otherwise accept it and keep it
// queued forever.
func TestADirectoryThatCannotBeWrittenIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	const unwritable = "/proc/self/fdinfo" // not even root can create a file there
	for _, row := range []struct{ name, config, message string }{
		{"the catcher's", "providers: {catcher: {path: " + unwritable + "}}", `mail provider "catcher": `},
		{"one of two catchers'", "mail: {providers: [catcher, two]}\nproviders: {two: {type: catcher, path: " + unwritable + "}}", `mail provider "two": `},
		{"the store's", "providers: {local: {path: " + unwritable + "/patchbay.db}}", unwritable},
		{"the standby's", "storage: {standby: two}\nproviders: {two: {type: sqlite, path: " + unwritable + "/patchbay.db}}", `storage "two": `},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g := gateway.Configured(t, row.config)
			out, err := g.Command(t, append([]string{"serve"}, g.Args...)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), row.message) || strings.Contains(string(out), "gateway ready") {
				t.Errorf("got %v, want an error, %q in it, no \"gateway ready\" in it:\n%s", err, row.message, out)
			}
		})
	}
}

func TestCheckSaysWhatIsConfigured(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	out, err := g.Command(t, append([]string{"check"}, g.Args...)...).Output()
	if err != nil || !strings.Contains(string(out), "payments  mock (mock, simulated)") || strings.Contains(string(out), gateway.Secret) {
		t.Errorf("got %v, want \"payments  mock (mock, simulated)\" in it, no %q in it:\n%s", err, gateway.Secret, out)
	}
}

// TestStorageCreateBesideAGateway checks that storage create reports that a store exists while a
// gateway has it open.
func TestStorageCreateBesideAGateway(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	out, err := g.Command(t, append([]string{"storage", "create"}, g.Args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is a store already: sqlite ") {
		t.Errorf("%v: got %s, want an error, \"there is a store already: sqlite \" in it", err, out)
	}
}
