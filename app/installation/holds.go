package installation

import (
	"os"
	"path/filepath"
)

// Holds reports whether a path names, by whatever link, a file of the installation in a
// directory.
func Holds(dir, path string) bool {
	named, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, name := range []string{fileName, seenName} {
		if own, err := os.Stat(filepath.Join(dir, name)); err == nil && os.SameFile(own, named) {
			return true
		}
	}
	return false
}
