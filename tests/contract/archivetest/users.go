package archivetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// UsersHarness is an empty store with users for one case.
type UsersHarness struct {
	Harness
	Users ports.UserRepository
}

// RunUsers runs the cases of a store with users. open makes an empty store.
func RunUsers(t *testing.T, open func(t *testing.T) UsersHarness) { runCopying(t, userCases, open) }

func usersCopied(t *testing.T, from, to UsersHarness) {
	plain := fixture.CreateUser(t, from.Users, fixture.NewUser(t, "plain", "plain@example.com"))
	bare := fixture.NewUser(t, "bare", "bare@example.com")
	bare.Name, bare.Metadata, bare.CreatedAt = "", nil, fixture.Day.Add(-time.Microsecond)
	fixture.CreateUser(t, from.Users, bare)
	emptied := fixture.CreateUser(t, from.Users, fixture.NewUser(t, "emptied", "emptied@example.com"))
	foreign := fixture.NewUser(t, "foreign", "plain@example.com")
	foreign.Tenant, foreign.Name, foreign.Metadata = fixture.Other, "Ada Łovelace 李 🎉", map[string]string{"a.b": "$ne", "schlüssel": "значение"}
	fixture.CreateUser(t, from.Users, foreign)
	emptied, err := from.Users.Update(t.Context(), fixture.Tenant, emptied.ID, user.Patch{Metadata: map[string]*string{"a": nil, "b": nil}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.UserSection)
	for _, want := range []user.User{plain, bare, emptied, foreign} {
		byID, err := to.Users.FindByID(t.Context(), want.Tenant, want.ID)
		byEmail, err2 := to.Users.FindByEmail(t.Context(), want.Tenant, want.Email)
		if err != nil || err2 != nil || !fixture.SameUser(byID, want) || !fixture.SameUser(byEmail, want) {
			t.Errorf("%s: got %+v, %v; %+v, %v, want %+v", want.ID, byID, err, byEmail, err2, want)
		}
	}
	if page, err := to.Users.List(t.Context(), fixture.Tenant, "", 9); err != nil || len(page.Users) != 3 || page.Users[2].ID != bare.ID {
		t.Errorf("got %+v, %v, want 3 users, ID %v", page, err, bare.ID)
	}
}

// keyed creates users with idempotency keys: one unchanged, one changed, one deleted. It returns
// their ids.
func keyed(t *testing.T, h UsersHarness) (ids []string) {
	t.Helper()
	for _, id := range []string{"as created", "changed", "deleted"} {
		u := fixture.NewUser(t, id, fmt.Sprintf("%d@example.com", len(ids)))
		if err := h.Users.Create(t.Context(), u, fixture.Key(id)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	for _, id := range ids[1:] {
		if _, err := h.Users.Update(t.Context(), fixture.Tenant, id, user.Patch{Name: fixture.Ptr("Eve"), Metadata: map[string]*string{"c": fixture.Ptr("3")}}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Users.Delete(t.Context(), fixture.Tenant, ids[2], 2); err != nil {
		t.Fatal(err)
	}
	return ids
}

func creationsCopied(t *testing.T, from, to UsersHarness) {
	ids := keyed(t, from)
	unkeyed := fixture.CreateUser(t, from.Users, fixture.NewUser(t, "gone", "gone@example.com"))
	if err := from.Users.Delete(t.Context(), fixture.Tenant, unkeyed.ID, 0); err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.UserSection)
	for _, id := range []string{"as created", "changed", "deleted"} {
		want, err := from.Users.FindByKey(t.Context(), fixture.Key(id).Scoped)
		got, err2 := to.Users.FindByKey(t.Context(), fixture.Key(id).Scoped)
		if err != nil || err2 != nil || got.Deleted != want.Deleted || got.Fingerprint != want.Fingerprint || !fixture.SameUser(got.User, want.User) {
			t.Errorf("%s: %+v, %v; was %+v, %v, want deleted %v, fingerprint %v, %+v", id, got, err2, want, err, want.Deleted, want.Fingerprint, want.User)
		}
	}
	for _, id := range []string{ids[2], unkeyed.ID} {
		_, err := to.Users.FindByID(t.Context(), fixture.Tenant, id)
		suite.WantKind(t, err, fault.NotFound)
	}
	if got := len(scan(t, to.Archive, ports.UserSection)); got != 4 {
		t.Errorf("%d users, with those who are deleted; want 4", got)
	}
}

func usersAreOwn(t *testing.T, from, to UsersHarness) {
	ids := keyed(t, from)
	fixture.Publish(t, from.Journal)
	move(t, from.Archive, to.Archive, ports.UserSection)
	move(t, from.Archive, to.Archive, ports.FeedSection)
	before := len(fixture.Feed(t, to.Journal, fixture.Tenant))

	suite.WantCode(t, to.Users.Create(t.Context(), fixture.NewUser(t, "x", "0@example.com"), fixture.Key("x")), fault.Conflict, "email_taken")
	suite.WantCode(t, to.Users.Create(t.Context(), fixture.NewUser(t, "x", "x@example.com"), fixture.Key("deleted")), fault.Conflict, "key_taken")
	suite.WantCode(t, to.Users.Create(t.Context(), fixture.NewUser(t, "changed", "x@example.com"), fixture.Key("x")), fault.Conflict, "id_taken")
	fixture.CreateUser(t, to.Users, fixture.NewUser(t, "y", "2@example.com")) // the user who had this email is deleted
	_, err := to.Users.Update(t.Context(), fixture.Tenant, ids[1], user.Patch{Name: fixture.Ptr("Bob")}, 1)
	suite.WantCode(t, err, fault.Conflict, "version_mismatch")
	for i, id := range ids[:2] {
		if got, err := to.Users.Update(t.Context(), fixture.Tenant, id, user.Patch{Name: fixture.Ptr("Bob")}, 0); err != nil || got.Version != int64(i+2) {
			t.Errorf("got %+v, %v, want version %v", got, err, int64(i+2))
		}
	}
	// The originally created state survives a change, in either store.
	if c, err := to.Users.FindByKey(t.Context(), fixture.Key("changed").Scoped); err != nil || c.User.Name != "Name of changed" || c.User.Version != 1 {
		t.Errorf("got %+v, %v, want name \"Name of changed\", version 1", c, err)
	}
	fixture.Publish(t, to.Journal)
	if all := fixture.Feed(t, to.Journal, fixture.Tenant); len(all) != before+3 || all[before+2].Seq != int64(before+3) {
		t.Errorf("%d events and %d more, want %v in all, the last with number %v", before, len(all)-before, before+3, int64(before+3))
	}
	if n, err := to.Users.Purge(t.Context(), fixture.Day.Add(time.Hour), 10); err != nil || n != 3 {
		t.Errorf("%d keys are given up, %v; want 3", n, err)
	}
	_, err = to.Users.FindByKey(t.Context(), fixture.Key("changed").Scoped)
	suite.WantKind(t, err, fault.NotFound)
}

func usersRefused(t *testing.T, from, to UsersHarness) {
	keyed(t, from)
	move(t, from.Archive, to.Archive, ports.UserSection)
	all := scan(t, to.Archive, ports.UserSection)
	for name, change := range map[string]func(u *ports.StoredUser){
		"the id":    func(*ports.StoredUser) {},
		"the email": func(u *ports.StoredUser) { u.User.ID, u.Key = "usr_x", fixture.Key("x") },
		"the key":   func(u *ports.StoredUser) { u.User.ID, u.User.Email = "usr_x", "x@example.com" },
	} {
		i := slices.IndexFunc(all, func(e ports.Entry) bool { return e.User.User.ID == "usr_as created" })
		taken := *all[i].User
		change(&taken)
		if err := to.Archive.Put(t.Context(), ports.UserSection, ports.Entry{User: &taken}); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s is taken: got %v, want kind %v", name, err, fault.Conflict)
		}
	}
	if err := to.Archive.Remove(t.Context(), ports.UserSection, ports.UserKey(fixture.Tenant, "usr_deleted"), ports.UserKey(fixture.Other, "usr_changed")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(keysOf(scan(t, to.Archive, ports.UserSection))); got != "[acme|usr_as created acme|usr_changed]" {
		t.Errorf("left: got %s, want \"[acme|usr_as created acme|usr_changed]\"", got)
	}
}
