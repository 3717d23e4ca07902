// Package usertest is the contract suite of ports.UserRepository. Every store with users and every
// decorator of one runs it from a test called TestContract. docs/contract.md lists its cases.
package usertest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// Harness is an empty repository for one case, and the journal of the same store, whose feed
// contains the events of its changes.
type Harness struct {
	Users   ports.UserRepository
	Journal ports.Journal
}

// Run runs the suite. open makes an empty repository.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	suite.Run(t, cases, open)
}

func userFound(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	byID, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID)
	byEmail, err2 := h.Users.FindByEmail(t.Context(), fixture.Tenant, u.Email)
	if err != nil || err2 != nil || !fixture.SameUser(byID, u) || !fixture.SameUser(byEmail, u) {
		t.Errorf("got %+v, %v; %+v, %v, want %+v", byID, err, byEmail, err2, u)
	}
}

func emailUnique(t *testing.T, h Harness) {
	fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "b", "ada@example.com"), idempotency.Key{}), fault.Conflict, "email_taken")
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "a", "eve@example.com"), idempotency.Key{}), fault.Conflict, "id_taken")
}

func usersByTenant(t *testing.T, h Harness) {
	mine := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	theirs := fixture.NewUser(t, "b", "ada@example.com")
	theirs.Tenant = fixture.Other
	fixture.CreateUser(t, h.Users, theirs)
	if got, err := h.Users.FindByEmail(t.Context(), fixture.Other, "ada@example.com"); err != nil || got.ID != theirs.ID {
		t.Errorf("got %+v, %v, want ID %v", got, err, theirs.ID)
	}
	_, err := h.Users.FindByID(t.Context(), fixture.Other, mine.ID)
	suite.WantKind(t, err, fault.NotFound)
	_, err = h.Users.Update(t.Context(), fixture.Other, mine.ID, user.Patch{Name: fixture.Ptr("x")}, 0)
	suite.WantKind(t, err, fault.NotFound)
	suite.WantKind(t, h.Users.Delete(t.Context(), fixture.Other, mine.ID, 0), fault.NotFound)
	if page, err := h.Users.List(t.Context(), fixture.Other, "", 10); err != nil || len(page.Users) != 1 {
		t.Errorf("got %+v, %v, want 1 user", page, err)
	}
}

func keyTaken(t *testing.T, h Harness) {
	if err := h.Users.Create(t.Context(), fixture.NewUser(t, "a", "ada@example.com"), fixture.Key("k")); err != nil {
		t.Fatal(err)
	}
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "b", "ada@example.com"), fixture.Key("k")), fault.Conflict, "key_taken")
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "b", "eve@example.com"), fixture.Key("k")), fault.Conflict, "key_taken")
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "b", "ada@example.com"), fixture.Key("k2")), fault.Conflict, "email_taken")
	_, err := h.Users.FindByKey(t.Context(), fixture.Key("nobody's").Scoped)
	suite.WantKind(t, err, fault.NotFound)
}

func keyKeepsCreation(t *testing.T, h Harness) {
	u := fixture.NewUser(t, "a", "ada@example.com")
	if err := h.Users.Create(t.Context(), u, fixture.Key("k")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Second", "Third"} {
		c, err := h.Users.FindByKey(t.Context(), fixture.Key("k").Scoped)
		if err != nil || !fixture.SameUser(c.User, u) || c.Fingerprint != fixture.Key("k").Fingerprint || c.Deleted {
			t.Errorf("got %+v, %v, want %+v, fingerprint %v, not deleted", c, err, u, fixture.Key("k").Fingerprint)
		}
		if _, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: &name, Email: fixture.Ptr(name + "@example.com")}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func deletedKeepsKey(t *testing.T, h Harness) {
	u := fixture.NewUser(t, "a", "ada@example.com")
	if err := h.Users.Create(t.Context(), u, fixture.Key("k")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("Ada L.")}, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Users.Delete(t.Context(), fixture.Tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	c, err := h.Users.FindByKey(t.Context(), fixture.Key("k").Scoped)
	if err != nil || !c.Deleted || c.User.ID != u.ID || c.User.Email != "" || c.User.Name != "" || len(c.User.Metadata) != 0 {
		t.Errorf("got %+v, %v, want deleted, ID %v, no email, no name, no metadata", c, err, u.ID)
	}
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "b", "eve@example.com"), fixture.Key("k")), fault.Conflict, "key_taken")
}

