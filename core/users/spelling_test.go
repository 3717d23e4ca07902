package users_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
)

var scripts = user.Scripts{ASCII: rfc5322.Composed, Unicode: rfc5322.Unicode, Decomposed: rfc5322.Decomposed}

// One mailbox, whose domain a caller writes in its own script or in ASCII.
const (
	inUnicode = "Bob@Bücher.example"
	inASCII   = "bob@xn--bcher-kva.example"
)

// earlier stores a user as an earlier version did: the domain stays in the script of the caller.
func (r *rig) earlier(t *testing.T, id, address string, key idempotency.Key) user.User {
	t.Helper()
	u, err := user.New(id, tenant, address, "Bob", nil, time.Now())
	if err == nil {
		err = r.repository.Create(t.Context(), u, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAUserIsFoundHoweverTheEmailIsWritten(t *testing.T) {
	for name, create := range map[string]func(*testing.T, *rig, string) user.User{
		"a user": func(t *testing.T, r *rig, address string) user.User {
			return r.create(t, users.NewUser{Email: address}, idempotency.Key{})
		},
		"of an earlier version": func(t *testing.T, r *rig, address string) user.User {
			return r.earlier(t, "usr_1", address, idempotency.Key{})
		},
	} {
		for _, stored := range []string{inUnicode, inASCII} {
			t.Run(name+", "+stored, func(t *testing.T) {
				r := newRig(t)
				u := create(t, r, stored)
				for _, asked := range []string{inUnicode, inASCII, "BOB@XN--BCHER-KVA.example", "bob@bu\u0308cher.example"} {
					if got, _, err := r.FindByEmail(t.Context(), tenant, asked, users.Strong); err != nil || got.ID != u.ID {
						t.Errorf("%s: got %q, %v, want %q", asked, got.ID, err, u.ID)
					}
				}
				for _, asked := range []string{"bob@bucher.example", "eve@bücher.example"} {
					if got, _, err := r.FindByEmail(t.Context(), tenant, asked, users.Strong); !fault.Is(err, fault.NotFound) {
						t.Errorf("%s: got %q, %v, want not_found", asked, got.ID, err)
					}
				}
			})
		}
	}
}

// The letters of a local part may be composed or not, also in what an earlier version has stored.
func TestAUserIsFoundHoweverAnAccentIsWritten(t *testing.T) {
	all := []string{"José@Bücher.example", "jose\u0301@bücher.example", "JOSE\u0301@xn--bcher-kva.example"}
	for _, stored := range append(all, "jose\u0301@example.com") {
		for name, earlier := range map[string]bool{"of this version": false, "of an earlier version": true} {
			t.Run(fmt.Sprintf("%+q, %s", stored, name), func(t *testing.T) {
				r, asked := newRig(t), all
				if strings.HasSuffix(stored, "@example.com") {
					asked = []string{"josé@example.com", "JOSE\u0301@example.com"}
				}
				var u user.User
				if earlier {
					u = r.earlier(t, "usr_1", stored, idempotency.Key{})
				} else if u = r.create(t, users.NewUser{Email: stored}, idempotency.Key{}); !strings.HasPrefix(u.Email, "josé@") {
					t.Errorf("got the email %+q, want it composed", u.Email)
				}
				for _, one := range asked {
					if got, _, err := r.FindByEmail(t.Context(), tenant, one, users.Strong); err != nil || got.ID != u.ID {
						t.Errorf("%+q: got %q, %v, want %q", one, got.ID, err, u.ID)
					}
					_, _, err := r.Create(t.Context(), tenant, users.NewUser{Email: one}, idempotency.Key{})
					wantCode(t, err, fault.Conflict, "email_taken")
				}
				if got, _, err := r.FindByEmail(t.Context(), tenant, "jose@bücher.example", users.Strong); !fault.Is(err, fault.NotFound) {
					t.Errorf("another mailbox: got %q, %v, want not_found", got.ID, err)
				}
			})
		}
	}
}

func TestAMailboxHasOneUser(t *testing.T) {
	for name, tt := range map[string]struct {
		earlier bool
		stored  string
		second  string
	}{
		"in its script, then in ASCII":                         {false, inUnicode, inASCII},
		"in ASCII, then in its script":                         {false, inASCII, inUnicode},
		"an earlier version's in its script, then in ASCII":    {true, inUnicode, inASCII},
		"an earlier version's in ASCII, then in its script":    {true, inASCII, inUnicode},
		"an earlier version's in its script, and so once more": {true, inUnicode, inUnicode},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			first := key("k", "a")
			var u user.User
			if tt.earlier {
				u = r.earlier(t, "usr_1", tt.stored, first)
			} else {
				u = r.create(t, users.NewUser{Email: tt.stored}, first)
			}
			_, _, err := r.Create(t.Context(), tenant, users.NewUser{Email: tt.second}, key("l", "a"))
			wantCode(t, err, fault.Conflict, "email_taken")
			again, replayed, err := r.Create(t.Context(), tenant, users.NewUser{Email: tt.second}, first)
			if err != nil || !replayed || again.ID != u.ID {
				t.Errorf("under its key: got %q, replayed %t, %v, want %q replayed", again.ID, replayed, err, u.ID)
			}
			eve := r.create(t, users.NewUser{Email: "eve@example.com"}, idempotency.Key{})
			_, err = r.Update(t.Context(), tenant, eve.ID, user.Patch{Email: &tt.second}, 0)
			wantCode(t, err, fault.Conflict, "email_taken")
			if own, err := r.Update(t.Context(), tenant, u.ID, user.Patch{Email: &tt.second}, 0); err != nil || own.Email != inASCII {
				t.Errorf("its own: got %q, %v, want %q", own.Email, err, inASCII)
			}
		})
	}
}

func TestAUserIsNotCreatedWhileItIsNotKnownWhoHasTheMailbox(t *testing.T) {
	r := newRig(t)
	r.repository.byMail = fault.New(fault.Unavailable, "scripted", "")
	_, _, err := r.Create(t.Context(), tenant, users.NewUser{Email: inUnicode}, idempotency.Key{})
	wantCode(t, err, fault.Unavailable, "scripted")
	r.wantUsers(t, 0)
}

func TestAPersonIsKnownHoweverTheEmailIsWritten(t *testing.T) {
	for name, asked := range map[string]string{"in its script": inUnicode, "in ASCII": inASCII} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.earlier(t, "usr_1", inUnicode, idempotency.Key{})
			p, err := r.Person(t.Context(), tenant, "", asked)
			if err != nil || p.UserID != u.ID || fmt.Sprint(p.Emails) != fmt.Sprint([]string{inASCII}) {
				t.Errorf("got %q with %v, %v, want %q with %s", p.UserID, p.Emails, err, u.ID, inASCII)
			}
			for _, address := range []string{inUnicode, inASCII} {
				if !p.Has(address) {
					t.Errorf("%s is not the person's, want it to be", address)
				}
			}
		})
	}
}

