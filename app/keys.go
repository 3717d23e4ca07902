package app

import (
	"context"
	"errors"
	"log/slog"

	"patchbay/config"
	"patchbay/core/access"
)

// WithKeys opens the store for managing API keys while no gateway runs on it.
func WithKeys(ctx context.Context, c *config.Config, manage func(*access.Service) error) error {
	s, err := newSurroundings(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	p := c.Provider[c.Storage.Provider]
	e, err := find(p)
	if err != nil {
		return err
	}
	store, err := e.storage(ctx, p, s)
	if err != nil {
		return err
	}
	return errors.Join(manage(newAccess(store, s)), store.Close())
}
