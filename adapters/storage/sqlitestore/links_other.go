//go:build !unix

package sqlitestore

import "io/fs"

// links returns 1, because this system does not report the number of hard links.
func links(fs.FileInfo) uint64 { return 1 }
