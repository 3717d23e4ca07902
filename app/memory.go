package app

import (
	"runtime/debug"

	"patchbay/config"
)

// limitMemory has memory that is not used any more be freed as often as it takes to stay
// within three quarters of what the process is to have. The rest is for what Go does not
// count: the code, SQLite's pages, buffers of the system. What it returns undoes that.
func limitMemory(c *config.Config) (undo func()) {
	before := debug.SetMemoryLimit(int64(c.Server.Memory) * 3 / 4)
	return func() { debug.SetMemoryLimit(before) }
}

// bodyBytes is what the bodies of requests may have of it. A mail is in memory twice while
// it is read, and its bodies are most of what is held at once.
func bodyBytes(c *config.Config) int64 { return int64(c.Server.Memory) / 4 }
