package ports

import (
	"context"
	"time"

	"patchbay/core/fault"
)

const insistEvery = 200 * time.Millisecond

// Once makes a call once. It has the signature of Insist.
func Once(_ context.Context, call func() error) error { return call() }

// Insist repeats a call of a store while it fails as Unavailable, until ctx ends. It is used to
// save an outcome that would otherwise be lost, and so unknown.
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
