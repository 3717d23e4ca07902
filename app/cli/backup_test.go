package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fetched is what a gateway's listener answers with for a backup.
func (r *rig) fetched(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	r.gateway(t, answer)
}

func TestABackupIsCompleteOrAbsent(t *testing.T) {
	t.Parallel()
	source := newRig(t)
	source.create(t, "--name", "one")
	kept := filepath.Join(source.dir, "kept.db")
	if got := source.run(t, "storage", "backup", "--to", kept); got.code != 0 || !strings.HasPrefix(got.stdout, kept+"\t") ||
		!strings.Contains(got.stderr, "keep installation.json with it, from "+filepath.Join(source.dir, "data")) {
		t.Fatalf("got %+v, want exit code 0, %q at the start of stdout, %q in stderr", got, kept+"\t", "keep installation.json with it, from "+filepath.Join(source.dir, "data"))
	}
	whole, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte{}, whole...)
	copy(damaged[4096:], make([]byte, 8192))
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		says   string // empty: it is kept
	}{
		{"the whole of it", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = w.Write(whole)
		}, ""},
		{"half of it", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = w.Write(whole[:len(whole)/2])
		}, "unexpected EOF"},
		{"what is damaged", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(damaged)))
			_, _ = w.Write(damaged)
		}, "not a whole copy"},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "not a whole copy"},
		{"a page of unknown length", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, "does not say how long it is"},
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(409)
			_, _ = w.Write([]byte(`{"error":{"message":"another copy is being made"}}`))
		}, "409 Conflict another copy is being made"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fetched(t, row.answer)
			file := filepath.Join(r.dir, "kept.db")
			r.write(t, "kept.db.part", "of one that was cut off")
			got := r.run(t, "storage", "backup", "--to", file)
			raw, err := os.ReadFile(file)
			if row.says == "" {
				if got.code != 0 || err != nil || string(raw) != string(whole) {
					t.Errorf("got %+v, error = %v, want exit code 0, and the whole copy", got, err)
				}
			} else if got.code != 1 || !strings.Contains(got.stderr, row.says) || !os.IsNotExist(err) || got.stdout != "" {
				t.Errorf("got %+v, error = %v, want exit code 1, %q in stderr, and no file", got, err, row.says)
			}
			if _, err := os.Stat(file + ".part"); !os.IsNotExist(err) {
				t.Errorf("error of the partial file = %v, want that it does not exist", err)
			}
		})
	}
}

func TestABackupReplacesAFileOnlyWithForce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const earlier = "SQLite format 3\x00 an earlier copy"
	file := r.write(t, "kept.db", earlier)
	r.expect(t, 1, "there is no store", "storage", "backup", "--to", file, "--force")
	if raw, err := os.ReadFile(file); err != nil || string(raw) != earlier {
		t.Errorf("file = %q, error = %v, want %q", raw, err, earlier)
	}
	r.create(t, "--name", "one")
	r.expect(t, 1, "is there already; name another file, or give --force", "storage", "backup", "--to", file)
	if got := r.run(t, "storage", "backup", "--to", file, "--force"); got.code != 0 {
		t.Errorf("got %+v, want exit code 0", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || info.Size() < 4096 {
		t.Errorf("file = %v, error = %v, want mode 0600, and at least 4096 bytes", info, err)
	}
	own := r.write(t, "own.yaml", "storage: {provider: local}\n")
	r.expect(t, 1, "is no copy of a store", "storage", "backup", "--to", own, "--force")
}

func TestABackupDoesNotReplaceAFileCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	source := newRig(t)
	source.create(t, "--name", "one")
	kept := filepath.Join(source.dir, "kept.db")
	if got := source.run(t, "storage", "backup", "--to", kept); got.code != 0 {
		t.Fatalf("got %+v, want exit code 0", got)
	}
	r := newRig(t)
	file := filepath.Join(r.dir, "kept.db")
	r.fetched(t, func(w http.ResponseWriter, req *http.Request) {
		if err := os.WriteFile(file, []byte("another's"), 0o600); err != nil {
			t.Error(err)
		}
		http.ServeFile(w, req, kept)
	})
	r.expect(t, 1, "file exists", "storage", "backup", "--to", file)
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "another's" {
		t.Errorf("file has %d bytes, error = %v, want the other's file", len(raw), err)
	}
}

func TestABackupOfADatabaseServerNamesItsOwnTool(t *testing.T) {
	t.Parallel()
	for kind, tool := range map[string]string{"postgres": "pg_dump", "mongo": "mongodump"} {
		r := newRig(t)
		r.file = r.write(t, "server.yaml", "storage: {provider: db}\nproviders: {db: {type: "+kind+"}}\n")
		got := r.run(t, "storage", "backup", "--to", filepath.Join(r.dir, "kept.db"))
		if got.code != 1 || !strings.Contains(got.stderr, `"db" is a database server: keep copies of it with `+tool) {
			t.Errorf("%s: got %+v, want exit code 1, %q in stderr", kind, got, `"db" is a database server: keep copies of it with `+tool)
		}
	}
}
