// Package secrets keeps the secrets that an installation generates for itself, in a file
// that only its owner can read.
package secrets

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const fileName = "installation.json"

// Secrets are generated once, at the first start.
type Secrets struct {
	// Pepper is part of the hashes of API keys, so that a copy of the database alone grants
	// no access. Without it every key is void. The ids and the provider keys derived from
	// callers' idempotency keys depend on it, too: see For.
	Pepper []byte `json:"pepper"`
	// MockWebhook signs the mock provider's webhooks.
	MockWebhook string `json:"mockWebhookSecret"`
}

// For returns a secret for one use, derived from the pepper. It reveals nothing about the
// secret of any other use.
func (s Secrets) For(use string) []byte {
	mac := hmac.New(sha256.New, s.Pepper)
	mac.Write([]byte(use))
	return mac.Sum(nil)
}

// Read reads the secrets in a directory. It returns os.ErrNotExist if there are none.
func Read(dir string) (Secrets, error) {
	path := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(path) //nolint:gosec // in the installation's own directory
	if err != nil {
		return Secrets{}, err
	}
	var s Secrets
	if err := json.Unmarshal(raw, &s); err != nil || len(s.Pepper) < 32 || s.MockWebhook == "" {
		return Secrets{}, fmt.Errorf("%s is damaged; put back a copy, or remove it: then every API key is void", path)
	}
	return s, nil
}

// Open reads the secrets in a directory, or creates them. Two processes that create them at
// the same time both get those of the first.
func Open(dir string) (Secrets, error) {
	s, err := Read(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Secrets{}, err
	}
	if err := create(dir, generate()); err != nil && !errors.Is(err, os.ErrExist) {
		return Secrets{}, err
	}
	return Read(dir)
}

func generate() Secrets {
	random := make([]byte, 64)
	rand.Read(random) // it never fails
	return Secrets{Pepper: random[:32], MockWebhook: "whsec_" + hex.EncodeToString(random[32:])}
}

// create writes the complete file of a directory or none, and never replaces an existing one.
func create(dir string, s Secrets) error {
	path := filepath.Join(dir, fileName)
	temp, err := writeTemp(path, s, (*os.File).Sync)
	if err != nil {
		return err
	}
	defer os.Remove(temp)                       //nolint:errcheck // it has its second name by then, or is of no use
	if err := os.Link(temp, path); err != nil { // unlike a rename, it fails where the file exists
		return err
	}
	directory, err := os.Open(dir) //nolint:gosec // the installation's own directory
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// writeTemp writes a value as JSON to a new file beside path, and returns the file's name.
func writeTemp(path string, v any, sync func(*os.File) error) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return "", err
	}
	if err = errors.Join(json.NewEncoder(f).Encode(v), sync(f), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), err
}
