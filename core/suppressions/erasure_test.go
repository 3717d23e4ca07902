package suppressions_test

import (
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/suppression"
	"patchbay/core/user"
)

// objects returns what is kept of a person.
func (r *rig) objects(t *testing.T, p user.Person) (all []user.PersonalObject) {
	t.Helper()
	err := r.PersonalObjects(t.Context(), p, func(int) error { return nil }, func(o user.PersonalObject) error {
		all = append(all, o)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAPersonIsForgottenAndStaysSuppressed(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.learn(t, "Ada@example.com", suppression.Unsubscribed, 0)
		r.add(t, "eve@example.com", suppression.Manual)
		ada := user.Person{Tenant: tenant, Emails: []string{"ada@example.com"}}
		found := r.objects(t, ada)
		if len(found) != 1 || found[0].View.(suppression.Suppression).Email != "Ada@example.com" {
			t.Fatalf("got %+v, want Ada's suppression", found)
		}
		if err := found[0].Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := r.Get(t.Context(), tenant, r.IDOf(tenant, "ada@example.com"))
		if err != nil || v.Email != "" || v.ErasedAt.IsZero() {
			t.Errorf("got %+v, %v, want no address, erased", v, err)
		}
		if got := r.stopped(t, email.Marketing, "ada@example.com"); got != suppression.Unsubscribed {
			t.Errorf("marketing is stopped for %q, want unsubscribed", got)
		}
		if left := r.objects(t, ada); len(left) != 0 {
			t.Errorf("left: %+v, want nothing", left)
		}

		<-time.After(time.Minute)
		r.learn(t, "ada@example.com", suppression.Bounced, 0)
		if v, err := r.Get(t.Context(), tenant, v.ID); err != nil || v.Email != "" {
			t.Errorf("after another event: %+v, %v, want no address", v, err)
		}
		if v := r.add(t, "ada@example.com", suppression.Bounced); v.Email != "ada@example.com" || !v.ErasedAt.IsZero() {
			t.Errorf("after somebody added it: %+v, want the address, not erased", v)
		}
	})
}

func TestAnotherTenantsPersonIsNotFound(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.add(t, "ada@example.com", suppression.Manual)
		if found := r.objects(t, user.Person{Tenant: "acme", Emails: []string{"ada@example.com"}}); len(found) != 0 {
			t.Errorf("got %+v, want nothing", found)
		}
	})
}

func TestAPersonIsForgottenHoweverTheAddressIsWritten(t *testing.T) {
	for written, person := range map[string]string{
		"Ada@Bücher.example": "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example": "ada@bücher.example",
	} {
		t.Run(written, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.learn(t, written, suppression.Unsubscribed, 0)
				found := r.objects(t, user.Person{Tenant: tenant, Emails: []string{person}})
				if len(found) != 1 {
					t.Fatalf("got %d suppressions, want 1", len(found))
				}
				if err := found[0].Erase(t.Context()); err != nil {
					t.Fatal(err)
				}
				if v, err := r.Get(t.Context(), tenant, r.IDOf(tenant, person)); err != nil || v.Email != "" {
					t.Errorf("got %+v, %v, want no address", v, err)
				}
			})
		})
	}
}
