// Package installation keeps the secrets that one installation makes for
// itself, in a file that only its owner can read.
package installation

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

// Secrets are made once, at the first start.
type Secrets struct {
	// Pepper goes into the hashes of API keys: a copy of the database alone
	// lets nobody in. Without it every key is void.
	Pepper []byte `json:"pepper"`
	// MockWebhook signs the mock provider's webhooks.
	MockWebhook string `json:"mockWebhookSecret"`
}

// For is a secret for one use, made of the pepper: what is known of it says nothing of
// any other.
func (s Secrets) For(use string) []byte {
	mac := hmac.New(sha256.New, s.Pepper)
	mac.Write([]byte(use))
	return mac.Sum(nil)
}

// Token is such a secret as a text.
func (s Secrets) Token(use string) string { return hex.EncodeToString(s.For(use)) }

// Read reads the secrets in a directory. os.ErrNotExist: there are none.
func Read(dir string) (Secrets, error) { return read(filepath.Join(dir, fileName)) }

// Open reads the secrets in a directory, or makes them. Two processes that make
// them at once agree on those of the first.
func Open(dir string) (Secrets, error) {
	path := filepath.Join(dir, fileName)
	s, err := Read(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Secrets{}, err
	}
	made, err := invent()
	if err != nil {
		return Secrets{}, err
	}
	if err := create(path, made); err != nil && !errors.Is(err, os.ErrExist) {
		return Secrets{}, err
	}
	return read(path)
}

func read(path string) (Secrets, error) {
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

func invent() (Secrets, error) {
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return Secrets{}, err
	}
	return Secrets{Pepper: random[:32], MockWebhook: "whsec_" + hex.EncodeToString(random[32:])}, nil
}

// create writes a file that is there whole or not at all, and takes the place of
// none.
func create(path string, s Secrets) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), fileName+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its second name by then, or is of no use
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, it fails where the file exists
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
