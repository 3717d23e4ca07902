package users

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// Person returns the person with an id or an email. If no user has it, the person consists of
// that id or address alone, because other data may still refer to it.
func (s *Service) Person(ctx context.Context, tenant, id, email string) (user.Person, error) {
	p := user.Person{Tenant: tenant, UserID: id}
	if email != "" {
		p.Emails = []string{user.NormalizeEmail(email)}
	}
	u, err := s.find(ctx, p)
	switch {
	case fault.Is(err, fault.NotFound):
		return p, nil
	case err != nil:
		return user.Person{}, err
	}
	p.UserID, p.Emails = u.ID, []string{u.Email}
	return p, nil
}

func (s *Service) find(ctx context.Context, p user.Person) (user.User, error) {
	if p.UserID != "" {
		return s.users.FindByID(ctx, p.Tenant, p.UserID)
	}
	return s.users.FindByEmail(ctx, p.Tenant, p.Emails[0])
}

// PersonalObjects passes the person's user to found, if there is one. It is read from its store,
// never from the standby, which follows the store by itself.
func (s *Service) PersonalObjects(ctx context.Context, p user.Person, examined func(int) error, found func(user.PersonalObject) error) error {
	if p.UserID == "" {
		return nil
	}
	u, err := s.users.FindByID(ctx, p.Tenant, p.UserID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := examined(1); err != nil {
		return err
	}
	return found(user.PersonalObject{ID: u.ID, View: u, Erase: func(ctx context.Context) error {
		err := s.users.Delete(ctx, u.Tenant, u.ID, 0)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	}})
}
