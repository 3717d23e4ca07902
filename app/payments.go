package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/access"
	"patchbay/core/checkout"
)

// WithPayments opens the store for settling payments while no gateway runs on it. No
// provider is asked.
func WithPayments(ctx context.Context, c *config.Config, manage func(*checkout.Service, *access.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s surroundings) error {
		h, err := newHooks(c, s)
		if err != nil {
			return err
		}
		return manage(newCheckout(c, store, nil, newAccounts(c, store, nil, s), h, s), newAccess(store, f, s))
	})
}
