package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var (
	token = regexp.MustCompile(`^pb_live_[0-9a-z]{26}_[0-9a-f]{64}\n$`)
	keyID = regexp.MustCompile(`key_[0-9a-z]{26}`)
	date  = regexp.MustCompile(`\b20\d\d-\d\d-\d\d \d\d:\d\d\b`)
)

// create makes a key, and the store where there is none, and returns the key's id.
func (r *rig) create(t *testing.T, args ...string) (id string) {
	t.Helper()
	r.run(t, "storage", "create") // there may be one
	got := r.run(t, append([]string{"keys", "create"}, args...)...)
	// The token alone is on standard output, for a script to take.
	if got.code != 0 || !token.MatchString(got.stdout) || !strings.Contains(got.stderr, "it is not shown again") {
		t.Fatalf("got %+v, want exit code 0, a token in stdout, %q in stderr", got, "it is not shown again")
	}
	return keyID.FindString(got.stderr)
}

func TestKeyCommandsWorkOnTheStoreWhileNoGatewayRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.make(t)
	opened := "store: " + r.identity(t).Store + ", opened by this command, since no gateway runs at 127.0.0.1:1\n"
	if got := r.run(t, "keys", "list"); got.code != 0 || strings.Join(strings.Fields(got.stdout), " ") != "ID TENANT NAME SCOPES STATE" {
		t.Fatalf("no keys yet: got %+v, want exit code 0, the columns %q", got, "ID TENANT NAME SCOPES STATE")
	}
	rows := map[string]string{
		r.create(t, "--name", "all"): "default all [*] valid",
		r.create(t, "--name", "some", "--tenant", "acme", "--scopes", "users:read,events:read"): "acme some [users:read events:read] valid",
		r.create(t, "--name", "day", "--ttl", "24h"):                                            "default day [*] valid until DATE TIME UTC",
		r.create(t, "--name", "over", "--ttl", "1ns"):                                           "default over [*] expired DATE TIME UTC",
	}
	gone := r.create(t, "--name", "gone")
	for range 2 { // twice is as good as once
		if got := r.run(t, "keys", "revoke", gone); got != (result{0, "", opened}) {
			t.Fatalf("got %+v, want %+v", got, result{0, "", opened})
		}
	}
	rows[gone] = "default gone [*] revoked DATE TIME UTC"
	got := r.run(t, "keys", "list")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != 0 || len(lines) != 1+len(rows) || strings.Contains(got.stdout, "pb_live_") {
		t.Fatalf("got %+v, want exit code 0, %d lines, no %q in stdout", got, 1+len(rows), "pb_live_")
	}
	for _, line := range lines[1:] {
		fields := strings.Fields(date.ReplaceAllString(line, "DATE TIME"))
		if want := rows[fields[0]]; strings.Join(fields[1:], " ") != want {
			t.Errorf("%q, want %q", line, want)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.make(t)
	for _, row := range []struct{ name, args, says string }{
		{"no name", "keys create", "a key takes a name"},
		{"an unknown scope", "keys create --name n --scopes users:admin", "scopes are * or any of payments:read"},
		{"a tenant of two words", "keys create --name n --tenant a|b", "a tenant takes"},
		{"a duration in the past", "keys create --name n --ttl -1h", "ttl must be more than nothing"},
		{"an invalid duration", "keys create --name n --ttl 0s", "ttl must be more than nothing"},
		{"a key that does not exist", "keys revoke key_nobody", "there is no API key \"key_nobody\""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := r.run(t, strings.Fields(row.args)...)
			if got.code != 1 || !strings.Contains(got.stderr, row.says) || got.stdout != "" {
				t.Errorf("got %+v, want exit code 1, %q in stderr, empty stdout", got, row.says)
			}
		})
	}
	if got := r.run(t, "keys", "list"); strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("got %+v, want 1 line in stdout", got)
	}
}

// admin stands where the gateway's admin listener would.
type admin struct {
	mu     sync.Mutex
	asked  string // all requests
	status int
	body   string
}

func (a *admin) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent, _ := io.ReadAll(req.Body)
	a.asked += strings.TrimSpace(req.Method + " " + req.RequestURI + " " + string(sent))
	w.WriteHeader(a.status)
	_, _ = fmt.Fprint(w, a.body)
}

// While the gateway runs it has the store, and is asked for everything: what
// it answers is what the command says.
func TestKeyCommandsUseARunningGateway(t *testing.T) {
	t.Parallel()
	refused := `{"error":{"type":"validation_error","code":"x","message":"it is said why"}}`
	for _, row := range []struct {
		name, args, asked string
		status            int
		body              string
		want              result
	}{
		{
			"creates", "keys create --name n --tenant acme --scopes users:read,users:write --ttl 36h",
			`POST /admin/keys {"name":"n","tenant":"acme","scopes":["users:read","users:write"],"ttl":"36h0m0s"}`, 201,
			`{"token":"pb_live_x","key":{"id":"key_1","tenant":"acme"}}`,
			result{0, "pb_live_x\n", "key key_1 of tenant acme; it is not shown again\n"},
		},
		{
			"lists", "keys list", "GET /admin/keys", 200, `[{"id":"key_1","tenant":"acme","name":"n","scopes":["*"]}]`,
			result{0, "ID     TENANT  NAME  SCOPES  STATE\nkey_1  acme    n     [*]     valid\n", ""},
		},
		{"revokes", "keys revoke key_1", "DELETE /admin/keys/key_1", 204, "", result{}},
		{"revokes nothing else", "keys revoke ../x?y#z", "DELETE /admin/keys/..%2Fx%3Fy%23z", 204, "", result{}},
		{
			"refuses, and says why", "keys create --name n", `POST /admin/keys {"name":"n","tenant":"default"}`, 400, refused,
			result{1, "", "patchbay: the gateway at ADMIN refused: 400 Bad Request it is said why\n"},
		},
		{
			"is not there", "keys revoke key_1", "DELETE /admin/keys/key_1", 404, refused,
			result{1, "", "patchbay: the gateway at ADMIN refused: 404 Not Found it is said why\n"},
		},
		{
			"refuses without words", "keys list", "GET /admin/keys", 500, "<html>",
			result{1, "", "patchbay: the gateway at ADMIN refused: 500 Internal Server Error\n"},
		},
		{
			"answers what is not understood", "keys create --name n", `POST /admin/keys {"name":"n","tenant":"default"}`, 200, "<html>",
			result{1, "", "patchbay: what the gateway at ADMIN answers is not understood: it is of another version\n"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			a := &admin{status: row.status, body: row.body}
			address := r.gateway(t, a)
			row.want.stderr = r.asked(t, address) + strings.ReplaceAll(row.want.stderr, "ADMIN", address)
			if got := r.run(t, strings.Fields(row.args)...); got != row.want {
				t.Errorf("%+v\nwant %+v", got, row.want)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.asked != row.asked {
				t.Errorf("asked for %s, want %s", a.asked, row.asked)
			}
		})
	}
}
