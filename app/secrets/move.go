package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Exist reports whether a directory has secrets.
func Exist(dir string) bool {
	_, err := Read(dir)
	return err == nil
}

// Compare reports whether the secrets of one directory must be copied to another, which has
// none. It is an error if the other has different secrets: every API key of the first would
// be void. If the first has none, nothing is needed.
func Compare(from, to string) (needed bool, err error) {
	theirs, err := Read(from)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there, err := Read(to)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !bytes.Equal(there.Pepper, theirs.Pepper) || there.MockWebhook != theirs.MockWebhook:
		return false, fmt.Errorf("%s is of another installation than %s: with it every API key would be void; move it away", filepath.Join(to, fileName), filepath.Join(from, fileName))
	}
	return false, nil
}

// Copy copies the secrets of one directory into another that has none.
func Copy(from, to string) error {
	s, err := Read(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return create(to, s)
}
