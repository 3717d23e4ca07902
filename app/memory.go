package app

import (
	"runtime"
	"runtime/debug"

	"patchbay/adapters/smtpapi"
	"patchbay/config"
)

// floor is the least amount of live memory that the garbage collector assumes. A collection
// runs each time as much memory again has been allocated; a gateway with little live memory
// would collect every 2 MiB, dozens of times a second. A larger floor would cost more in
// fresh memory than it saves.
const floor = 4 << 20

// limitMemory makes the garbage collector run as often as needed to stay within three
// quarters of the memory of the process, and no more often than is useful. The remaining
// quarter is for memory that Go does not count: the code, SQLite's pages and system
// buffers. The returned function restores the previous limit.
func limitMemory(c *config.Config) (undo func()) {
	before := debug.SetMemoryLimit(int64(c.Server.Memory) * 3 / 4)
	untouched := make([]byte, floor) // never touched, so the system allocates no pages for it
	return func() {
		runtime.KeepAlive(untouched)
		debug.SetMemoryLimit(before)
	}
}

// bodyBytes returns the share of memory for request bodies. An email is in memory twice
// while it is read, and bodies are most of the memory in use at a time.
func bodyBytes(c *config.Config) int64 { return int64(c.Server.Memory) / 4 }

// smtpLimits returns the limits of the way in by SMTP. Its share of memory is enough for the
// largest message and others beside it.
func smtpLimits(c *config.Config) smtpapi.Limits {
	limits := smtpapi.Defaults
	limits.Memory = int64(c.Server.Memory) * 3 / 16
	return limits
}
