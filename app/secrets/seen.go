package secrets

import (
	"encoding/json"
	"os"
	"path/filepath"

	"patchbay/core/storecopy"
)

// seenName is the file with the last recorded feed position of each store, by provider
// name. It is not fsynced: after a power failure it may be older, or missing.
const seenName = "seen.json"

// Seen returns the last recorded feed position of a store, or the zero Point if there is
// none.
func Seen(dir, store string) storecopy.Point { return readSeen(dir)[store] }

func readSeen(dir string) map[string]storecopy.Point {
	all := map[string]storecopy.Point{}
	raw, err := os.ReadFile(filepath.Join(dir, seenName))             //nolint:gosec // in the installation's own directory
	if err != nil || json.Unmarshal(raw, &all) != nil || all == nil { // the file may contain null
		return map[string]storecopy.Point{}
	}
	return all
}

// RecordSeen records the feed position of a store. It writes a complete file or none.
func RecordSeen(dir, store string, p storecopy.Point) error {
	all := readSeen(dir)
	all[store] = p
	path := filepath.Join(dir, seenName)
	temp, err := writeTemp(path, all, func(*os.File) error { return nil })
	if err != nil {
		return err
	}
	return os.Rename(temp, path)
}
