package ports

import (
	"context"
	"io"
)

// Snapshots is what a store has that can be kept as one file, taken while it is
// written to.
type Snapshots interface {
	// Snapshot gives the file as the store is at this moment: all writes that were
	// answered before the call are in it. Writers do not wait for it. Closing it gives
	// up the disk it takes. Conflict with code backup_running: another is being made.
	// Unavailable.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is a file to be read once, of Size bytes.
type Snapshot interface {
	io.ReadCloser
	Size() int64
}
