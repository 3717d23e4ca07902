package contract

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
)

// UsersHarness is an empty repository for one case, and the journal of the same store, whose feed
// contains the events of its changes.
type UsersHarness struct {
	Users   ports.UserRepository
	Journal ports.Journal
}

// Users runs the suite for ports.UserRepository. open makes an empty repository.
func Users(t *testing.T, open func(t *testing.T) UsersHarness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, h UsersHarness)
	}{
		{"a user is found by id and by email", userFound},
		{"an email is one user's", emailUnique},
		{"twenty users of one email: one is made", emailRace},
		{"an email that comes and goes is free or taken, and nothing else", emailComesAndGoes},
		{"another tenant has its own users", usersByTenant},
		{"a key is taken once, and that is said first", keyTaken},
		{"a key finds the user as it was created", keyKeepsCreation},
		{"a deleted user leaves its key and nothing personal", deletedKeepsKey},
		{"old keys are given up, and nothing is left of old deleted users", usersPurged},
		{"a change leaves the rest as it was", changeInPart},
		{"metadata is merged, and nil deletes", metadataMerged},
		{"all metadata can be cleared", metadataCleared},
		{"metadata is read as it was written, whatever its keys are called", metadataKept},
		{"a change of another version is refused", versionChecked},
		{"a change to a taken email is refused", changeToTaken},
		{"a change that is not valid changes nothing", invalidChange},
		{"twenty changes at once lose none", userChangesAtOnce},
		{"a deletion frees the email", deletionFrees},
		{"what is not there is not found", usersNotFound},
		{"a list is newest first and goes on while users come and go", usersListed},
		{"a page of users ends by bytes, and the list goes on", usersEndByBytes},
		{"every change is told to the feed, without personal data", usersFeed},
		{"text that looks like a query is text", usersInert},
		{"long and foreign text comes back", usersUnicode},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func newUser(t *testing.T, id, email string) user.User {
	t.Helper()
	u, err := user.New("usr_"+id, tenant, email, "Name of "+id, map[string]string{"a": "1", "b": "2"}, day)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func create(t *testing.T, h UsersHarness, u user.User) user.User {
	t.Helper()
	if err := h.Users.Create(t.Context(), u, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	return u
}

func key(value string) idempotency.Key {
	return idempotency.New(tenant, "POST /users", value, []byte(value))
}

func ptr(s string) *string { return &s }

func wantCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.From(err).Code != code {
		t.Errorf("%v, want %s (%s)", err, kind, code)
	}
}

func same(a, b user.User) bool {
	return a.ID == b.ID && a.Tenant == b.Tenant && a.Email == b.Email && a.Name == b.Name && a.Version == b.Version &&
		fmt.Sprint(a.Metadata) == fmt.Sprint(b.Metadata) && a.CreatedAt.Equal(b.CreatedAt) && a.UpdatedAt.Equal(b.UpdatedAt)
}

func userFound(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	byID, err := h.Users.FindByID(t.Context(), tenant, u.ID)
	byEmail, err2 := h.Users.FindByEmail(t.Context(), tenant, u.Email)
	if err != nil || err2 != nil || !same(byID, u) || !same(byEmail, u) {
		t.Errorf("%+v, %v; %+v, %v", byID, err, byEmail, err2)
	}
}

func emailUnique(t *testing.T, h UsersHarness) {
	create(t, h, newUser(t, "a", "ada@example.com"))
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "b", "ada@example.com"), idempotency.Key{}), fault.Conflict, "email_taken")
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "a", "eve@example.com"), idempotency.Key{}), fault.Conflict, "id_taken")
}

