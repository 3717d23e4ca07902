package ports

import (
	"time"

	"patchbay/core/fault"
)

// Availability is what a provider may have beside its port: it tells beforehand
// that it would refuse, so that another is asked at once.
type Availability interface {
	// Available returns nil, or Unavailable with the time after which to ask
	// again. It makes no call.
	Available() error
}

// Available asks a provider that can tell; any other is available.
func Available(provider any) error {
	if a, ok := provider.(Availability); ok {
		return a.Available()
	}
	return nil
}

// Wait is how long it takes until the first of these providers would be asked again,
// 0 where one would be now, or where nothing is known.
func Wait[P any](providers []P) time.Duration {
	var soonest time.Duration
	for i, p := range providers {
		err := Available(p)
		if err == nil {
			return 0
		}
		if after := fault.From(err).RetryAfter; i == 0 || after < soonest {
			soonest = after
		}
	}
	return soonest
}
