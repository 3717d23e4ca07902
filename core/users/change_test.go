package users_test

import (
	"fmt"
	"slices"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
)

func TestUpdate(t *testing.T) {
	r := newRig(t)
	u := r.create(t, ada, idempotency.Key{})
	eve := r.create(t, users.NewUser{Email: "eve@example.com"}, idempotency.Key{})
	set := func(s string) *string { return &s }

	changed, err := r.Update(t.Context(), tenant, u.ID, user.Patch{Name: set("Countess")}, 1)
	if err != nil || changed.Name != "Countess" || changed.Version != 2 || changed.Email != u.Email {
		t.Fatalf("got %+v, %v, want name Countess, version 2, email %v", changed, err, u.Email)
	}
	_, err = r.Update(t.Context(), tenant, u.ID, user.Patch{Name: set("too late")}, 1)
	wantCode(t, err, fault.Conflict, "version_mismatch")
	_, err = r.Update(t.Context(), tenant, u.ID, user.Patch{Email: set("EVE@example.com")}, 0)
	wantCode(t, err, fault.Conflict, "email_taken")
	_, err = r.Update(t.Context(), tenant, u.ID, user.Patch{Email: set("nobody")}, 0)
	wantCode(t, err, fault.Invalid, "invalid_email")
	if _, err = r.Update(t.Context(), tenant, "usr_nobody", user.Patch{}, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("a user that is not there: got %v, want kind %v", err, fault.NotFound)
	}
	if got, _, err := r.Get(t.Context(), tenant, u.ID, users.Strong); err != nil || got.Name != "Countess" || got.Version != 2 || got.Email != u.Email {
		t.Errorf("what was refused has changed the user: got %+v, %v, want name Countess, version 2, email %v", got, err, u.Email)
	}
	if got, err := r.Update(t.Context(), tenant, u.ID, user.Patch{Name: set("any version")}, 0); err != nil || got.Version != 3 {
		t.Errorf("got %+v, %v, want version 3", got, err)
	}
	if got, _, err := r.Get(t.Context(), tenant, eve.ID, users.Strong); err != nil || got.Version != 1 {
		t.Errorf("another user has changed: got %+v, %v, want version 1", got, err)
	}
}

func TestDelete(t *testing.T) {
	r := newRig(t)
	u := r.create(t, ada, key("k", "a"))
	wantCode(t, r.Delete(t.Context(), tenant, u.ID, 2), fault.Conflict, "version_mismatch")
	r.wantUsers(t, 1)
	if err := r.Delete(t.Context(), tenant, u.ID, 1); err != nil {
		t.Fatal(err)
	}
	_, _, byID := r.Get(t.Context(), tenant, u.ID, users.Strong)
	_, _, byEmail := r.FindByEmail(t.Context(), tenant, u.Email, users.Strong)
	for name, err := range map[string]error{"get": byID, "find": byEmail, "delete": r.Delete(t.Context(), tenant, u.ID, 0)} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s after the deletion: %v, want not_found", name, err)
		}
	}
	r.wantUsers(t, 0)
}

// The key outlives the user: a late repeat must not create a user again who asked to be erased.
func TestADeletedUserIsNotCreatedAgainUnderItsKey(t *testing.T) {
	r := newRig(t)
	u := r.create(t, ada, key("k", "a"))
	if err := r.Delete(t.Context(), tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	again, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a"))
	wantCode(t, err, fault.Conflict, "user_deleted")
	if replayed || again.ID != "" {
		t.Errorf("%+v, replayed %v beside the error, want not replayed, no ID", again, replayed)
	}
	_, _, err = r.Create(t.Context(), tenant, ada, key("k", "b"))
	wantCode(t, err, fault.Conflict, idempotency.CodeMismatch)
	r.wantUsers(t, 0)

	fresh, replayed, err := r.Create(t.Context(), tenant, ada, key("l", "a"))
	if err != nil || replayed || fresh.ID == u.ID {
		t.Errorf("under another key, with the email that is free again: %+v, replayed %v, %v, want not replayed, ID other than %v", fresh, replayed, err, u.ID)
	}
}

func TestNothingPersonalIsLeftUnderTheKey(t *testing.T) {
	r := newRig(t)
	u := r.create(t, ada, key("k", "a"))
	if err := r.Delete(t.Context(), tenant, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	left, err := r.repository.FindByKey(t.Context(), key("k", "a").Scoped)
	if err != nil || !left.Deleted || left.User.ID != u.ID {
		t.Fatalf("got %+v, %v, want deleted, ID %v", left, err, u.ID)
	}
	if left.User.Email != "" || left.User.Name != "" || left.User.Metadata != nil {
		t.Errorf("left: got %+v, want no email, no name, metadata nil", left.User)
	}
}

func TestList(t *testing.T) {
	r := newRig(t)
	var want []string
	for i := range 5 {
		u := r.create(t, users.NewUser{Email: fmt.Sprintf("u%d@example.com", i)}, idempotency.Key{})
		want = append([]string{u.ID}, want...)
	}
	var got []string
	for cursor, pages := "", 0; ; pages++ {
		page, _, err := r.List(t.Context(), tenant, cursor, 2, users.Strong)
		if err != nil || len(page.Users) > 2 || pages > 3 {
			t.Fatalf("got %+v, %v, want at most 2 users, pages at most 3", page, err)
		}
		for _, u := range page.Users {
			got = append(got, u.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, _, err := r.List(t.Context(), tenant, "not one of ours", 2, users.Strong); !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor of others: got %v, want kind %v", err, fault.Invalid)
	}
}
