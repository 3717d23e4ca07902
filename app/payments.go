package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/apikeys"
	"patchbay/core/payments"
)

// WithPayments opens the store to settle payments while no gateway runs on it. It calls no
// provider.
func WithPayments(ctx context.Context, c *config.Config, manage func(*payments.Service, *apikeys.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s environment) error {
		h, err := newHooks(c, s)
		if err != nil {
			return err
		}
		return manage(newPayments(c, store, nil, newAccounts(c, store, nil, s), h, s), newAPIKeys(store, f, s))
	})
}
