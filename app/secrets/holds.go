package secrets

import (
	"os"
	"path/filepath"
	"runtime"
)

// Shared reports whether others than the owner may read the secrets in a directory: copying
// may have lost the file's permissions, or a volume may be mounted for a group.
func Shared(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, fileName))
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

// Holds reports whether path names a file of the installation in a directory, also through
// a link.
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
