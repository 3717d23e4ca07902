package users

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// Person returns the person with an id or an email. If no user has it, the person consists of
// that id or address alone, because other data may still refer to it.
func (s *Service) Person(ctx context.Context, tenant, id, email string) (user.Person, error) {
	p := user.Person{Tenant: tenant, UserID: id, ASCIIAddress: s.scripts.ASCII}
	if email != "" {
		p.Emails = []string{s.scripts.Mailbox(email)}
	}
	u, err := s.userOf(ctx, p, email)
	switch {
	case fault.Is(err, fault.NotFound):
		return p, nil
	case err != nil:
		return user.Person{}, err
	}
	p.UserID, p.Emails = u.ID, []string{s.scripts.Mailbox(u.Email)}
	return p, nil
}

// userOf returns the user with the person's id, or else with their address as it was given. NotFound.
func (s *Service) userOf(ctx context.Context, p user.Person, email string) (user.User, error) {
	if p.UserID != "" {
		return s.users.FindByID(ctx, p.Tenant, p.UserID)
	}
	return s.find(ctx, s.users, p.Tenant, email)
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
