package ports

import (
	"context"
	"io"
)

// Snapshots is implemented by a store that can be copied into one file while it is written to.
type Snapshots interface {
	// Snapshot returns the store in its current state: all writes that were acknowledged before
	// the call are included. It does not block writers. Closing the Snapshot frees its disk space.
	// Conflict with code backup_running: another snapshot is being made. Unavailable.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is a file of Size bytes that can be read once.
type Snapshot interface {
	io.ReadCloser
	Size() int64
}
