package httpclient

import (
	"context"
	"net"
)

// Over returns the options with the test's own network.
func (o Options) Over(d func(ctx context.Context, network, address string) (net.Conn, error)) Options {
	o.dial = d
	return o
}

// The limits that tests check.
const (
	LongestRetryAfter = longestRetryAfter
	LongestWait       = longestWait
	LastWait          = lastWait
	FirstPause        = firstPause
	LastPause         = lastPause
	MinimumUse        = minimumUse
	RenewBefore       = renewBefore
)
