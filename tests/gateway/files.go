package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/app"
	"patchbay/config"
)

// Data is a file in the gateway's directory of data.
func (g *Gateway) Data(name string) string { return filepath.Join(g.Dir, "data", name) }

// TakeSecrets gives the gateway, before it starts, the secrets of another: they are
// then of one installation.
func (g *Gateway) TakeSecrets(t testing.TB, from *Gateway) {
	t.Helper()
	if err := os.MkdirAll(g.Data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	copyFile(t, from.Data("installation.json"), g.Data("installation.json"))
}

// FirstKey makes the store and an API key, before the gateway has ever started.
func (g *Gateway) FirstKey(t testing.TB) Header {
	t.Helper()
	if out, err := g.Command(t, append([]string{"storage", "create"}, g.Args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	token, err := g.Command(t, append([]string{"keys", "create", "--name", "test"}, g.Args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return Header{"Authorization": "Bearer " + strings.TrimSpace(string(token))}
}

// Operator is what lets the operator in at the admin listener.
func (g *Gateway) Operator(t testing.TB) Header {
	t.Helper()
	c, err := config.Load("", []string{"PATCHBAY_PROVIDERS__LOCAL__PATH=" + g.Data("patchbay.db")}, app.Types())
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := app.Secrets(c)
	if err != nil {
		t.Fatal(err)
	}
	return Header{"Authorization": "Bearer " + app.Identity(c, secrets).Token}
}

// Backup keeps a copy of the store, a SQLite file, while the gateway runs or not.
func (g *Gateway) Backup(t testing.TB, file string) {
	t.Helper()
	args := append([]string{"storage", "backup", "--force", "--to", file}, g.Args...)
	if out, err := g.Command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// storeFiles are what a SQLite store is made of.
var storeFiles = []string{"patchbay.db", "patchbay.db-wal", "patchbay.db-shm"}

// CopyStore copies the files of the store into a directory. The gateway is not running.
func (g *Gateway) CopyStore(t testing.TB, dir string) {
	t.Helper()
	for _, name := range storeFiles {
		if _, err := os.Stat(g.Data(name)); err == nil {
			copyFile(t, g.Data(name), filepath.Join(dir, name))
		}
	}
}

// PutBack puts a copy in the place of the store, as docs/configuration.md says: a file
// that Backup has made, or the directory of CopyStore. The gateway is not running.
func (g *Gateway) PutBack(t testing.TB, kept string) {
	t.Helper()
	for _, name := range storeFiles {
		if err := os.Remove(g.Data(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(kept); err != nil || !info.IsDir() {
		copyFile(t, kept, g.Data("patchbay.db"))
		return
	}
	for _, name := range storeFiles {
		if _, err := os.Stat(filepath.Join(kept, name)); err == nil {
			copyFile(t, filepath.Join(kept, name), g.Data(name))
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from) //nolint:gosec // of the test
	if err == nil {
		err = os.WriteFile(to, raw, 0o600) //nolint:gosec // of the test
	}
	if err != nil {
		t.Fatal(err)
	}
}
