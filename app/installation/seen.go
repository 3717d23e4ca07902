package installation

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"patchbay/core/depot"
)

// seenName is the file that says how far the feed of each store has come, by the name
// of its provider. It is not fsynced: after a power cut it may be older, or gone.
const seenName = "seen.json"

// Seen is how far the feed of a store is known to have been; the zero Point where
// nothing is known.
func Seen(dir, store string) depot.Point { return readSeen(dir)[store] }

func readSeen(dir string) map[string]depot.Point {
	all := map[string]depot.Point{}
	raw, err := os.ReadFile(filepath.Join(dir, seenName))             //nolint:gosec // in the installation's own directory
	if err != nil || json.Unmarshal(raw, &all) != nil || all == nil { // it may be null
		return map[string]depot.Point{}
	}
	return all
}

// See keeps how far the feed of a store has come. The file is there whole or not at
// all.
func See(dir, store string, p depot.Point) error {
	all := readSeen(dir)
	all[store] = p
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, seenName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), filepath.Join(dir, seenName))
}
