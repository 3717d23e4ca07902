// Package clock reads the machine's clock.
package clock

import (
	"time"

	"patchbay/ports"
)

var _ ports.Clock = System{}

// System is the machine's clock.
type System struct{}

// Now returns the time in UTC and whole microseconds, which every store keeps.
func (System) Now() time.Time { return now().UTC().Truncate(time.Microsecond) }
