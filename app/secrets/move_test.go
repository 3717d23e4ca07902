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
		t.Errorf("there are none to bring: %v, %v", needed, err)
	}
	first, err := secrets.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	if needed, err := secrets.Compare(from, to); err != nil || !needed {
		t.Fatalf("%v, %v", needed, err)
	}
	if err := secrets.Copy(from, to); err != nil {
		t.Fatal(err)
	}
	if second, err := secrets.Open(to); err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, dir := range []string{from, to} { // the directory may be the same
		if needed, err := secrets.Compare(from, dir); err != nil || needed {
			t.Errorf("they are there: %v, %v", needed, err)
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
		t.Errorf("%v, %v", needed, err)
	}
	if err := secrets.Copy(from, to); err == nil {
		t.Error("they were replaced")
	}
	if still, err := secrets.Open(to); err != nil || !reflect.DeepEqual(still, theirs) {
		t.Errorf("they have changed (%v)", err)
	}
	for _, damaged := range []string{from, to} {
		if err := os.WriteFile(filepath.Join(damaged, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Compare(from, to); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%v", err)
		}
	}
}
