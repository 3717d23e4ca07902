package ports

import (
	"time"

	"patchbay/core/fault"
)

// Availability is an optional interface of a provider that knows in advance that it would refuse
// a call, so that another provider is asked at once.
type Availability interface {
	// Available returns nil, or Unavailable with the time after which to ask again. It makes no
	// call.
	Available() error
}

// Available returns provider.Available() if the provider implements Availability, else nil.
func Available(provider any) error {
	if a, ok := provider.(Availability); ok {
		return a.Available()
	}
	return nil
}

// Wait returns the time until the first of the providers would be available again. It returns 0
// if one is available now, or if nothing is known.
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
