package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"patchbay/adapters/adminapi"
	"patchbay/app"
)

// identity is what the commands on the configuration know.
func (r *rig) identity(t *testing.T) adminapi.Identity {
	t.Helper()
	c, err := app.Load(r.file, r.environ)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := app.Secrets(c)
	if err != nil {
		t.Fatal(err)
	}
	return app.Identity(c, secrets)
}

// make makes the store.
func (r *rig) make(t *testing.T) {
	t.Helper()
	if got := r.run(t, "storage", "create"); got.code != 0 {
		t.Fatalf("got %+v, want exit code 0", got)
	}
}

// listens has a handler stand where the gateway's admin listener would, which proves what
// an identity can. It returns the address.
func (r *rig) listens(t *testing.T, of adminapi.Identity, then http.Handler) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == adminapi.ProofPath {
			_ = json.NewEncoder(w).Encode(of.Prove(req.URL.Query().Get("nonce"), req.Context().Value(http.LocalAddrContextKey).(interface{ String() string }).String()))
			return
		}
		then.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	address = server.Listener.Addr().String()
	r.environ = append(r.environ, "PATCHBAY_SERVER__ADMIN_ADDRESS="+address)
	return address
}

// gateway has a gateway of the installation answer.
func (r *rig) gateway(t *testing.T, then http.Handler) (address string) {
	t.Helper()
	r.make(t)
	return r.listens(t, r.identity(t), then)
}

// asked is how a command says which store it is about, when it has asked the gateway.
func (r *rig) asked(t *testing.T, address string) string {
	t.Helper()
	return "store: " + r.identity(t).Store + ", asked of the gateway at " + address + "\n"
}

var (
	// commands are those that read or change what a gateway holds, through it or, where
	// none runs, by themselves.
	commands = []string{
		"keys create --name n", "keys list", "keys revoke key_1", "data export --email ada@example.com", "data erase --email ada@example.com --yes",
		"storage status", "storage backup --force --to FILE", "payments review", "payments resolve pay_1 --verdict noted",
		"storage put-back default/message/msg_1",
	}
	// askers ask a gateway.
	askers = append([]string{"console"}, commands...)
	// openers open a store that they name.
	openers = append([]string{"storage reopen", "storage copy --from local --to second"}, commands...)
)

// thief notes whatever it is sent.
type thief struct{ admin }

func (th *thief) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	th.mu.Lock()
	th.asked += req.Header.Get("Authorization") + req.Header.Get(adminapi.OperatorHeader)
	th.mu.Unlock()
	th.admin.ServeHTTP(w, req)
}

