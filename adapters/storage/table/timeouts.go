package table

import "time"

// The timeouts of one call to a database server.
const (
	ConnectTimeout = 3 * time.Second  // for choosing a server and connecting
	QueryTimeout   = 3 * time.Second  // for the whole call, once there is a connection
	ArchiveTimeout = 30 * time.Second // of a call of ports.Archive, which moves much data, and which no client waits for
)
