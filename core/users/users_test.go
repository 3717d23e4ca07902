package users_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/ports"
)

const tenant = "acme"

// users is a real repository whose answers can be lost.
type repository struct {
	ports.UserRepository
	before error  // of a write: nothing is written
	after  error  // of a write: it was written
	find   error  // of FindByID and FindByKey
	byMail error  // of FindByEmail
	late   func() // after a write, before its caller hears of it
}

// lose makes a write whose answer is lost, as told.
func (u *repository) lose(write func() error) error {
	if u.before != nil {
		return u.before
	}
	if err := write(); err != nil {
		return err
	}
	if u.late != nil {
		u.late()
	}
	return u.after
}

func (u *repository) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	return u.lose(func() error { return u.UserRepository.Create(ctx, n, key) })
}

func (u *repository) Update(ctx context.Context, tenant, id string, p user.Patch, ifVersion int64) (changed user.User, err error) {
	err = u.lose(func() (err error) {
		changed, err = u.UserRepository.Update(ctx, tenant, id, p, ifVersion)
		return err
	})
	if err != nil {
		return user.User{}, err
	}
	return changed, nil
}

func (u *repository) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	return u.lose(func() error { return u.UserRepository.Delete(ctx, tenant, id, ifVersion) })
}

func (u *repository) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	if u.find != nil {
		return user.User{}, u.find
	}
	if err := ctx.Err(); err != nil {
		return user.User{}, fault.Wrap(fault.Unavailable, "scripted", err)
	}
	return u.UserRepository.FindByID(ctx, tenant, id)
}

func (u *repository) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	if u.find != nil {
		return user.Creation{}, u.find
	}
	return u.UserRepository.FindByKey(ctx, scoped)
}

func (u *repository) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	if u.byMail != nil {
		return user.User{}, u.byMail
	}
	return u.UserRepository.FindByEmail(ctx, tenant, email)
}

type rig struct {
	*users.Service
	repository *repository
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{
		Path: filepath.Join(t.TempDir(), "users.db"), Clock: clock.System{}, IDs: ids.UUIDs{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	u := &repository{UserRepository: store.Users()}
	return &rig{Service: users.New(u, nil, clock.System{}, ids.UUIDs{}, scripts), repository: u}
}

func (r *rig) get(t *testing.T, id string) (user.User, error) {
	u, _, err := r.Get(t.Context(), tenant, id, users.Strong)
	return u, err
}

var ada = users.NewUser{Email: "Ada@Example.com", Name: "Ada", Metadata: map[string]string{"plan": "pro"}}

func key(value, body string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/users", value, []byte(body))
}

func (r *rig) create(t *testing.T, n users.NewUser, k idempotency.Key) user.User {
	t.Helper()
	u, _, err := r.Create(t.Context(), tenant, n, k)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// wantUsers checks the number of users.
func (r *rig) wantUsers(t *testing.T, want int) {
	t.Helper()
	page, _, err := r.List(t.Context(), tenant, "", 100, users.Strong)
	if err != nil || len(page.Users) != want {
		t.Errorf("%d users (%v), want %d", len(page.Users), err, want)
	}
}

func wantCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.From(err).Code != code {
		t.Errorf("%v, want %s (%s)", err, kind, code)
	}
}

func scripted(kind fault.Kind) error { return fault.New(kind, "scripted", "") }

func TestCreate(t *testing.T) {
	r := newRig(t)
	u, replayed, err := r.Create(t.Context(), tenant, ada, idempotency.Key{})
	if err != nil || replayed || u.Tenant != tenant || u.Email != "ada@example.com" || u.Version != 1 || u.Metadata["plan"] != "pro" ||
		time.Since(u.CreatedAt) > time.Minute {
		t.Fatalf("%+v, replayed %v, %v, want not replayed, tenant %v, email ada@example.com, version 1, plan pro, created within %v", u, replayed, err, tenant, time.Minute)
	}
	for name, find := range map[string]func() (user.User, error){
		"by id": func() (user.User, error) { return r.get(t, u.ID) },
		"by email, in any writing": func() (user.User, error) {
			u, _, err := r.FindByEmail(t.Context(), tenant, " ADA@example.COM ", users.Strong)
			return u, err
		},
	} {
		if got, err := find(); err != nil || got.ID != u.ID || got.Email != u.Email {
			t.Errorf("%s: got %+v, %v, want ID %v, email %v", name, got, err, u.ID, u.Email)
		}
	}
}

func TestAnotherTenantSeesNothing(t *testing.T) {
	r := newRig(t)
	u := r.create(t, ada, idempotency.Key{})
	_, _, byID := r.Get(t.Context(), "umbrella", u.ID, users.Strong)
	_, _, byEmail := r.FindByEmail(t.Context(), "umbrella", u.Email, users.Strong)
	_, update := r.Update(t.Context(), "umbrella", u.ID, user.Patch{}, 0)
	remove := r.Delete(t.Context(), "umbrella", u.ID, 0)
	for name, err := range map[string]error{"get": byID, "find": byEmail, "update": update, "delete": remove} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	if _, _, err := r.Create(t.Context(), "umbrella", ada, idempotency.Key{}); err != nil {
		t.Errorf("the same email in another tenant: %v", err)
	}
	r.wantUsers(t, 1)
}

func TestARepeatGetsTheUserAsItWasCreated(t *testing.T) {
	r := newRig(t)
	first := r.create(t, ada, key("k", "a"))
	name := "Somebody else"
	if _, err := r.Update(t.Context(), tenant, first.ID, user.Patch{Name: &name}, 0); err != nil {
		t.Fatal(err)
	}
	again, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a"))
	if err != nil || !replayed || again.ID != first.ID || again.Name != "Ada" || again.Version != 1 {
		t.Errorf("%+v, replayed %v, %v, want replayed, ID %v, name Ada, version 1", again, replayed, err, first.ID)
	}
	r.wantUsers(t, 1)
}

func TestAnotherBodyUnderTheKeyIsRefused(t *testing.T) {
	r := newRig(t)
	r.create(t, ada, key("k", "a"))
	other := users.NewUser{Email: "eve@example.com"}
	u, replayed, err := r.Create(t.Context(), tenant, other, key("k", "b"))
	wantCode(t, err, fault.Conflict, idempotency.CodeMismatch)
	if replayed || u.ID != "" {
		t.Errorf("%+v, replayed %v beside the error: that is somebody else's user, want not replayed, no ID", u, replayed)
	}
	r.wantUsers(t, 1)
}

func TestAnEmailIsOneUsers(t *testing.T) {
	r := newRig(t)
	r.create(t, ada, key("k", "a"))
	for name, k := range map[string]idempotency.Key{"without a key": {}, "under another key": key("l", "a")} {
		u, replayed, err := r.Create(t.Context(), tenant, users.NewUser{Email: " ADA@example.com"}, k)
		wantCode(t, err, fault.Conflict, "email_taken")
		if replayed || u.ID != "" {
			t.Errorf("%s: %+v, replayed %v beside the error, want not replayed, no ID", name, u, replayed)
		}
	}
	r.wantUsers(t, 1)
}

// The key is free after a refusal: nothing was created under it.
func TestAKeyIsFreeAfterARefusal(t *testing.T) {
	r := newRig(t)
	u, _, err := r.Create(t.Context(), tenant, users.NewUser{Email: "ada"}, key("k", "a"))
	wantCode(t, err, fault.Invalid, "invalid_email")
	if u.ID != "" {
		t.Errorf("%+v beside the error, want none", u)
	}
	if _, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "b")); err != nil || replayed {
		t.Errorf("replayed %v, %v, want not replayed", replayed, err)
	}
}

