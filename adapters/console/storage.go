package console

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Storage describes the store and what stands in for it.
type Storage struct {
	Store   Store    `json:"store"`
	Standby *Standby `json:"standby,omitempty"`
	Spool   *Spool   `json:"spool,omitempty"`
}

// Store is one store. Problem is the Kind of what ails it.
type Store struct {
	Provider  string `json:"provider"`
	Type      string `json:"type"`
	Available bool   `json:"available"`
	Problem   string `json:"problem,omitempty"`
}

// Standby is the copy of the users: available while it may be read.
type Standby struct {
	Store
	AsOf time.Time `json:"asOf,omitzero"`
}

// Spool is what is held on this machine for the store.
type Spool struct {
	Path    string    `json:"path"`
	Held    int       `json:"held"`
	Oldest  time.Time `json:"oldest,omitzero"`
	Refused int       `json:"refused"`
}

func (c *Console) storage(f *fiber.Ctx, _ *act) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return f.JSON(c.Storage(ctx))
}
