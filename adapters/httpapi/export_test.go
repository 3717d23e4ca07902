package httpapi

import "time"

// ParseKey reads an Idempotency-Key.
var ParseKey = parseKey

// Loopback reports whether a host is this machine.
var Loopback = loopback

// SetReadTimeout makes a server that does not serve yet less patient than the
// one that is sold: nobody waits five seconds for a test.
func (s *Server) SetReadTimeout(d time.Duration) { s.app.Server().ReadTimeout = d }
