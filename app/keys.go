package app

import (
	"context"

	"patchbay/config"
	"patchbay/core/access"
)

// WithKeys opens the store for managing API keys while no gateway runs on it.
func WithKeys(ctx context.Context, c *config.Config, manage func(*access.Service) error) error {
	return alone(ctx, c, func(store Storage, f fallback, s surroundings) error { return manage(newAccess(store, f, s)) })
}