func TestAUserIsFoundInTheStandbyHoweverTheEmailIsWritten(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		u, _, err := p.Create(t.Context(), tenant, users.NewUser{Email: inUnicode}, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		p.store.gone.Store(true)
		for _, asked := range []string{inUnicode, inASCII} {
			got, from, err := p.Service.FindByEmail(t.Context(), tenant, asked, users.Available)
			if err != nil || got.ID != u.ID || from.AsOf.IsZero() {
				t.Errorf("%s: got %q from %+v, %v, want %q from the standby", asked, got.ID, from, err, u.ID)
			}
		}
	})
}

// A link to set a new password would go to another mailbox.
func TestALookAlikeFindsNobodyElse(t *testing.T) {
	r := newRig(t)
	for _, stored := range []string{"kelly@example.com", "ipek@example.com"} {
		r.create(t, users.NewUser{Email: stored}, idempotency.Key{})
	}
	for _, other := range []string{"\u212aelly@example.com", "\u0130pek@example.com", "I\u0307pek@example.com"} {
		if u, _, err := r.FindByEmail(t.Context(), tenant, other, users.Strong); !fault.Is(err, fault.NotFound) {
			t.Errorf("%+q finds %q, %v, want nobody", other, u.Email, err)
		}
	}
}

func TestTheDottedCapitalIsOneLetterHoweverItIsWritten(t *testing.T) {
	all := []string{"\u0130pek@example.com", "I\u0307PEK@example.com", "i\u0307pek@example.com"}
	for _, stored := range all {
		t.Run(fmt.Sprintf("%+q", stored), func(t *testing.T) {
			r := newRig(t)
			u := r.create(t, users.NewUser{Email: stored}, idempotency.Key{})
			for _, one := range all {
				if got, _, err := r.FindByEmail(t.Context(), tenant, one, users.Strong); err != nil || got.ID != u.ID {
					t.Errorf("%+q: got %q, %v, want %q", one, got.ID, err, u.ID)
				}
			}
		})
	}
}
