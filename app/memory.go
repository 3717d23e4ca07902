package app

import (
	"runtime"
	"runtime/debug"

	"patchbay/config"
)

// floor is how much the collector takes to be in use at the least. It works each time as
// much again has been allocated, and a gateway that holds little would have it work every
// 2 MiB, dozens of times a second. More than this would cost more in fresh memory than it spares.
const floor = 4 << 20

// limitMemory has memory that is not used any more be freed as often as it takes to stay
// within three quarters of what the process is to have, and no more often than is useful.
// The rest is for what Go does not count: the code, SQLite's pages, buffers of the system.
// What it returns undoes that.
func limitMemory(c *config.Config) (undo func()) {
	before := debug.SetMemoryLimit(int64(c.Server.Memory) * 3 / 4)
	untouched := make([]byte, floor) // so that the system gives no page for it
	return func() {
		runtime.KeepAlive(untouched)
		debug.SetMemoryLimit(before)
	}
}

// bodyBytes is what the bodies of requests may have of it. A mail is in memory twice while
// it is read, and its bodies are most of what is held at once.
func bodyBytes(c *config.Config) int64 { return int64(c.Server.Memory) / 4 }
