package users

import (
	"context"
	"maps"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
)

// Update applies a patch. ifVersion 0 means any version. NotFound; Invalid; Conflict with code
// version_mismatch or email_taken; Unavailable; UnknownOutcome.
func (s *Service) Update(ctx context.Context, tenant, id string, p user.Patch, ifVersion int64) (user.User, error) {
	if p.Email != nil {
		if err := s.checkSpellings(ctx, tenant, id, *p.Email); err != nil {
			return user.User{}, err
		}
		mailbox := s.scripts.Mailbox(*p.Email)
		p.Email = &mailbox
	}
	began := s.clock.Now()
	u, err := s.users.Update(ctx, tenant, id, p, ifVersion)
	if !fault.Is(err, fault.UnknownOutcome) {
		return u, err
	}
	// A caller that retried with the old version would get version_mismatch for its own change.
	now, rerr := s.reread(ctx, tenant, id)
	if rerr != nil || !hasValues(now, p) || now.UpdatedAt.Before(began) || ifVersion != 0 && now.Version != ifVersion+1 {
		return user.User{}, err
	}
	return now, nil
}

// Delete removes a user. ifVersion 0 means any version. NotFound; Conflict with code
// version_mismatch; Unavailable; UnknownOutcome.
func (s *Service) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	err := s.users.Delete(ctx, tenant, id, ifVersion)
	if !fault.Is(err, fault.UnknownOutcome) {
		return err
	}
	if _, rerr := s.reread(ctx, tenant, id); fault.Is(rerr, fault.NotFound) {
		return nil
	}
	return err
}

// reread reads a user from the store itself after a change whose response was lost.
func (s *Service) reread(ctx context.Context, tenant, id string) (user.User, error) {
	ctx, cancel := record.Grace(ctx)
	defer cancel()
	return s.users.FindByID(ctx, tenant, id)
}

// hasValues reports whether a user already has the values of a patch.
func hasValues(u user.User, p user.Patch) bool {
	then, err := u.Apply(p, u.UpdatedAt)
	return err == nil && then.Email == u.Email && then.Name == u.Name && maps.Equal(then.Metadata, u.Metadata)
}