func usersPurged(t *testing.T, h Harness) {
	for i, id := range []string{"kept", "keyed", "gone", "changed", "young"} {
		u := fixture.NewUser(t, id, id+"@example.com")
		if id == "young" {
			u.CreatedAt = fixture.Later
		}
		k := fixture.Key(id)
		if i == 0 {
			k = idempotency.Key{}
		}
		if err := h.Users.Create(t.Context(), u, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Users.Delete(t.Context(), fixture.Tenant, "usr_gone", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Users.Update(t.Context(), fixture.Tenant, "usr_changed", user.Patch{Name: fixture.Ptr("Eve")}, 0); err != nil {
		t.Fatal(err)
	}
	fixture.Publish(t, h.Journal)
	for _, want := range []int{2, 1, 0} {
		if n, err := h.Users.Purge(t.Context(), fixture.Day.Add(time.Hour), 2); err != nil || n != want {
			t.Errorf("%d purged, %v; want %d", n, err, want)
		}
	}
	for id, want := range map[string]bool{"keyed": false, "gone": false, "changed": false, "young": true} {
		if _, err := h.Users.FindByKey(t.Context(), fixture.Key(id).Scoped); (err == nil) != want || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("the key of %s: %v", id, err)
		}
	}
	for id, name := range map[string]string{"kept": "Name of kept", "keyed": "Name of keyed", "changed": "Eve"} {
		if u, err := h.Users.FindByID(t.Context(), fixture.Tenant, "usr_"+id); err != nil || u.Name != name {
			t.Errorf("got %+v, %v, want name %v", u, err, name)
		}
	}
	if _, err := h.Users.Update(t.Context(), fixture.Tenant, "usr_keyed", user.Patch{Name: fixture.Ptr("Bob")}, 1); err != nil {
		t.Error(err)
	}
	if err := h.Users.Create(t.Context(), fixture.NewUser(t, "other", "other@example.com"), fixture.Key("keyed")); err != nil {
		t.Errorf("a key that was given up: %v", err)
	}
	fixture.CreateUser(t, h.Users, fixture.NewUser(t, "gone", "gone@example.com"))
}

func changeInPart(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	got, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("")}, 1)
	if err != nil || got.Name != "" || got.Email != u.Email || len(got.Metadata) != 2 || got.Version != 2 || !got.CreatedAt.Equal(fixture.Day) || !got.UpdatedAt.After(fixture.Day) {
		t.Fatalf("got %+v, %v, want no name, email %v, 2 metadata, version 2, created at %v, updated at after %v", got, err, u.Email, fixture.Day, fixture.Day)
	}
	if got, err = h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Email: fixture.Ptr(" Eve@Example.com ")}, 0); err != nil || got.Email != "eve@example.com" {
		t.Fatalf("got %+v, %v, want email eve@example.com", got, err)
	}
	if stored, err := h.Users.FindByEmail(t.Context(), fixture.Tenant, "eve@example.com"); err != nil || !fixture.SameUser(stored, got) {
		t.Errorf("got %+v, %v, want %+v", stored, err, got)
	}
	_, err = h.Users.FindByEmail(t.Context(), fixture.Tenant, "ada@example.com")
	suite.WantKind(t, err, fault.NotFound)
}

func metadataMerged(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	got, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Metadata: map[string]*string{"a": nil, "b": fixture.Ptr("3"), "c": fixture.Ptr("")}}, 0)
	if err != nil || fmt.Sprint(got.Metadata) != "map[b:3 c:]" {
		t.Errorf("got %v, %v, want metadata \"map[b:3 c:]\"", got.Metadata, err)
	}
	stored, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID)
	if err != nil || !fixture.SameUser(stored, got) {
		t.Errorf("got %+v, %v, want %+v", stored, err, got)
	}
}

