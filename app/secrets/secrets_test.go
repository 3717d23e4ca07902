package secrets_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"patchbay/app/secrets"
)

const name = "installation.json"

func TestTheFirstOpenCreatesTheSecrets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	first, err := secrets.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Pepper) != 32 || bytes.Equal(first.Pepper, make([]byte, 32)) || len(first.MockWebhook) != len("whsec_")+64 {
		t.Errorf("got %d bytes of pepper and %q, want 32 random bytes, and whsec_ with 64 digits", len(first.Pepper), first.MockWebhook)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, name): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v (%v), want %v", path, info.Mode(), err, mode)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("files = %v, error = %v, want one file", entries, err)
	}

	t.Run("and every later start reads them", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			if again, err := secrets.Open(dir); err != nil || !reflect.DeepEqual(again, first) {
				t.Errorf("a later Open returns other secrets, or an error (%v), want those of the first", err)
			}
		}
	})

	t.Run("which no other installation has", func(t *testing.T) {
		t.Parallel()
		other, err := secrets.Open(t.TempDir())
		if err != nil || bytes.Equal(other.Pepper, first.Pepper) || other.MockWebhook == first.MockWebhook {
			t.Errorf("another directory has the same secrets, or an error (%v), want its own", err)
		}
	})
}

// Whoever signs with secrets that another has replaced is believed by nobody.
func TestConcurrentOpensReturnTheSameSecrets(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := filepath.Join(t.TempDir(), "data")
		const starts = 16
		got := make([]secrets.Secrets, starts)
		begin := make(chan struct{})
		var all sync.WaitGroup
		for i := range starts {
			all.Go(func() {
				<-begin
				var err error
				if got[i], err = secrets.Open(dir); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
		kept, err := secrets.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range got {
			if !reflect.DeepEqual(one, kept) {
				t.Fatal("two concurrent calls of Open return different secrets, want the same")
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Fatalf("files = %v, error = %v, want one file", entries, err)
		}
	}
}

// A file that cannot be read is an operator's to mend: to make a new one would
// void every API key without a word.
func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	whole := func(t *testing.T) string {
		dir := t.TempDir()
		if _, err := secrets.Open(dir); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}(t)
	pepper := strings.Split(whole, `"`)[3]
	for _, row := range []struct{ name, text string }{
		{"empty", ""},
		{"cut off", whole[:len(whole)-10]},
		{"followed by more", whole + "x"},
		{"zeros, as a crash leaves", strings.Repeat("\x00", len(whole))},
		{"another document", `[]`},
		{"null", `null`},
		{"without its values", `{}`},
		{"without the webhooks' secret", `{"pepper":"` + pepper + `"}`},
		{"without the pepper", `{"mockWebhookSecret":"whsec_x"}`},
		{"with half the pepper", strings.Replace(whole, pepper, pepper[:20], 1)},
		{"with a pepper that is no base64", strings.Replace(whole, pepper, "%%%%", 1)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := secrets.Open(filepath.Dir(path))
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
				t.Fatalf("error = %v, want one that names %s and says \"damaged\"", err, path)
			}
			if s.Pepper != nil || s.MockWebhook != "" || strings.Contains(err.Error(), pepper) {
				t.Errorf("Open returns %d bytes of pepper, and the error is %v, want no secret in either", len(s.Pepper), err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != row.text {
				t.Errorf("the file holds %q afterwards (%v), want %q", left, err, row.text)
			}
		})
	}
}

func TestOpenFailsIfTheDirectoryCannotBeCreated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Open(filepath.Join(file, "data")); err == nil {
		t.Error("Open of a directory below a file succeeds, want an error")
	}
}

// Whoever reads the file may do whatever the operator may.
func TestSharedReportsPermissionsOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if secrets.Shared(dir) {
		t.Error("Shared of a directory without secrets = true, want false")
	}
	if _, err := secrets.Open(dir); err != nil {
		t.Fatal(err)
	}
	for mode, shared := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		if err := os.Chmod(filepath.Join(dir, "installation.json"), mode); err != nil {
			t.Fatal(err)
		}
		if got := secrets.Shared(dir); got != shared {
			t.Errorf("Shared with mode %v = %t, want %t", mode, got, shared)
		}
	}
}

func TestReadCreatesNoSecrets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := secrets.Read(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read of a directory that does not exist = %v, want %v", err, os.ErrNotExist)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat of the directory after Read = %v, want %v", err, os.ErrNotExist)
	}
}

func TestReadReturnsTheSecretsThatOpenCreated(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	created, err := secrets.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	read, err := secrets.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read.For("a"), created.For("a"); !bytes.Equal(got, want) {
		t.Errorf("secret for a use = %x, want %x", got, want)
	}
}

func TestEachUseHasASecretOfItsOwn(t *testing.T) {
	t.Parallel()
	s := secrets.Secrets{Pepper: make([]byte, 32)}
	a, b := s.For("a"), s.For("b")
	if bytes.Equal(a, b) {
		t.Errorf("secrets for two uses are both %x, want two", a)
	}
	if len(a) != 32 {
		t.Errorf("length of a secret = %d bytes, want 32", len(a))
	}
}
