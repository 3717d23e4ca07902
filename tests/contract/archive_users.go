package contract

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// ArchivedUsersHarness is an empty store with users for one case.
type ArchivedUsersHarness struct {
	ArchiveHarness
	Users ports.UserRepository
}

func (h ArchivedUsersHarness) users() UsersHarness { return UsersHarness{h.Users, h.Journal} }

// ArchivedUsers runs the suite for ports.Archive of stores with users. open makes an empty store.
func ArchivedUsers(t *testing.T, open func(t *testing.T) ArchivedUsersHarness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, from, to ArchivedUsersHarness)
	}{
		{"every user comes across as they are", usersMoved},
		{"keys, originals and what is left of the deleted come across", creationsMoved},
		{"what a store does with users it does with those who came", usersLive},
		{"users who are there are refused, and removed by name", usersRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t), open(t))
		})
	}
}

func usersMoved(t *testing.T, from, to ArchivedUsersHarness) {
	plain := create(t, from.users(), newUser(t, "plain", "plain@example.com"))
	bare := newUser(t, "bare", "bare@example.com")
	bare.Name, bare.Metadata, bare.CreatedAt = "", nil, day.Add(-time.Microsecond)
	create(t, from.users(), bare)
	emptied := create(t, from.users(), newUser(t, "emptied", "emptied@example.com"))
	foreign := newUser(t, "foreign", "plain@example.com")
	foreign.Tenant, foreign.Name, foreign.Metadata = other, "Ada Łovelace 李 🎉", map[string]string{"a.b": "$ne", "schlüssel": "значение"}
	create(t, from.users(), foreign)
	emptied, err := from.Users.Update(t.Context(), tenant, emptied.ID, user.Patch{Metadata: map[string]*string{"a": nil, "b": nil}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.UserSection)
	for _, want := range []user.User{plain, bare, emptied, foreign} {
		byID, err := to.Users.FindByID(t.Context(), want.Tenant, want.ID)
		byEmail, err2 := to.Users.FindByEmail(t.Context(), want.Tenant, want.Email)
		if err != nil || err2 != nil || !same(byID, want) || !same(byEmail, want) {
			t.Errorf("%s: %+v, %v; %+v, %v", want.ID, byID, err, byEmail, err2)
		}
	}
	if page, err := to.Users.List(t.Context(), tenant, "", 9); err != nil || len(page.Users) != 3 || page.Users[2].ID != bare.ID {
		t.Errorf("%+v, %v", page, err)
	}
}

// keyed creates users with idempotency keys: one unchanged, one changed, one deleted. It returns
// their ids.
func keyed(t *testing.T, h ArchivedUsersHarness) (ids []string) {
	t.Helper()
	for _, id := range []string{"as created", "changed", "deleted"} {
		u := newUser(t, id, fmt.Sprintf("%d@example.com", len(ids)))
		if err := h.Users.Create(t.Context(), u, key(id)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	for _, id := range ids[1:] {
		if _, err := h.Users.Update(t.Context(), tenant, id, user.Patch{Name: ptr("Eve"), Metadata: map[string]*string{"c": ptr("3")}}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Users.Delete(t.Context(), tenant, ids[2], 2); err != nil {
		t.Fatal(err)
	}
	return ids
}

func creationsMoved(t *testing.T, from, to ArchivedUsersHarness) {
	ids := keyed(t, from)
	unkeyed := create(t, from.users(), newUser(t, "gone", "gone@example.com"))
	if err := from.Users.Delete(t.Context(), tenant, unkeyed.ID, 0); err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.UserSection)
	for _, id := range []string{"as created", "changed", "deleted"} {
		want, err := from.Users.FindByKey(t.Context(), key(id).Scoped)
		got, err2 := to.Users.FindByKey(t.Context(), key(id).Scoped)
		if err != nil || err2 != nil || got.Deleted != want.Deleted || got.Fingerprint != want.Fingerprint || !same(got.User, want.User) {
			t.Errorf("%s: %+v, %v; was %+v, %v", id, got, err2, want, err)
		}
	}
	for _, id := range []string{ids[2], unkeyed.ID} {
		_, err := to.Users.FindByID(t.Context(), tenant, id)
		wantKind(t, err, fault.NotFound)
	}
	if got := len(scan(t, to.Archive, ports.UserSection)); got != 4 {
		t.Errorf("%d users, with those who are deleted; want 4", got)
	}
}

func usersLive(t *testing.T, from, to ArchivedUsersHarness) {
	ids := keyed(t, from)
	publish(t, from.Journal)
	move(t, from.Archive, to.Archive, ports.UserSection)
	move(t, from.Archive, to.Archive, ports.FeedSection)
	told := len(feed(t, to.Journal, tenant))

	wantCode(t, to.Users.Create(t.Context(), newUser(t, "x", "0@example.com"), key("x")), fault.Conflict, "email_taken")
	wantCode(t, to.Users.Create(t.Context(), newUser(t, "x", "x@example.com"), key("deleted")), fault.Conflict, "key_taken")
	wantCode(t, to.Users.Create(t.Context(), newUser(t, "changed", "x@example.com"), key("x")), fault.Conflict, "id_taken")
	create(t, to.users(), newUser(t, "y", "2@example.com")) // the user who had this email is deleted
	_, err := to.Users.Update(t.Context(), tenant, ids[1], user.Patch{Name: ptr("Bob")}, 1)
	wantCode(t, err, fault.Conflict, "version_mismatch")
	for i, id := range ids[:2] {
		if got, err := to.Users.Update(t.Context(), tenant, id, user.Patch{Name: ptr("Bob")}, 0); err != nil || got.Version != int64(i+2) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	// The originally created state survives a change, in either store.
	if c, err := to.Users.FindByKey(t.Context(), key("changed").Scoped); err != nil || c.User.Name != "Name of changed" || c.User.Version != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	publish(t, to.Journal)
	if all := feed(t, to.Journal, tenant); len(all) != told+3 || all[told+2].Seq != int64(told+3) {
		t.Errorf("%d events and %d more", told, len(all)-told)
	}
	if n, err := to.Users.Purge(t.Context(), day.Add(time.Hour), 10); err != nil || n != 3 {
		t.Errorf("%d keys are given up, %v; want 3", n, err)
	}
	_, err = to.Users.FindByKey(t.Context(), key("changed").Scoped)
	wantKind(t, err, fault.NotFound)
}

func usersRefused(t *testing.T, from, to ArchivedUsersHarness) {
	keyed(t, from)
	move(t, from.Archive, to.Archive, ports.UserSection)
	all := scan(t, to.Archive, ports.UserSection)
	for name, change := range map[string]func(u *ports.StoredUser){
		"the id":    func(*ports.StoredUser) {},
		"the email": func(u *ports.StoredUser) { u.User.ID, u.Key = "usr_x", key("x") },
		"the key":   func(u *ports.StoredUser) { u.User.ID, u.User.Email = "usr_x", "x@example.com" },
	} {
		i := slices.IndexFunc(all, func(e ports.Entry) bool { return e.User.User.ID == "usr_as created" })
		taken := *all[i].User
		change(&taken)
		if err := to.Archive.Put(t.Context(), ports.UserSection, ports.Entry{User: &taken}); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s is taken: %v", name, err)
		}
	}
	if err := to.Archive.Remove(t.Context(), ports.UserSection, ports.UserKey(tenant, "usr_deleted"), ports.UserKey(other, "usr_changed")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(keysOf(scan(t, to.Archive, ports.UserSection))); got != "[acme|usr_as created acme|usr_changed]" {
		t.Errorf("left: %s", got)
	}
}
