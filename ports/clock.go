package ports

import "time"

// Clock returns the time, in UTC and whole microseconds.
type Clock interface {
	Now() time.Time
}