func usersByTenant(t *testing.T, h UsersHarness) {
	mine := create(t, h, newUser(t, "a", "ada@example.com"))
	theirs := newUser(t, "b", "ada@example.com")
	theirs.Tenant = other
	create(t, h, theirs)
	if got, err := h.Users.FindByEmail(t.Context(), other, "ada@example.com"); err != nil || got.ID != theirs.ID {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := h.Users.FindByID(t.Context(), other, mine.ID)
	wantKind(t, err, fault.NotFound)
	_, err = h.Users.Update(t.Context(), other, mine.ID, user.Patch{Name: ptr("x")}, 0)
	wantKind(t, err, fault.NotFound)
	wantKind(t, h.Users.Delete(t.Context(), other, mine.ID, 0), fault.NotFound)
	if page, err := h.Users.List(t.Context(), other, "", 10); err != nil || len(page.Users) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

func keyTaken(t *testing.T, h UsersHarness) {
	if err := h.Users.Create(t.Context(), newUser(t, "a", "ada@example.com"), key("k")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "b", "ada@example.com"), key("k")), fault.Conflict, "key_taken")
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "b", "eve@example.com"), key("k")), fault.Conflict, "key_taken")
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "b", "ada@example.com"), key("k2")), fault.Conflict, "email_taken")
	_, err := h.Users.FindByKey(t.Context(), key("nobody's").Scoped)
	wantKind(t, err, fault.NotFound)
}

func keyKeepsCreation(t *testing.T, h UsersHarness) {
	u := newUser(t, "a", "ada@example.com")
	if err := h.Users.Create(t.Context(), u, key("k")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Second", "Third"} {
		c, err := h.Users.FindByKey(t.Context(), key("k").Scoped)
		if err != nil || !same(c.User, u) || c.Fingerprint != key("k").Fingerprint || c.Deleted {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: &name, Email: ptr(name + "@example.com")}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func deletedKeepsKey(t *testing.T, h UsersHarness) {
	u := newUser(t, "a", "ada@example.com")
	if err := h.Users.Create(t.Context(), u, key("k")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("Ada L.")}, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Users.Delete(t.Context(), tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	c, err := h.Users.FindByKey(t.Context(), key("k").Scoped)
	if err != nil || !c.Deleted || c.User.ID != u.ID || c.User.Email != "" || c.User.Name != "" || len(c.User.Metadata) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "b", "eve@example.com"), key("k")), fault.Conflict, "key_taken")
}

func usersPurged(t *testing.T, h UsersHarness) {
	for i, id := range []string{"kept", "keyed", "gone", "changed", "young"} {
		u := newUser(t, id, id+"@example.com")
		if id == "young" {
			u.CreatedAt = later
		}
		k := key(id)
		if i == 0 {
			k = idempotency.Key{}
		}
		if err := h.Users.Create(t.Context(), u, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Users.Delete(t.Context(), tenant, "usr_gone", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Users.Update(t.Context(), tenant, "usr_changed", user.Patch{Name: ptr("Eve")}, 0); err != nil {
		t.Fatal(err)
	}
	publish(t, h.Journal)
	for _, want := range []int{2, 1, 0} {
		if n, err := h.Users.Purge(t.Context(), day.Add(time.Hour), 2); err != nil || n != want {
			t.Errorf("%d purged, %v; want %d", n, err, want)
		}
	}
	for id, want := range map[string]bool{"keyed": false, "gone": false, "changed": false, "young": true} {
		if _, err := h.Users.FindByKey(t.Context(), key(id).Scoped); (err == nil) != want || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("the key of %s: %v", id, err)
		}
	}
	for id, name := range map[string]string{"kept": "Name of kept", "keyed": "Name of keyed", "changed": "Eve"} {
		if u, err := h.Users.FindByID(t.Context(), tenant, "usr_"+id); err != nil || u.Name != name {
			t.Errorf("%+v, %v", u, err)
		}
	}
	if _, err := h.Users.Update(t.Context(), tenant, "usr_keyed", user.Patch{Name: ptr("Bob")}, 1); err != nil {
		t.Error(err)
	}
	if err := h.Users.Create(t.Context(), newUser(t, "other", "other@example.com"), key("keyed")); err != nil {
		t.Errorf("a key that was given up: %v", err)
	}
	create(t, h, newUser(t, "gone", "gone@example.com"))
}

func changeInPart(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	got, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("")}, 1)
	if err != nil || got.Name != "" || got.Email != u.Email || len(got.Metadata) != 2 || got.Version != 2 || !got.CreatedAt.Equal(day) || !got.UpdatedAt.After(day) {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Email: ptr(" Eve@Example.com ")}, 0); err != nil || got.Email != "eve@example.com" {
		t.Fatalf("%+v, %v", got, err)
	}
	if stored, err := h.Users.FindByEmail(t.Context(), tenant, "eve@example.com"); err != nil || !same(stored, got) {
		t.Errorf("%+v, %v", stored, err)
	}
	_, err = h.Users.FindByEmail(t.Context(), tenant, "ada@example.com")
	wantKind(t, err, fault.NotFound)
}

