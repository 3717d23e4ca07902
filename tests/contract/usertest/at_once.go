package usertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

func emailRace(t *testing.T, h Harness) {
	var all sync.WaitGroup
	var made atomic.Int64
	for i := range 20 {
		u := fixture.NewUser(t, fmt.Sprint(i), "ada@example.com")
		all.Go(func() {
			err := h.Users.Create(t.Context(), u, idempotency.Key{})
			if err == nil {
				made.Add(1)
				return
			}
			suite.WantCode(t, err, fault.Conflict, "email_taken")
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("%d users of one email, want 1", made.Load())
	}
}

func emailComesAndGoes(t *testing.T, h Harness) {
	var all sync.WaitGroup
	var made atomic.Int64
	for i := range 8 {
		all.Go(func() {
			for n := range 5 {
				u := fixture.NewUser(t, fmt.Sprint(i, "_", n), "ada@example.com")
				err := h.Users.Create(t.Context(), u, idempotency.Key{})
				if err != nil {
					suite.WantCode(t, err, fault.Conflict, "email_taken")
					continue
				}
				made.Add(1)
				if err := h.Users.Delete(t.Context(), fixture.Tenant, u.ID, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if made.Load() == 0 {
		t.Error("nobody got it")
	}
}

func userChangesAtOnce(t *testing.T, h Harness) {
	u := fixture.CreateUser(t, h.Users, fixture.NewUser(t, "a", "ada@example.com"))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			patch := user.Patch{Metadata: map[string]*string{fmt.Sprint("k", i): fixture.Ptr("v")}}
			if _, err := h.Users.Update(t.Context(), fixture.Tenant, u.ID, patch, 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := h.Users.FindByID(t.Context(), fixture.Tenant, u.ID); err != nil || len(got.Metadata) != 22 || got.Version != 21 {
		t.Errorf("got %+v, %v, want 22 metadata, version 21", got, err)
	}
}
