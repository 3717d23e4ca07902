package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/ports"
)

// newCopyRig is a configuration with a second file.
func newCopyRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "patchbay.yaml", string(text)+fmt.Sprintf("  second: {type: sqlite, path: %q}\n", filepath.Join(r.dir, "second", "patchbay.db")))
	return r
}

func (r *rig) copy(t *testing.T, args ...string) result {
	t.Helper()
	return r.run(t, append([]string{"storage", "copy"}, args...)...)
}

// within opens a store while no command does.
func within(t *testing.T, path string, do func(s *sqlitestore.Store)) {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	do(s)
}

func TestStorageCopyMovesEverything(t *testing.T) {
	t.Parallel()
	r := newCopyRig(t)
	r.create(t, "--name", "one")
	got := r.copy(t, "--from", "local", "--to", "second")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != 0 || len(lines) != 7 || strings.Join(strings.Fields(lines[0]), " ") != "SECTION STORE ENTRIES CHECKSUM" {
		t.Fatalf("got %+v, want exit code 0, %d lines, the columns %q", got, 7, "SECTION STORE ENTRIES CHECKSUM")
	}
	if f := strings.Fields(lines[1]); f[0] != "records" || f[1] != "local" || f[2] != "1" || len(f[3]) != 64 || strings.Trim(f[3], "0") == "" {
		t.Errorf("fields = %v, want records, local, 1 and a checksum", f)
	}
	for _, want := range []string{
		"putting   records  local: 1 seen, 1 copied\n", "checking  feed     second: 0 seen\n",
		"the two are equal; to use the copy, write storage.provider: second\n", "installation.json was copied to " + filepath.Join(r.dir, "second"),
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, got.stderr)
		}
	}
	if again := r.copy(t, "--from", "local", "--to", "second"); again.code != 0 || again.stdout != got.stdout || !strings.Contains(again.stderr, "1 seen, 0 copied") {
		t.Errorf("the second copy = %+v, want exit code 0, the same table, and \"1 seen, 0 copied\"", again)
	}
	r.environ = []string{"PATCHBAY_STORAGE__PROVIDER=second"}
	if got := r.run(t, "storage", "status"); got.code != 0 {
		t.Errorf("got %+v, want exit code 0", got)
	}
	if again := r.copy(t, "--from", "local", "--to", "second"); again.code != 0 {
		t.Errorf("a copy after the status was read = %+v, want exit code 0", again)
	}
	if got := r.run(t, "keys", "list"); got.code != 0 || !strings.Contains(got.stdout, "one") {
		t.Errorf("got %+v, want exit code 0, %q in stdout", got, "one")
	}
	if got := r.copy(t, "--from", "local", "--to", "second"); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, `nothing is copied into "second": it is in use, or was`) {
		t.Errorf("got %+v, want exit code 1, empty stdout, %q in stderr", got, `nothing is copied into "second": it is in use, or was`)
	}
}

func TestStorageCopyIsRefusedBeforeItBegins(t *testing.T) {
	t.Parallel()
	r := newCopyRig(t)
	for _, row := range []struct{ name, args, says string }{
		{"no source", "--to second", `required flag(s) "from" not set`},
		{"an unknown store", "--from local --to third", `there is no store "third"; there is local, second`},
		{"a provider for something else", "--from catcher --to second", `there is no store "catcher"`},
		{"into itself", "--from local --to local", `"local" is copied into itself`},
		{"a source whose file is not there", "--from local --to second", "there is no store: sqlite "},
	} {
		if got := r.copy(t, strings.Fields(row.args)...); got.code != 1 || !strings.Contains(got.stderr, row.says) || got.stdout != "" {
			t.Errorf("%s: got %+v, want exit code 1, %q in stderr, empty stdout", row.name, got, row.says)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "second")); !os.IsNotExist(err) {
		t.Errorf("error of the target's directory = %v, want that it does not exist", err)
	}
	r.create(t, "--name", "one")
	r.environ = []string{"PATCHBAY_STORAGE__PROVIDER=second"}
	r.create(t, "--name", "another's")
	if got := r.copy(t, "--from", "local", "--to", "second"); got.code != 1 || !strings.Contains(got.stderr, "is of another installation") {
		t.Errorf("secrets of another installation: got %+v, want exit code 1, %q in stderr", got, "is of another installation")
	}
	if got := r.run(t, "keys", "list"); !strings.Contains(got.stdout, "another's") {
		t.Errorf("got %+v, want %q in stdout", got, "another's")
	}
}

func TestAnUnfinishedCopyIsNotUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	within(t, filepath.Join(r.dir, "data", "patchbay.db"), func(s *sqlitestore.Store) {
		mark := ports.Record{Kind: "store", ID: "mark", Index: ports.Index{Status: "unfinished_copy"}, Body: []byte(`{"copyOf":"old"}`)}
		if err := s.Save(t.Context(), &mark)[0]; err != nil {
			t.Fatal(err)
		}
	})
	for _, command := range []string{"serve", "keys create --name n", "keys list"} {
		got := r.run(t, strings.Fields(command)...)
		if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "it is an unfinished copy of \"old\": run `patchbay storage copy` again") {
			t.Errorf("%s: got %+v, want exit code 1, empty stdout, %q in stderr", command, got, "it is an unfinished copy of \"old\": run `patchbay storage copy` again")
		}
	}
	if got := r.run(t, "storage", "status"); got.code != 0 || !strings.Contains(got.stdout, "available") {
		t.Errorf("got %+v, want exit code 0, %q in stdout", got, "available")
	}
}