func TestACommitWhoseAnswerWasLostIsReread(t *testing.T) {
	r := newRig(t)
	r.repository.after = scripted(fault.UnknownOutcome)
	u, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a"))
	if err != nil || replayed || u.Email != "ada@example.com" {
		t.Errorf("%+v, replayed %v, %v, want not replayed, email ada@example.com", u, replayed, err)
	}
	r.wantUsers(t, 1)
}

func TestWhatCannotBeRereadStaysUnknown(t *testing.T) {
	r := newRig(t)
	r.repository.after, r.repository.find = scripted(fault.UnknownOutcome), scripted(fault.Unavailable)
	u, _, err := r.Create(t.Context(), tenant, ada, key("k", "a"))
	if !fault.Is(err, fault.UnknownOutcome) || u.ID != "" {
		t.Errorf("%+v, %v; want unknown_outcome: the user is there", u, err)
	}
	r.repository.after, r.repository.find = nil, nil
	if _, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a")); err != nil || !replayed {
		t.Errorf("the same key again: replayed %v, %v, want replayed", replayed, err)
	}
	r.wantUsers(t, 1)
}

func TestWithoutTheStoreNothingIsCreated(t *testing.T) {
	r := newRig(t)
	for _, kind := range []fault.Kind{fault.Unavailable, fault.UnknownOutcome} {
		r.repository.before = scripted(kind)
		if u, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a")); !fault.Is(err, kind) || replayed || u.ID != "" {
			t.Errorf("%+v, replayed %v, %v; want %s", u, replayed, err, kind)
		}
	}
	r.repository.before = nil
	r.wantUsers(t, 0)
}

// A taken key says that there was a user, but not which.
func TestARepeatWhoseUserCannotBeReadReturnsTheError(t *testing.T) {
	r := newRig(t)
	r.create(t, ada, key("k", "a"))
	r.repository.find = scripted(fault.Unavailable)
	if u, replayed, err := r.Create(t.Context(), tenant, ada, key("k", "a")); !fault.Is(err, fault.Unavailable) || replayed || u.ID != "" {
		t.Errorf("%+v, replayed %v, %v; want unavailable", u, replayed, err)
	}
}
