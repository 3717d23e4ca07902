package secrets_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"patchbay/app/secrets"
)

func TestSecretsAreCopiedToADirectoryWithoutSecrets(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "not", "there", "yet")
	if needed, err := secrets.Compare(from, to); err != nil || needed {
		t.Errorf("Compare of a directory without secrets = %t, %v, want false and no error", needed, err)
	}
	first, err := secrets.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	if needed, err := secrets.Compare(from, to); err != nil || !needed {
		t.Fatalf("Compare with a directory without secrets = %t, %v, want true and no error", needed, err)
	}
	if err := secrets.Copy(from, to); err != nil {
		t.Fatal(err)
	}
	if second, err := secrets.Open(to); err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("the copied secrets equal the first = %t, error = %v, want true and no error", reflect.DeepEqual(first, second), err)
	}
	if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the copied file is %v, error = %v, want mode 0600", info, err)
	}
	for _, dir := range []string{from, to} { // the directory may be the same
		if needed, err := secrets.Compare(from, dir); err != nil || needed {
			t.Errorf("Compare with %s, which has the same secrets = %t, %v, want false and no error", dir, needed, err)
		}
	}
}

func TestSecretsOfAnotherInstallationAreNotReplaced(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	for _, dir := range []string{from, to} {
		if _, err := secrets.Open(dir); err != nil {
			t.Fatal(err)
		}
	}
	theirs, err := secrets.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	if needed, err := secrets.Compare(from, to); err == nil || needed || !strings.Contains(err.Error(), filepath.Join(to, name)) {
		t.Errorf("Compare with other secrets = %t, %v, want false and an error that names %s", needed, err, filepath.Join(to, name))
	}
	if err := secrets.Copy(from, to); err == nil {
		t.Error("Copy over other secrets succeeds, want an error")
	}
	if still, err := secrets.Open(to); err != nil || !reflect.DeepEqual(still, theirs) {
		t.Errorf("the other secrets have changed, or cannot be read (%v), want them as before", err)
	}
	for _, damaged := range []string{from, to} {
		if err := os.WriteFile(filepath.Join(damaged, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Compare(from, to); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("Compare with a damaged file in %s: error = %v, want \"damaged\" in it", damaged, err)
		}
	}
}