func metadataKept(t *testing.T, h Harness) {
	u := fixture.NewUser(t, "a", "ada@example.com")
	u.Metadata = map[string]string{"recordVersion": "two", `"`: `\`, "empty": "", "schlüssel": "значение", "$ne": "{}"}
	fixture.CreateUser(t, h.Users, u)
	if got, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID); err != nil || !maps.Equal(got.Metadata, u.Metadata) {
		t.Errorf("got %q, %v, want %q", got.Metadata, err, u.Metadata)
	}
}

func metadataCleared(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	for _, row := range []struct {
		patch user.Patch
		want  string
	}{
		{user.Patch{ClearMetadata: true, Metadata: map[string]*string{"b": nil, "c": fixture.Ptr("3")}}, "map[c:3]"},
		{user.Patch{ClearMetadata: true}, "map[]"},
		{user.Patch{ClearMetadata: true}, "map[]"},
		{user.Patch{Metadata: map[string]*string{"d": fixture.Ptr("4")}}, "map[d:4]"},
	} {
		got, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, row.patch, 0)
		if err != nil || fmt.Sprint(got.Metadata) != row.want {
			t.Errorf("%+v: got %v, %v, want metadata %v", row.patch, got.Metadata, err, row.want)
		}
		stored, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID)
		if err != nil || !fixture.SameUser(stored, got) {
			t.Errorf("got %+v, %v, want %+v", stored, err, got)
		}
	}
}

func versionChecked(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	if _, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("x")}, 1); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{1, 3} {
		_, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("y")}, version)
		suite.WantCode(t, err, fault.Conflict, "version_mismatch")
		suite.WantCode(t, h.Users.Delete(t.Context(), fixture.Tenant, u.ID, version), fault.Conflict, "version_mismatch")
	}
	if err := h.Users.Delete(t.Context(), fixture.Tenant, u.ID, 2); err != nil {
		t.Error(err)
	}
}

func changeToTaken(t *testing.T, h Harness) {
	fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	eve := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "b", "eve@example.com"))
	_, err := h.Users.Update(t.Context(), fixture.Tenant, eve.ID, user.Patch{Email: fixture.Ptr("ada@example.com")}, 0)
	suite.WantCode(t, err, fault.Conflict, "email_taken")
	if stored, err := h.Users.FindByID(t.Context(), fixture.Tenant, eve.ID); err != nil || !fixture.SameUser(stored, eve) {
		t.Errorf("got %+v, %v, want %+v", stored, err, eve)
	}
}

func invalidChange(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	_, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Email: fixture.Ptr("nobody")}, 0)
	suite.WantKind(t, err, fault.Invalid)
	if stored, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID); err != nil || !fixture.SameUser(stored, u) {
		t.Errorf("got %+v, %v, want %+v", stored, err, u)
	}
}

func deletionFrees(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	if err := h.Users.Delete(t.Context(), fixture.Tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	_, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID)
	suite.WantKind(t, err, fault.NotFound)
	_, err = h.Users.FindByEmail(t.Context(), fixture.Tenant, u.Email)
	suite.WantKind(t, err, fault.NotFound)
	fixture.CreateUser(t, h.Users, fixture.NewUser(t, "b", "ada@example.com"))
	suite.WantCode(t, h.Users.Create(t.Context(), fixture.NewUser(t, "a", "eve@example.com"), idempotency.Key{}), fault.Conflict, "id_taken")
}

func usersNotFound(t *testing.T, h Harness) {
	_, err := h.Users.FindByID(t.Context(), fixture.Tenant, "usr_nobody")
	suite.WantKind(t, err, fault.NotFound)
	_, err = h.Users.FindByEmail(t.Context(), fixture.Tenant, "")
	suite.WantKind(t, err, fault.NotFound)
	_, err = h.Users.Update(t.Context(), fixture.Tenant, "usr_nobody", user.Patch{}, 0)
	suite.WantKind(t, err, fault.NotFound)
	suite.WantKind(t, h.Users.Delete(t.Context(), fixture.Tenant, "usr_nobody", 0), fault.NotFound)
	_, err = h.Users.List(t.Context(), fixture.Tenant, "nonsense", 10)
	suite.WantKind(t, err, fault.Invalid)
}

func usersListed(t *testing.T, h Harness) {
	for i := range 7 {
		u := fixture.NewUser(t, fmt.Sprint(i), fmt.Sprintf("u%d@example.com", i))
		u.CreatedAt = fixture.Day.Add(time.Duration(i/3) * time.Microsecond)
		fixture.CreateUser(t, h.Users, u)
	}
	var seen []string
	for cursor := ""; ; {
		page, err := h.Users.List(t.Context(), fixture.Tenant, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			seen = append(seen, strings.TrimPrefix(u.ID, "usr_"))
		}
		late := fixture.NewUser(t, fmt.Sprint("late", len(seen)), fmt.Sprintf("late%d@example.com", len(seen)))
		late.CreatedAt = fixture.Day.Add(time.Hour)
		fixture.CreateUser(t, h.Users, late)
		if err := h.Users.Delete(t.Context(), fixture.Tenant, late.ID, 0); err != nil {
			t.Fatal(err)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[6 5 4 3 2 1 0]" {
		t.Errorf("got %v, want \"[6 5 4 3 2 1 0]\"", seen)
	}
}

func usersFeed(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	if _, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("Eve")}, 0); err != nil {
		t.Fatal(err)
	}
	_, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, user.Patch{Name: fixture.Ptr("Bob")}, 1)
	suite.WantKind(t, err, fault.Conflict)
	if err := h.Users.Delete(t.Context(), fixture.Tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	fixture.Publish(t, h.Journal)
	var told []string
	for _, e := range fixture.Feed(t, h.Journal, fixture.Tenant) {
		told = append(told, e.Type+string(e.Data))
		if e.Subject != u.ID || !strings.HasPrefix(e.ID, "fev_") {
			t.Errorf("got %+v, want subject %v, ID beginning with fev_", e, u.ID)
		}
	}
	if want := `[user.created{"version":1} user.updated{"version":2} user.deleted{"version":3}]`; fmt.Sprint(told) != want {
		t.Errorf("%v, want %s", told, want)
	}
}

func usersInert(t *testing.T, h Harness) {
	u := fixture.NewUser(t, "a", "ada@example.com")
	u.Name = `'; DROP TABLE user; -- {"$ne": ""} %_`
	u.Metadata = map[string]string{`$where`: `1' OR '1'='1`, `a.b`: `{"$gt":""}`}
	fixture.CreateUser(t, h.Users, u)
	if got, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID); err != nil || !fixture.SameUser(got, u) {
		t.Errorf("got %+v, %v, want %+v", got, err, u)
	}
	for _, text := range []string{`' OR '1'='1`, `%`, `{"$ne":""}`} {
		_, err := h.Users.FindByID(t.Context(), fixture.Tenant, text)
		suite.WantKind(t, err, fault.NotFound)
		_, err = h.Users.FindByEmail(t.Context(), fixture.Tenant, text)
		suite.WantKind(t, err, fault.NotFound)
	}
}

func usersUnicode(t *testing.T, h Harness) {
	u := fixture.NewUser(t, "a", "ada@example.com")
	u.Name = "Ada Łovelace 李 🎉"
	u.Metadata = map[string]string{"long": strings.Repeat("é", user.MaxMetadataValue), "schlüssel": "значение"}
	fixture.CreateUser(t, h.Users, u)
	if got, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID); err != nil || !fixture.SameUser(got, u) {
		t.Errorf("got %+v, %v, want %+v", got, err, u)
	}
}
