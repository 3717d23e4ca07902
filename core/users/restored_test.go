package users_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/tests/memjournal"
)

// The copy is ahead of the restored store, or has other changes. It is made anew, and never read
// as if it were the state of the store.
func TestAfterAnOlderStoreWasPutBackTheCopyIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"its feed is shorter": 0, "its feed is as long by now": 5, "its feed is longer by now": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				file, copied := filepath.Join(t.TempDir(), "users.db"), memjournal.New(clock.System{})
				p := newPairOn(t, file, copied)
				renamed, deleted := p.create(t, "renamed@example.com"), p.create(t, "deleted@example.com")
				p.stop()
				older, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p = newPairOn(t, file, copied)
				p.rename(t, renamed.ID, "other@example.com")
				p.rename(t, renamed.ID, "another@example.com")
				gone := p.create(t, "gone@example.com")
				if err := p.Delete(t.Context(), tenant, deleted.ID, 0); err != nil {
					t.Fatal(err)
				}
				p.settle()
				if got, err := p.copied(t, renamed.ID); err != nil || got.Email != "another@example.com" {
					t.Fatalf("got %+v, %v, want email another@example.com", got, err)
				}
				p.stop()

				if err := os.WriteFile(file, older, 0o600); err != nil {
					t.Fatal(err)
				}
				p = newPairOn(t, file, copied)
				defer p.stop()
				all := []user.User{renamed, deleted}
				for i := range more {
					all = append(all, p.create(t, string(rune('a'+i))+"@example.com"))
				}
				p.settle()
				for _, u := range all {
					if got, err := p.copied(t, u.ID); err != nil || got.Email != u.Email || got.Version != u.Version {
						t.Errorf("%s: got %+v, %v, want version %v", u.Email, got, err, u.Version)
					}
				}
				if got, err := p.copied(t, gone.ID); !fault.Is(err, fault.NotFound) {
					t.Errorf("whom the store does not have: got %+v, %v, want kind %v", got, err, fault.NotFound)
				}
				if asOf, err := p.AsOf(); err != nil || time.Since(asOf) > time.Minute {
					t.Errorf("as of %s, %v, want within %v", asOf, err, time.Minute)
				}
			})
		})
	}
}

// While the copy is made anew it is not read: the store of a server may be restored under a
// running gateway.
func TestACopyThatIsMadeAnewIsNotRead(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		p.create(t, "a@example.com")
		p.create(t, "b@example.com")
		<-time.After(3 * time.Second)
		synctest.Wait()
		if _, err := p.AsOf(); err != nil {
			t.Fatal(err)
		}
		other := newPair(t)
		defer other.stop()
		kept := other.create(t, "c@example.com")
		p.meanwhile(func() {
			p.Users, p.Feed = other.store.UserRepository, other.store.feed
			saves := 0
			p.copy.Fail = func(op string) error { // the first says that it is to be made anew
				if op == memjournal.Save {
					if saves++; saves > 1 {
						return errGone
					}
				}
				return nil
			}
		})
		<-time.After(3 * time.Second)
		synctest.Wait()
		if asOf, err := p.AsOf(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("it is as of %s, %v, want kind %v", asOf, err, fault.Unavailable)
		}
		p.meanwhile(func() { p.copy.Fail = nil })
		<-time.After(3 * time.Second)
		synctest.Wait()
		if _, err := p.AsOf(); err != nil {
			t.Error(err)
		}
		if got, err := p.copied(t, kept.ID); err != nil || got.Email != kept.Email {
			t.Errorf("got %+v, %v, want email %v", got, err, kept.Email)
		}
	})
}
