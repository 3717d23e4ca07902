package app

import (
	"fmt"
	"maps"
	"slices"

	"patchbay/adapters/storage/sqlitestore"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
)

// CheckBackupPath returns an error if path names a file that a gateway works with, also through a
// link. Such a file must not be overwritten.
func CheckBackupPath(c *config.Config, path string) error {
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		p := c.Stores[name]
		if s, file := p.Settings.(setting.Placed); file && sqlitestore.Holds(s.Place(), path) {
			return fmt.Errorf("%s is a file of the store %q itself: name another", path, name)
		}
		if secrets.Holds(p.DataDir(), path) {
			return fmt.Errorf("%s is a file of the installation: name another", path)
		}
	}
	if sqlitestore.Holds(c.Storage.Spool, path) {
		return fmt.Errorf("%s is a file of the spool: name another", path)
	}
	return nil
}
