package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/apikeys"
)

// WithKeys opens the store to manage API keys while no gateway runs on it.
func WithKeys(ctx context.Context, c *config.Config, manage func(*apikeys.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s environment) error { return manage(newAPIKeys(store, f, s)) })
}
