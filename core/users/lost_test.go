package users_test

import (
	"context"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
)

// write is a change that a caller makes to a user at version 1.
type write func(ctx context.Context, r *rig, id string) error

func update(p user.Patch, ifVersion int64) write {
	return func(ctx context.Context, r *rig, id string) error {
		u, err := r.Update(ctx, tenant, id, p, ifVersion)
		if err == nil && (u.ID != id || u.Name != "Countess") {
			return fault.New(fault.Internal, "wrong_user", u.Name)
		}
		return err
	}
}

func remove(ifVersion int64) write {
	return func(ctx context.Context, r *rig, id string) error { return r.Delete(ctx, tenant, id, ifVersion) }
}

// If the answer to a change was lost, the user is read again: the change is done if its effect is
// there and can only be ours; otherwise it stays unknown.
func TestAChangeWhoseAnswerWasLost(t *testing.T) {
	unknown := scripted(fault.UnknownOutcome)
	patch := user.Patch{
		Name:     new(" Countess "),
		Email:    new("Countess@Example.com"),
		Metadata: map[string]*string{"plan": nil, "title": new("countess")},
	}
	another := func(p user.Patch) func(r *rig, id string) {
		return func(r *rig, id string) {
			if _, err := r.repository.UserRepository.Update(context.Background(), tenant, id, p, 0); err != nil {
				panic(err)
			}
		}
	}
	for name, c := range map[string]struct {
		ask           write
		before, after error
		find          error
		late          func(r *rig, id string) // what another does meanwhile
		sooner        func(r *rig, id string) // what another has done before
		leaves        bool                    // the caller, while it is written
		want          fault.Kind
		done          bool
	}{
		"an update that was done":                              {ask: update(patch, 0), after: unknown, done: true},
		"of one version":                                       {ask: update(patch, 1), after: unknown, done: true},
		"whose caller has left":                                {ask: update(patch, 1), after: unknown, leaves: true, done: true},
		"that was not done":                                    {ask: update(patch, 0), before: unknown, want: fault.UnknownOutcome},
		"that was not done, and changes nothing":               {ask: update(user.Patch{Name: new("Countess")}, 0), sooner: another(patch), before: unknown, want: fault.UnknownOutcome},
		"of one version, that was not done":                    {ask: update(patch, 1), before: unknown, want: fault.UnknownOutcome},
		"that cannot be reread":                                {ask: update(patch, 1), after: unknown, find: scripted(fault.Unavailable), want: fault.UnknownOutcome},
		"after which another has changed something else":       {ask: update(patch, 0), after: unknown, late: another(user.Patch{Metadata: map[string]*string{"other": new("x")}}), done: true},
		"of one version, after which another has changed more": {ask: update(patch, 1), after: unknown, late: another(user.Patch{Metadata: map[string]*string{"other": new("x")}}), want: fault.UnknownOutcome},
		"after which another has changed the name":             {ask: update(patch, 0), after: unknown, late: another(user.Patch{Name: new("Eve")}), want: fault.UnknownOutcome},
		"after which another has changed the email":            {ask: update(patch, 0), after: unknown, late: another(user.Patch{Email: new("eve@example.com")}), want: fault.UnknownOutcome},
		"after which another has set what was removed":         {ask: update(patch, 0), after: unknown, late: another(user.Patch{Metadata: map[string]*string{"plan": new("pro")}}), want: fault.UnknownOutcome},
		"proved not to have been done":                         {ask: update(patch, 0), before: scripted(fault.Unavailable), want: fault.Unavailable},

		"a deletion that was done":              {ask: remove(0), after: unknown, done: true},
		"a deletion of one version":             {ask: remove(1), after: unknown, done: true},
		"a deletion whose caller has left":      {ask: remove(0), after: unknown, leaves: true, done: true},
		"a deletion that was not done":          {ask: remove(0), before: unknown, want: fault.UnknownOutcome},
		"a deletion that cannot be reread":      {ask: remove(0), after: unknown, find: scripted(fault.Unavailable), want: fault.UnknownOutcome},
		"a deletion proved not to have been it": {ask: remove(0), before: scripted(fault.Unavailable), want: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.create(t, ada, idempotency.Key{})
			if c.sooner != nil {
				c.sooner(r, u.ID)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			r.repository.before, r.repository.after, r.repository.find = c.before, c.after, c.find
			r.repository.late = func() {
				if c.late != nil {
					c.late(r, u.ID)
				}
				if c.leaves {
					leave()
				}
			}
			if err := c.ask(ctx, r, u.ID); c.done != (err == nil) || err != nil && !fault.Is(err, c.want) {
				t.Errorf("%v, want %s, or done: %v", err, c.want, c.done)
			}
		})
	}
}

// The same holds for a creation.
func TestACreationWhoseCallerHasLeftIsReread(t *testing.T) {
	r := newRig(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r.repository.after, r.repository.late = scripted(fault.UnknownOutcome), leave
	if u, _, err := r.Create(ctx, tenant, ada, idempotency.Key{}); err != nil || u.Email != "ada@example.com" {
		t.Errorf("got %+v, %v, want email ada@example.com", u, err)
	}
}
