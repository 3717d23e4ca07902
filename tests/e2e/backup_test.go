package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// load creates users until it is stopped, and records those that were acknowledged.
type load struct {
	mu      sync.Mutex
	made    map[string]string // ids by email
	slowest atomic.Int64
	end     chan struct{}
	all     sync.WaitGroup
}

func startLoad(t *testing.T, g *gateway.Gateway, key gateway.Header) *load {
	l := &load{made: map[string]string{}, end: make(chan struct{})}
	for w := range 4 {
		l.all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.end:
					return
				default:
				}
				email := fmt.Sprintf("u%d-%d@example.com", w, i)
				asked := time.Now()
				a := g.Do(t, "POST", "/api/users", object{"email": email}, key, gateway.Key(email))
				l.slowest.Store(max(l.slowest.Load(), int64(time.Since(asked))))
				if a.Status != 201 {
					t.Errorf("%s: got %d %s, want 201", email, a.Status, a.Body)
					return
				}
				l.mu.Lock()
				l.made[email] = a.Text("id")
				l.mu.Unlock()
			}
		})
	}
	return l
}

// acknowledged returns the users that were acknowledged so far.
func (l *load) acknowledged() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	so := make(map[string]string, len(l.made))
	for email, id := range l.made {
		so[email] = id
	}
	return so
}

func (l *load) stop() {
	close(l.end)
	l.all.Wait()
}

// TestABackupUnderLoadIsRestored checks that a backup made under load contains everything that was
// acknowledged before it began.
func TestABackupUnderLoadIsRestored(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	g.Env = append(g.Env, "PATCHBAY_AUTH__MODE=required")
	key := g.FirstKey(t)
	g.Restart(t)
	paid := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"), key, gateway.Key("paid"))
	for i := range 8 { // some megabytes
		if a := g.Do(t, "POST", "/api/emails", object{"to": []string{"a@example.com"}, "subject": fmt.Sprint(i), "text": strings.Repeat("x", 900_000)}, key); a.Status != 202 {
			t.Fatalf("got %d %s, want 202", a.Status, a.Body)
		}
	}
	l := startLoad(t, g, key)
	gateway.Eventually(t, 20*time.Second, "there is load", func() bool { return len(l.acknowledged()) > 100 })
	before := l.acknowledged()
	file := filepath.Join(g.Dir, "kept.db")
	backup := func(args ...string) (string, error) {
		out, err := g.Command(t, append(append([]string{"storage", "backup", "--to", file}, args...), g.Args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := backup(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	during := l.acknowledged()
	if out, err := backup(); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("it is overwritten: got %v, want an error, \"is there already\" in it:\n%s", err, out)
	}
	if out, err := backup("--force"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	l.stop()
	t.Logf("%d acknowledged before the first, %d more while it ran; the slowest answer took %s", len(before), len(during)-len(before), time.Duration(l.slowest.Load()))
	if len(during) == len(before) {
		t.Error("got no user that was written while the backup ran, want some")
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, file, filepath.Join(g.Dir, "data"))
	g2 := restore(t, g, file)
	for email, id := range during { // the second began after these
		if a := g2.Do(t, "POST", "/api/users", object{"email": email}, key, gateway.Key(email)); a.Text("id") != id || a.Header.Get("Idempotency-Replayed") != "true" {
			t.Fatalf("%s: got %d %s, was %s, want Idempotency-Replayed true", email, a.Status, a.Body, id)
		}
	}
	if a := g2.Do(t, "POST", "/api/payments", pay("pm_card_visa"), key, gateway.Key("paid")); a.Text("id") != paid.Text("id") || a.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s, want id %v, Idempotency-Replayed true", a.Status, a.Body, paid.Text("id"))
	}
}

// wantOnly checks that only the owner can read the copy, and that no temporary file is left.
func wantOnly(t *testing.T, file, data string) {
	t.Helper()
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want mode 0o600", info, err)
	}
	for _, pattern := range []string{file + ".*", filepath.Join(data, "*snapshot*")} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("got %v, %v, want no left", left, err)
		}
	}
}

// restore starts a gateway on a copy, with the secrets of the gateway that made it.
func restore(t *testing.T, from *gateway.Gateway, file string) *gateway.Gateway {
	t.Helper()
	g := gateway.New(t)
	g.Env = append(g.Env, "PATCHBAY_AUTH__MODE=required")
	data := filepath.Join(g.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for to, name := range map[string]string{"patchbay.db": file, "installation.json": filepath.Join(from.Dir, "data", "installation.json")} {
		raw, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(data, to), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g.Restart(t)
	return g
}

func TestABackupWithoutAGateway(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	u := g.Do(t, "POST", "/api/users", object{"email": "ada@example.com"})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(g.Dir, "kept.db")
	out, err := g.Command(t, append([]string{"storage", "backup", "--to", file}, g.Args...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "opened by this command, since no gateway runs") {
		t.Fatalf("got %v, want \"opened by this command, since no gateway runs\" in it:\n%s", err, out)
	}
	wantOnly(t, file, filepath.Join(g.Dir, "data"))
	raw, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(g.Dir, "data", "patchbay.db"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Restart(t)
	g.Do(t, "GET", "/api/users/"+u.Text("id"), nil).HasStatus(t, 200)
}
