//go:build unix

package wire

import "syscall"

// files returns how many files the process may have open.
func files() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return mostFiles
	}
	return int(min(limit.Cur, mostFiles))
}
