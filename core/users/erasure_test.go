package users_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/ports"
)

func TestAPersonIsKnownByIDAndByEmail(t *testing.T) {
	r := newRig(t)
	u, _, err := r.Create(t.Context(), tenant, ada, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	both := user.Person{Tenant: tenant, UserID: u.ID, Emails: []string{"ada@example.com"}}
	for _, row := range []struct {
		name, tenant, id, email string
		want                    user.Person
	}{
		{"by id", tenant, u.ID, "", both},
		{"by email, written in any way", tenant, "", " ADA@example.com", both},
		{"an id that nobody has", tenant, "usr_gone", "", user.Person{Tenant: tenant, UserID: "usr_gone"}},
		{"an email that nobody has", tenant, "", "Bob@example.com", user.Person{Tenant: tenant, Emails: []string{"bob@example.com"}}},
		{"another tenant's", "other", u.ID, "", user.Person{Tenant: "other", UserID: u.ID}},
	} {
		got, err := r.Person(t.Context(), row.tenant, row.id, row.email)
		got.ASCIIAddress = nil // as in what is wanted
		if err != nil || fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%s: got %+v, %v, want %v", row.name, got, err, fmt.Sprint(row.want))
		}
	}
	r.repository.find = fault.New(fault.Unavailable, "scripted", "")
	if _, err := r.Person(t.Context(), tenant, u.ID, ""); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while the store is gone: got %v, want kind %v", err, fault.Unavailable)
	}
}

// The copy follows by the feed. Afterwards only the id is left in it.
func TestAnErasedUserIsGoneFromTheStandby(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		u, _, err := p.Create(t.Context(), tenant, users.NewUser{Email: "ada@example.com", Name: "Ada", Metadata: map[string]string{"a": "Lovelace"}}, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		p.rename(t, u.ID, "lovelace@example.com")
		p.settle()
		if copied := p.copies(t); !strings.Contains(copied, "lovelace@example.com") {
			t.Fatalf("got %s, want lovelace@example.com in it", copied)
		}
		p.store.gone.Store(false)
		who, err := p.Person(t.Context(), tenant, u.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		looked := func(int) error { return nil }
		err = p.PersonalObjects(t.Context(), who, looked, func(one user.PersonalObject) error {
			for range 2 {
				if err := one.Erase(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		if copied := p.copies(t); regexp.MustCompile(`(?i)\bada\b`).MatchString(copied) || strings.Contains(copied, "ovelace") || !strings.Contains(copied, u.ID) {
			t.Errorf("got %s, want the id alone", copied)
		}
	})
}

// copies returns everything that the other store has of users.
func (p *pair) copies(t *testing.T) (all string) {
	t.Helper()
	err := record.Raw(p.copy, "user_copy").Walk(t.Context(), tenant, ports.Filter{}, nil, func(one ports.Record) error {
		all += fmt.Sprintf("%s %q %+v %s\n", one.ID, one.Ref, one.Index, one.Body)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
