package httpclient

import (
	"context"
	"net"
)

// Over gives the options a network of the test's own.
func (o Options) Over(d func(ctx context.Context, network, address string) (net.Conn, error)) Options {
	o.dial = d
	return o
}

// What the tests hold the package to.
const (
	LongestRetryAfter = longest
	LongestWait       = longestWait
	LastWait          = lastWait
	FirstPause        = firstPause
	LastPause         = lastPause
	Settling          = settling
	Earliest          = earliest
)
