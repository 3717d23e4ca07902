package cli_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABackupNeverReplacesAFileOfTheInstallation(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]func(r *rig) string{
		"the store": func(r *rig) string { return filepath.Join(r.dir, "data", "patchbay.db") },
		"the store by another spelling": func(r *rig) string {
			return r.dir + "/data/../data/./patchbay.db"
		},
		"the store by a symbolic link":            func(r *rig) string { return filepath.Join(r.dir, "symbolic.db") },
		"the store by a hard link":                func(r *rig) string { return filepath.Join(r.dir, "hard.db") },
		"the store through a directory":           func(r *rig) string { return filepath.Join(r.dir, "elsewhere", "patchbay.db") },
		"its log, which does not exist":           func(r *rig) string { return filepath.Join(r.dir, "data", "patchbay.db-wal") },
		"its shared memory, which does not exist": func(r *rig) string { return filepath.Join(r.dir, "data", "patchbay.db-shm") },
		"the standby, which does not exist yet":   func(r *rig) string { return filepath.Join(r.dir, "data", "standby.db") },
		"its lock":                                func(r *rig) string { return filepath.Join(r.dir, "data", "patchbay.db.lock") },
		"a store beside what is given":            func(r *rig) string { return filepath.Join(r.dir, "data", "other") }, // written as other.part first
		"a store that is not in use":              func(r *rig) string { return filepath.Join(r.dir, "data", "other.part") },
		"the spool":                               func(r *rig) string { return filepath.Join(r.dir, "data", "spool.db") },
		"the installation's secrets":              func(r *rig) string { return filepath.Join(r.dir, "data", "installation.json") },
		"the secrets by a link":                   func(r *rig) string { return filepath.Join(r.dir, "secrets.db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			data := filepath.Join(r.dir, "data")
			r.file = r.write(t, "patchbay.yaml", fmt.Sprintf("server: {admin_address: \"127.0.0.1:1\"}\nstorage: {spool: %q, standby: standby}\n"+
				"providers:\n  local: {type: sqlite, path: %q}\n  other: {type: sqlite, path: %q}\n  standby: {type: sqlite, path: %q}\n",
				data+"/spool.db", data+"/patchbay.db", data+"/other.part", data+"/standby.db"))
			r.create(t, "--name", "one")
			r.write(t, "data/other.part", "another store")
			for link, to := range map[string]string{"symbolic.db": "data/patchbay.db", "elsewhere": "data", "secrets.db": "data/installation.json"} {
				if err := os.Symlink(filepath.Join(r.dir, to), filepath.Join(r.dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			hard := filepath.Join(r.dir, "hard.db")
			if err := os.Link(filepath.Join(data, "patchbay.db"), hard); err != nil {
				t.Fatal(err)
			}
			got := r.run(t, "storage", "backup", "--force", "--to", target(r))
			if got.code != 1 || !strings.Contains(got.stderr, "name another") {
				t.Errorf("got %+v, want exit code 1, %q in stderr", got, "name another")
			}
			if err := os.Remove(hard); err != nil {
				t.Fatal(err)
			}
			if got := r.run(t, "keys", "list"); got.code != 0 || !strings.Contains(got.stdout, "one") {
				t.Errorf("the store afterwards: got %+v, want exit code 0, %q in stdout", got, "one")
			}
			if raw, err := os.ReadFile(filepath.Join(data, "other.part")); err != nil || string(raw) != "another store" {
				t.Errorf("the other store = %q, error = %v, want it unchanged", raw, err)
			}
		})
	}
}

// The same where a gateway does not come up, since it opens the store to find out why not.
func TestAfterAStartThatFailsTheStoreIsOneFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.environ = []string{"PATCHBAY_AUTH__MODE=required"}
	r.expect(t, 1, "needs API keys", "serve")
	r.wantOneFile(t)
}

// wantOneFile looks that the store has nothing beside it.
func (r *rig) wantOneFile(t *testing.T) {
	t.Helper()
	file := filepath.Join(r.dir, "data", "patchbay.db")
	for _, beside := range []string{file + "-wal", file + "-shm"} {
		if _, err := os.Stat(beside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error of %s = %v, want that it does not exist", filepath.Base(beside), err)
		}
	}
}

// Whoever copies the file that the configuration names has all of the store, after
// whichever command.
func TestAfterACommandTheStoreIsOneFile(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"keys", "create", "--name", "two"},
		{"keys", "list"},
		{"keys", "revoke", "key_none"},
		{"storage", "status"},
		{"storage", "reopen"},
		{"storage", "backup", "--to", os.DevNull},
		{"storage", "copy", "--from", "local", "--to", "local"},
		{"data", "export", "--email", "a@example.com"},
		{"data", "erase", "--email", "a@example.com", "--yes"},
		{"payments", "review"},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.create(t, "--name", "one")
			r.run(t, args...) // some of them refuse
			r.wantOneFile(t)
			other := newRig(t)
			if err := os.Mkdir(filepath.Join(other.dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"patchbay.db", "installation.json"} {
				raw, err := os.ReadFile(filepath.Join(r.dir, "data", name))
				if err != nil {
					t.Fatal(err)
				}
				other.write(t, "data/"+name, string(raw))
			}
			if got := other.run(t, "keys", "list"); got.code != 0 || !strings.Contains(got.stdout, "one") {
				t.Errorf("of a copy of the file: got %+v, want exit code 0, %q in stdout", got, "one")
			}
		})
	}
}
