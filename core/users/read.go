package users

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

// Consistency says whether a reader accepts users from the standby.
type Consistency bool

// With Available, users are read from the standby while their store is unavailable. With Strong
// they are only read from their store.
const (
	Available Consistency = false
	Strong    Consistency = true
)

// Source says where users were read: from their store if AsOf is zero, else from the standby,
// which has all changes before AsOf.
type Source struct{ AsOf time.Time }

// reader is the interface shared by a repository and a standby.
type reader interface {
	FindByID(ctx context.Context, tenant, id string) (user.User, error)
	FindByEmail(ctx context.Context, tenant, email string) (user.User, error)
	List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error)
}

var (
	_ reader = ports.UserRepository(nil)
	_ reader = (*Standby)(nil)
)

// read reads from the store, or from the standby if the store is unavailable. NotFound from
// either is a valid result.
func read[T any](ctx context.Context, s *Service, c Consistency, from func(context.Context, reader) (T, error)) (T, Source, error) {
	out, err := from(ctx, s.users)
	if !fault.Is(err, fault.Unavailable) || s.standby == nil || c == Strong {
		return out, Source{}, err
	}
	asOf, late := s.standby.AsOf()
	if late != nil {
		return out, Source{}, err
	}
	ctx, cancel := record.Grace(ctx)
	defer cancel()
	instead, serr := from(ctx, s.standby)
	if fault.Is(serr, fault.Unavailable) {
		return out, Source{}, err
	}
	return instead, Source{AsOf: asOf}, serr
}
