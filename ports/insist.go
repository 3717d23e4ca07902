package ports

import (
	"context"
	"time"

	"patchbay/core/fault"
)

const insistEvery = 200 * time.Millisecond

// Once makes a call of a store, as Insist does not.
func Once(_ context.Context, call func() error) error { return call() }

// Insist makes a call of a store again while that is Unavailable, until ctx ends. It
// is for what is known now, and would be unknown if it were not saved.
func Insist(ctx context.Context, call func() error) error {
	ticker := time.NewTicker(insistEvery)
	defer ticker.Stop()
	for {
		err := call()
		if !fault.Is(err, fault.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}
