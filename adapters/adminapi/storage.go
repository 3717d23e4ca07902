package adminapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Storage describes the store and its fallback.
type Storage struct {
	Store   Store    `json:"store"`
	Standby *Standby `json:"standby,omitempty"`
	Spool   *Spool   `json:"spool,omitempty"`
	// SetAside is nil if nothing is set aside, or if it cannot be read.
	SetAside *SetAside `json:"setAside,omitempty"`
}

// SetAside describes the records whose handling failed repeatedly and that wait for a
// person. Records holds the latest of them.
type SetAside struct {
	Count   int           `json:"count"`
	Records []AsideRecord `json:"records"`
}

// AsideRecord is one record that is set aside. Record is TENANT/KIND/ID.
type AsideRecord struct {
	Record string    `json:"record"`
	Queue  string    `json:"queue"` // the queue it waited in
	Reason string    `json:"reason"`
	Tries  int       `json:"tries"`
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
}

// PutBack requests that a record be handled again.
type PutBack struct {
	Record string `json:"record"`
}

func (p PutBack) describe(a *act) { a.addObject("record", p.Record) }

// Store describes one store. Problem is the Kind of its last error.
type Store struct {
	Provider  string `json:"provider"`
	Type      string `json:"type"`
	Available bool   `json:"available"`
	Problem   string `json:"problem,omitempty"`
}

// Standby describes the copy of the users. It is available while it may be read.
type Standby struct {
	Store
	AsOf time.Time `json:"asOf,omitzero"`
}

// Spool describes the records held on this machine for the store.
type Spool struct {
	Path    string    `json:"path"`
	Held    int       `json:"held"`
	Oldest  time.Time `json:"oldest,omitzero"`
	Refused int       `json:"refused"`
}

// storeLimit is how long the store of a gateway may take for its status, or to put a record
// back.
const storeLimit = 5 * time.Second

// StorageStatus describes the store and its fallback.
var StorageStatus = Endpoint[None, Storage]{
	route{method: fiber.MethodGet, path: "/admin/storage", action: "storage.status", status: fiber.StatusOK, limit: storeLimit, ReadOnly: true},
	func(ctx context.Context, s *Service, _ None) (Storage, error) { return s.Storage(ctx), nil },
}

// PutBackRecord makes a record that is set aside available for handling again.
var PutBackRecord = Endpoint[PutBack, None]{
	route{method: fiber.MethodPost, path: "/admin/storage/put-back", action: "record.put_back", status: fiber.StatusNoContent, wrong: "the body does not name a record", limit: storeLimit},
	func(ctx context.Context, s *Service, p PutBack) (None, error) {
		return None{}, s.PutBack(ctx, p.Record)
	},
}