// Whoever listens where the configuration says a gateway would is told nothing, least of
// all the secret, before it has proved what it is.
func TestACommandSendsItsSecretOnlyToTheGatewayOfItsInstallation(t *testing.T) {
	t.Parallel()
	other := newRig(t)
	other.make(t)
	for _, row := range []struct {
		name   string
		listen func(t *testing.T, r *rig, then http.Handler)
		says   string
	}{
		{"another installation's gateway", func(t *testing.T, r *rig, then http.Handler) {
			r.listens(t, other.identity(t), then)
		}, "has not proved to be the gateway of this installation"},
		{"a gateway of this installation on another store", func(t *testing.T, r *rig, then http.Handler) {
			i := r.identity(t)
			i.Store = other.identity(t).Store
			r.listens(t, i, then)
		}, "serves another store than sqlite "},
		{"another program", func(t *testing.T, r *rig, then http.Handler) {
			server := httptest.NewServer(then)
			t.Cleanup(server.Close)
			r.environ = append(r.environ, "PATCHBAY_SERVER__ADMIN_ADDRESS="+server.Listener.Addr().String())
		}, "has not proved to be"},
		{"a program that passes on what a gateway elsewhere proves", func(t *testing.T, r *rig, then http.Handler) {
			truly := &rig{dir: r.dir, file: r.file}
			elsewhere := truly.listens(t, r.identity(t), http.NotFoundHandler())
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == adminapi.ProofPath {
					http.Redirect(w, req, "http://"+elsewhere+req.URL.String(), http.StatusFound)
					return
				}
				then.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			r.environ = append(r.environ, "PATCHBAY_SERVER__ADMIN_ADDRESS="+server.Listener.Addr().String())
		}, "has not proved to be"},
		{"a program that asks the gateway elsewhere, and answers for it", func(t *testing.T, r *rig, then http.Handler) {
			of := r.identity(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == adminapi.ProofPath {
					_ = json.NewEncoder(w).Encode(of.Prove(req.URL.Query().Get("nonce"), "127.0.0.1:8081"))
					return
				}
				then.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			r.environ = append(r.environ, "PATCHBAY_SERVER__ADMIN_ADDRESS="+server.Listener.Addr().String())
		}, "has not proved to be"},
		{"a program that proves it, and then takes the next connection", func(t *testing.T, r *rig, then http.Handler) {
			of := r.identity(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == adminapi.ProofPath {
					w.Header().Set("Connection", "close")
					_ = json.NewEncoder(w).Encode(of.Prove(req.URL.Query().Get("nonce"), req.Context().Value(http.LocalAddrContextKey).(interface{ String() string }).String()))
					return
				}
				then.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			r.environ = append(r.environ, "PATCHBAY_SERVER__ADMIN_ADDRESS="+server.Listener.Addr().String())
		}, "has not proved to be"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.create(t, "--name", "one")
			heard := &thief{admin{status: 200, body: "{}"}}
			row.listen(t, r, heard)
			for _, command := range askers {
				got := r.run(t, strings.Fields(strings.ReplaceAll(command, "FILE", r.dir+"/kept.db"))...)
				if got.code != 1 || got.stdout != "" && !strings.HasPrefix(command, "payments review") || !strings.Contains(got.stderr, row.says) ||
					!strings.Contains(got.stderr, "nothing was asked of it") {
					t.Errorf("%s: got %+v, want exit code 1, empty stdout, %q and that nothing was asked in stderr", command, got, row.says)
				}
			}
			heard.mu.Lock()
			defer heard.mu.Unlock()
			if strings.Contains(heard.asked, "Bearer") || strings.Contains(heard.asked, r.identity(t).Token) || strings.Contains(heard.asked, "POST") || strings.Contains(heard.asked, "DELETE") {
				t.Errorf("the other program was sent %s, want neither a secret nor a request", heard.asked)
			}
		})
	}
}

// A gateway that sends the command elsewhere is not followed there with the secret.
func TestACommandFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	heard := &thief{admin{status: 200, body: "[]"}}
	elsewhere := httptest.NewServer(heard)
	t.Cleanup(elsewhere.Close)
	r := newRig(t)
	r.gateway(t, http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	r.expect(t, 1, "refused: 307", "keys", "list")
	if heard.asked != "" {
		t.Errorf("the other server was sent %s, want nothing", heard.asked)
	}
}

func TestACommandSendsTheSecretAndTheOperator(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var shown, operator string
	r.gateway(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		shown, operator = req.Header.Get("Authorization"), req.Header.Get(adminapi.OperatorHeader)
		_, _ = w.Write([]byte("[]"))
	}))
	if got := r.run(t, "keys", "list"); got.code != 0 || shown != "Bearer "+r.identity(t).Token || operator == "" {
		t.Errorf("got %+v, secret = %q, operator = %q, want exit code 0, the installation's secret, and an operator", got, shown, operator)
	}
}

func TestConsolePrintsASignInLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.make(t)
	if got := r.run(t, "console"); got.code != 1 || !strings.Contains(got.stderr, "no gateway runs at 127.0.0.1:1") || got.stdout != "" {
		t.Errorf("while none runs: got %+v, want exit code 1, %q in stderr, empty stdout", got, "no gateway runs at 127.0.0.1:1")
	}
	a := &admin{status: 201, body: `{"path":"/?sign_in_once=X","expiresAt":"2026-07-01T12:00:00Z"}`}
	address := r.listens(t, r.identity(t), a)
	got := r.run(t, "console")
	if got.code != 0 || got.stdout != "http://"+address+"/?sign_in_once=X\n" || !strings.Contains(got.stderr, "it can be used once, until ") || a.asked != "POST /admin/links" {
		t.Errorf("got %+v, request = %s, want exit code 0, the link, until when, and POST /admin/links", got, a.asked)
	}
}
