package personaldata_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/core/personaldata"
	"patchbay/core/user"
)

// The domain of an address may be written in its own script or in ASCII, and each of those who write it may
// choose: it is one person.
func TestAPersonIsErasedHoweverTheirAddressIsWritten(t *testing.T) {
	const unicode, ascii = "bob@bücher.example", "bob@xn--bcher-kva.example"
	for stored, create := range map[string]func(t *testing.T, r *rig, address string) user.User{
		"a user": func(t *testing.T, r *rig, address string) user.User { return r.user(t, address) },
		"a user of an earlier version": func(t *testing.T, r *rig, address string) user.User {
			u, err := user.New("usr_bob", tenant, address, secret, nil, time.Now())
			if err == nil {
				err = r.people.Create(t.Context(), u, idempotency.Key{})
			}
			if err != nil {
				t.Fatal(err)
			}
			return u
		},
	} {
		for name, tt := range map[string]struct{ user, mail, erased string }{
			"the user in its script, the mail in ASCII":   {unicode, ascii, unicode},
			"and erased by what the mail has":             {unicode, ascii, ascii},
			"the user in ASCII, the mail in its script":   {ascii, unicode, ascii},
			"and erased in its script":                    {ascii, unicode, unicode},
			"in capitals, and erased by the user's id":    {"BOB@BÜCHER.example", "Bob@XN--BCHER-KVA.example", ""},
			"in letters that are composed in another way": {"bob@bu\u0308cher.example", ascii, "bob@bu\u0308cher.example"},
			"with an ideographic full stop":               {"bob@bücher。example", ascii, "bob@bücher。example"},
		} {
			t.Run(stored+": "+name, func(t *testing.T) {
				within(t, func(t *testing.T, r *rig) {
					u := create(t, r, tt.user)
					m := r.write(t, draft(tt.mail), idempotency.Key{})
					m, err := r.mail.Get(t.Context(), tenant, m.ID)
					if err != nil {
						t.Fatal(err)
					}
					r.hearOf(t, "evt_1", m, email.EventDeferred, unicode, "450 the mailbox of "+secret+" is full")
					r.hearOf(t, "evt_2", m, email.EventBounced, ascii, "550 the mailbox of "+secret+" is full")
					who := personaldata.Who{Tenant: tenant, Email: tt.erased}
					if tt.erased == "" {
						who.UserID = u.ID
					}
					counts, pending, err := r.erase(t, who)
					if want := "messages 1/1/0 payments 0/0/0 webhooks 2/2/0 users 1/1/0"; err != nil || counts != want {
						t.Fatalf("got %v, %s, %+v, want %s", err, counts, pending, want)
					}
					r.clean(t)
					if left := strings.ToLower(r.dump(t)); strings.Contains(left, "bob@") {
						t.Errorf("the address is left: %s", left)
					}
				})
			})
		}
	}
}

// Nobody is a user, and only mail was sent.
func TestAnAddressIsErasedHoweverItIsWritten(t *testing.T) {
	for written, erased := range map[string]string{
		"bob@bücher.example": "bob@xn--bcher-kva.example", "bob@xn--bcher-kva.example": "Bob@Bücher.example",
	} {
		t.Run(written, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.write(t, draft(written), idempotency.Key{})
				r.write(t, draft("eve@bucher.example"), idempotency.Key{})
				counts, _, err := r.erase(t, personaldata.Who{Tenant: tenant, Email: erased})
				if want := "messages 1/1/0 payments 0/0/0 webhooks 0/0/0 users 0/0/0"; err != nil || counts != want {
					t.Errorf("got %v, %s, want %s", err, counts, want)
				}
			})
		})
	}
}
