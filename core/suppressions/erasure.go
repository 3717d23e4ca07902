package suppressions

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/suppression"
	"patchbay/core/user"
)

// PersonalObjects passes the suppressions of the person's addresses to found. They are found by their
// keyed hashes. One whose address was erased is not among them: what it has left says nothing to
// whoever lacks the key.
func (s *Service) PersonalObjects(ctx context.Context, p user.Person, examined func(int) error, found func(user.PersonalObject) error) error {
	var ids []string
	for _, address := range p.Emails {
		ids = append(ids, s.ids(p.Tenant, address)...)
	}
	for _, id := range ids {
		e, err := s.records.Get(ctx, p.Tenant, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if record.IsUndecodable(err) {
			err = found(user.PersonalObject{ID: id, Unreadable: err})
		}
		if err == nil {
			err = examined(1)
		}
		if err == nil && e.Value.Email != "" {
			err = found(user.PersonalObject{
				ID: e.Value.ID, View: e.Value,
				Erase: func(ctx context.Context) error { return s.erase(ctx, e.Value) },
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// erase removes the address. The suppression stays in force, and so the person gets no mail that they
// did not want although they were forgotten.
func (s *Service) erase(ctx context.Context, v suppression.Suppression) error {
	_, err := s.change(ctx, v.Tenant, v.ID, func(v *suppression.Suppression) error {
		v.Erase(s.Clock.Now())
		return nil
	})
	return err
}
