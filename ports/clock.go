package ports

import "time"

// Clock tells the time, in UTC and whole microseconds.
type Clock interface {
	Now() time.Time
}
