package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files lists what is in a directory, at any depth.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// That nothing is held on a person, and that there is no store, are two things.
func TestACommandCreatesNoStore(t *testing.T) {
	t.Parallel()
	without := func(file string) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			t.Helper()
			r.make(t)
			if err := os.Remove(filepath.Join(r.dir, "data", file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const noStore = "there is no store: sqlite STORE is not there; `patchbay serve` makes it, or `patchbay storage create`"
	for _, row := range []struct {
		name     string
		prepare  func(*testing.T, *rig)
		commands []string
		says     string
	}{
		{"in an empty directory", func(*testing.T, *rig) {}, append(openers, "console"), noStore},
		{"where only the secrets are", without("patchbay.db"), openers, noStore},
		{"where only the store is", without("installation.json"), askers, "no installation.json in "},
		{"where the file is empty", func(t *testing.T, r *rig) {
			t.Helper()
			r.make(t)
			r.write(t, "data/patchbay.db", "")
		}, openers, noStore},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, command := range row.commands {
				r := newCopyRig(t)
				row.prepare(t, r)
				before := files(t, r.dir)
				got := r.run(t, strings.Fields(strings.ReplaceAll(command, "FILE", r.dir+"/kept.db"))...)
				says := strings.ReplaceAll(row.says, "STORE", filepath.Join(r.dir, "data", "patchbay.db"))
				if got.code != 1 || !strings.Contains(got.stderr, says) || strings.Contains(got.stdout, "{") {
					t.Errorf("%s: got %+v, want exit code 1, %q in stderr, no document in stdout", command, got, says)
				}
				if after := files(t, r.dir); after != before {
					t.Errorf("%s: files afterwards = %s, want %s", command, after, before)
				}
			}
		})
	}
}

func TestCheckNamesTheStoreAndCreatesNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := files(t, r.dir)
	path := filepath.Join(r.dir, "data", "patchbay.db")
	if got := r.run(t, "check"); got.code != 0 || !strings.Contains(got.stdout, "local (sqlite): sqlite "+path+", which is not made yet\n") {
		t.Errorf("got %+v, want exit code 0, %q in stdout", got, "local (sqlite): sqlite "+path+", which is not made yet\n")
	}
	if after := files(t, r.dir); after != before {
		t.Errorf("files afterwards = %s, want %s", after, before)
	}
	r.make(t)
	if got := r.run(t, "check"); got.code != 0 || !strings.Contains(got.stdout, "local (sqlite): sqlite "+path+"\n") {
		t.Errorf("got %+v, want exit code 0, %q in stdout", got, "local (sqlite): sqlite "+path+"\n")
	}
}

func TestStorageCreateCreatesAnEmptyStoreOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(r.dir, "data", "patchbay.db")
	if got := r.run(t, "storage", "create"); got != (result{0, "", "store: sqlite " + path + ", made by this command\n"}) {
		t.Fatalf("got %+v, want %+v", got, result{0, "", "store: sqlite " + path + ", made by this command\n"})
	}
	for _, file := range []string{path, filepath.Join(r.dir, "data", "installation.json")} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error = %v, want mode 0600", file, info, err)
		}
	}
	id := r.create(t, "--name", "one")
	if got := r.run(t, "storage", "create"); got.code != 1 || !strings.Contains(got.stderr, "there is a store already: sqlite "+path) {
		t.Errorf("got %+v, want exit code 1, %q in stderr", got, "there is a store already: sqlite "+path)
	}
	if got := r.run(t, "keys", "list"); !strings.Contains(got.stdout, id) || got.stderr != "store: sqlite "+path+", opened by this command, since no gateway runs at 127.0.0.1:1\n" {
		t.Errorf("got %+v, want %q in stdout, stderr %q", got, id, "store: sqlite "+path+", opened by this command, since no gateway runs at 127.0.0.1:1\n")
	}
}

// What was made and not used is a target for a copy, as an empty database is.
func TestACreatedStoreCanBeCopiedInto(t *testing.T) {
	t.Parallel()
	r := newCopyRig(t)
	r.create(t, "--name", "one")
	r.environ = []string{"PATCHBAY_STORAGE__PROVIDER=second"}
	if err := os.MkdirAll(filepath.Join(r.dir, "second"), 0o700); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(r.dir, "data", "installation.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "second/installation.json", string(raw))
	r.make(t)
	if got := r.copy(t, "--from", "local", "--to", "second"); got.code != 0 {
		t.Errorf("got %+v, want exit code 0", got)
	}
}
