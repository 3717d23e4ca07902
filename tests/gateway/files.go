package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/app"
)

// Data returns the path of a file in the gateway's data directory.
func (g *Gateway) Data(name string) string { return filepath.Join(g.Dir, "data", name) }

// TakeSecrets copies the secrets of another gateway, so that both belong to one installation. It
// must be called before the gateway starts.
func (g *Gateway) TakeSecrets(t testing.TB, from *Gateway) {
	t.Helper()
	if err := os.MkdirAll(g.Data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	copyFile(t, from.Data("installation.json"), g.Data("installation.json"))
}

// FirstKey creates the store and an API key, before the gateway has ever started. It returns the
// Authorization header.
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

// Operator returns the Authorization header of the operator for the admin listener.
func (g *Gateway) Operator(t testing.TB) Header {
	t.Helper()
	c, err := app.Load("", []string{"PATCHBAY_PROVIDERS__LOCAL__PATH=" + g.Data("patchbay.db")})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := app.Secrets(c)
	if err != nil {
		t.Fatal(err)
	}
	return Header{"Authorization": "Bearer " + app.Identity(c, secrets).Token}
}

// Backup writes a backup of the SQLite store to a file. The gateway may be running.
func (g *Gateway) Backup(t testing.TB, file string) {
	t.Helper()
	args := append([]string{"storage", "backup", "--force", "--to", file}, g.Args...)
	if out, err := g.Command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// storeFiles are the files of a SQLite store.
var storeFiles = []string{"patchbay.db", "patchbay.db-wal", "patchbay.db-shm"}

// CopyStore copies the files of the store into a directory. The gateway must not be running.
func (g *Gateway) CopyStore(t testing.TB, dir string) {
	t.Helper()
	for _, name := range storeFiles {
		if _, err := os.Stat(g.Data(name)); err == nil {
			copyFile(t, g.Data(name), filepath.Join(dir, name))
		}
	}
}

// PutBack replaces the store with a copy, as docs/configuration.md describes: a file that Backup
// has made, or the directory of CopyStore. The gateway must not be running.
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