func metadataMerged(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	got, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Metadata: map[string]*string{"a": nil, "b": ptr("3"), "c": ptr("")}}, 0)
	if err != nil || fmt.Sprint(got.Metadata) != "map[b:3 c:]" {
		t.Errorf("%v, %v", got.Metadata, err)
	}
	stored, err := h.Users.FindByID(t.Context(), tenant, u.ID)
	if err != nil || !same(stored, got) {
		t.Errorf("%+v, %v", stored, err)
	}
}

func metadataKept(t *testing.T, h UsersHarness) {
	u := newUser(t, "a", "ada@example.com")
	u.Metadata = map[string]string{"recordVersion": "two", `"`: `\`, "empty": "", "schlüssel": "значение", "$ne": "{}"}
	create(t, h, u)
	if got, err := h.Users.FindByID(t.Context(), tenant, u.ID); err != nil || !maps.Equal(got.Metadata, u.Metadata) {
		t.Errorf("got %q, %v, want %q", got.Metadata, err, u.Metadata)
	}
}

func metadataCleared(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	for _, row := range []struct {
		patch user.Patch
		want  string
	}{
		{user.Patch{ClearMetadata: true, Metadata: map[string]*string{"b": nil, "c": ptr("3")}}, "map[c:3]"},
		{user.Patch{ClearMetadata: true}, "map[]"},
		{user.Patch{ClearMetadata: true}, "map[]"},
		{user.Patch{Metadata: map[string]*string{"d": ptr("4")}}, "map[d:4]"},
	} {
		got, err := h.Users.Update(t.Context(), tenant, u.ID, row.patch, 0)
		if err != nil || fmt.Sprint(got.Metadata) != row.want {
			t.Errorf("%+v: %v, %v", row.patch, got.Metadata, err)
		}
		stored, err := h.Users.FindByID(t.Context(), tenant, u.ID)
		if err != nil || !same(stored, got) {
			t.Errorf("%+v, %v", stored, err)
		}
	}
}

func versionChecked(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	if _, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("x")}, 1); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{1, 3} {
		_, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("y")}, version)
		wantCode(t, err, fault.Conflict, "version_mismatch")
		wantCode(t, h.Users.Delete(t.Context(), tenant, u.ID, version), fault.Conflict, "version_mismatch")
	}
	if err := h.Users.Delete(t.Context(), tenant, u.ID, 2); err != nil {
		t.Error(err)
	}
}

func changeToTaken(t *testing.T, h UsersHarness) {
	create(t, h, newUser(t, "a", "ada@example.com"))
	eve := create(t, h, newUser(t, "b", "eve@example.com"))
	_, err := h.Users.Update(t.Context(), tenant, eve.ID, user.Patch{Email: ptr("ada@example.com")}, 0)
	wantCode(t, err, fault.Conflict, "email_taken")
	if stored, err := h.Users.FindByID(t.Context(), tenant, eve.ID); err != nil || !same(stored, eve) {
		t.Errorf("%+v, %v", stored, err)
	}
}

func invalidChange(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	_, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Email: ptr("nobody")}, 0)
	wantKind(t, err, fault.Invalid)
	if stored, err := h.Users.FindByID(t.Context(), tenant, u.ID); err != nil || !same(stored, u) {
		t.Errorf("%+v, %v", stored, err)
	}
}

func deletionFrees(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	if err := h.Users.Delete(t.Context(), tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	_, err := h.Users.FindByID(t.Context(), tenant, u.ID)
	wantKind(t, err, fault.NotFound)
	_, err = h.Users.FindByEmail(t.Context(), tenant, u.Email)
	wantKind(t, err, fault.NotFound)
	create(t, h, newUser(t, "b", "ada@example.com"))
	wantCode(t, h.Users.Create(t.Context(), newUser(t, "a", "eve@example.com"), idempotency.Key{}), fault.Conflict, "id_taken")
}

func usersNotFound(t *testing.T, h UsersHarness) {
	_, err := h.Users.FindByID(t.Context(), tenant, "usr_nobody")
	wantKind(t, err, fault.NotFound)
	_, err = h.Users.FindByEmail(t.Context(), tenant, "")
	wantKind(t, err, fault.NotFound)
	_, err = h.Users.Update(t.Context(), tenant, "usr_nobody", user.Patch{}, 0)
	wantKind(t, err, fault.NotFound)
	wantKind(t, h.Users.Delete(t.Context(), tenant, "usr_nobody", 0), fault.NotFound)
	_, err = h.Users.List(t.Context(), tenant, "nonsense", 10)
	wantKind(t, err, fault.Invalid)
}

func usersListed(t *testing.T, h UsersHarness) {
	for i := range 7 {
		u := newUser(t, fmt.Sprint(i), fmt.Sprintf("u%d@example.com", i))
		u.CreatedAt = day.Add(time.Duration(i/3) * time.Microsecond)
		create(t, h, u)
	}
	var seen []string
	for cursor := ""; ; {
		page, err := h.Users.List(t.Context(), tenant, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			seen = append(seen, strings.TrimPrefix(u.ID, "usr_"))
		}
		late := newUser(t, fmt.Sprint("late", len(seen)), fmt.Sprintf("late%d@example.com", len(seen)))
		late.CreatedAt = day.Add(time.Hour)
		create(t, h, late)
		if err := h.Users.Delete(t.Context(), tenant, late.ID, 0); err != nil {
			t.Fatal(err)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[6 5 4 3 2 1 0]" {
		t.Errorf("%v", seen)
	}
}

func usersFeed(t *testing.T, h UsersHarness) {
	u := create(t, h, newUser(t, "a", "ada@example.com"))
	if _, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("Eve")}, 0); err != nil {
		t.Fatal(err)
	}
	_, err := h.Users.Update(t.Context(), tenant, u.ID, user.Patch{Name: ptr("Bob")}, 1)
	wantKind(t, err, fault.Conflict)
	if err := h.Users.Delete(t.Context(), tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	publish(t, h.Journal)
	var told []string
	for _, e := range feed(t, h.Journal, tenant) {
		told = append(told, e.Type+string(e.Data))
		if e.Subject != u.ID || !strings.HasPrefix(e.ID, "fev_") {
			t.Errorf("%+v", e)
		}
	}
	if want := `[user.created{"version":1} user.updated{"version":2} user.deleted{"version":3}]`; fmt.Sprint(told) != want {
		t.Errorf("%v, want %s", told, want)
	}
}

func usersInert(t *testing.T, h UsersHarness) {
	u := newUser(t, "a", "ada@example.com")
	u.Name = `'; DROP TABLE user; -- {"$ne": ""} %_`
	u.Metadata = map[string]string{`$where`: `1' OR '1'='1`, `a.b`: `{"$gt":""}`}
	create(t, h, u)
	if got, err := h.Users.FindByID(t.Context(), tenant, u.ID); err != nil || !same(got, u) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{`' OR '1'='1`, `%`, `{"$ne":""}`} {
		_, err := h.Users.FindByID(t.Context(), tenant, text)
		wantKind(t, err, fault.NotFound)
		_, err = h.Users.FindByEmail(t.Context(), tenant, text)
		wantKind(t, err, fault.NotFound)
	}
}

func usersUnicode(t *testing.T, h UsersHarness) {
	u := newUser(t, "a", "ada@example.com")
	u.Name = "Ada Łovelace 李 🎉"
	u.Metadata = map[string]string{"long": strings.Repeat("é", user.MaxMetadataValue), "schlüssel": "значение"}
	create(t, h, u)
	if got, err := h.Users.FindByID(t.Context(), tenant, u.ID); err != nil || !same(got, u) {
		t.Errorf("%+v, %v", got, err)
	}
}
