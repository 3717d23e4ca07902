package users_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
	"patchbay/ports"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

// primary is a real store that can be made unavailable.
type primary struct {
	ports.UserRepository
	feed ports.Journal
	gone atomic.Bool
}

var errGone = fault.New(fault.Unavailable, "scripted", "")

func (p *primary) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	if p.gone.Load() {
		return user.User{}, errGone
	}
	return p.UserRepository.FindByID(ctx, tenant, id)
}

func (p *primary) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	if p.gone.Load() {
		return user.User{}, errGone
	}
	return p.UserRepository.FindByEmail(ctx, tenant, email)
}

func (p *primary) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	if p.gone.Load() {
		return user.Page{}, errGone
	}
	return p.UserRepository.List(ctx, tenant, cursor, limit)
}

// gate is the feed of the store, which is unavailable together with it.
type gate struct {
	ports.Journal
	store *primary
}

func (g gate) Publish(ctx context.Context, n int) (int, error) {
	if g.store.gone.Load() {
		return 0, errGone
	}
	return g.Journal.Publish(ctx, n)
}

// pair is a store and its standby.
type pair struct {
	*users.Service
	*users.Standby
	store *primary
	copy  *memjournal.Journal
	fails atomic.Bool // the copy
	stop  func()
	// meanwhile changes what the feeding uses while it does not run.
	meanwhile func(change func())
	log       testlog.Buffer
}

// lines counts the lines of the log that contain these words.
func (p *pair) lines(words string) int {
	return strings.Count(p.log.String(), words)
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return newPairOn(t, filepath.Join(t.TempDir(), "users.db"), memjournal.New(clock.System{}))
}

// newPairOn is newPair with a file and a copy that may exist already.
func newPairOn(t *testing.T, file string, copied *memjournal.Journal) *pair {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: file, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{store: &primary{UserRepository: store.Users(), feed: store}, copy: copied}
	p.copy.Fail = func(op string) error {
		if p.fails.Load() && op == memjournal.Save {
			return errGone
		}
		return nil
	}
	p.Standby = p.another()
	p.Service = users.New(p.store, p.Standby, clock.System{}, ids.UUIDs{}, scripts)
	halt := p.feeds(t)
	p.meanwhile = func(change func()) {
		halt()
		change()
		halt = p.feeds(t)
	}
	p.stop = func() {
		halt()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	return p
}

// feeds lets the standby feed its copy until halt is called.
func (p *pair) feeds(t *testing.T) (halt func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func (p *pair) copied(t *testing.T, id string) (user.User, error) {
	standby := p.Standby
	return standby.FindByID(t.Context(), tenant, id)
}

// another feeds the same copy, as another gateway does.
func (p *pair) another() *users.Standby {
	return users.NewStandby(users.StandbyOptions{
		Users: p.store, Feed: gate{p.store.feed, p.store}, Copy: p.copy, Clock: clock.System{}, MaxLag: time.Minute, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
	})
}

func withStandby(t *testing.T, test func(t *testing.T, p *pair)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		test(t, p)
		p.stop()
	})
}

func (p *pair) create(t *testing.T, email string) user.User {
	t.Helper()
	u, _, err := p.Create(t.Context(), tenant, users.NewUser{Email: email}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *pair) rename(t *testing.T, id, email string) {
	t.Helper()
	if _, err := p.Update(t.Context(), tenant, id, user.Patch{Email: &email}, 0); err != nil {
		t.Fatal(err)
	}
}

// settle waits until the copy is fed, and then makes the store unavailable.
func (p *pair) settle() {
	<-time.After(2500 * time.Millisecond)
	p.store.gone.Store(true)
}

func TestUsersAreReadFromTheStandbyWhileTheirStoreIsGone(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		one, two, gone := p.create(t, "one@example.com"), p.create(t, "two@example.com"), p.create(t, "gone@example.com")
		if err := p.Delete(t.Context(), tenant, gone.ID, 0); err != nil {
			t.Fatal(err)
		}
		p.rename(t, two.ID, "deux@example.com")
		if _, source, err := p.Get(t.Context(), tenant, one.ID, users.Available); err != nil || !source.AsOf.IsZero() {
			t.Errorf("while the store is there: got %v, %v, want no AsOf", source, err)
		}
		<-time.After(2500 * time.Millisecond)
		last := time.Now()
		p.store.gone.Store(true)

		u, source, err := p.Get(t.Context(), tenant, two.ID, users.Available)
		if err != nil || u.Email != "deux@example.com" || u.Version != 2 || last.Sub(source.AsOf) > 2*time.Second || source.AsOf.After(last) {
			t.Errorf("got %+v as of %s, error %v, want deux@example.com at version 2, at most 2s before %s", u, source.AsOf, err, last)
		}
		if u, source, err := p.Service.FindByEmail(t.Context(), tenant, "ONE@example.com", users.Available); err != nil || u.ID != one.ID || source.AsOf.IsZero() {
			t.Errorf("by email: got %+v, %v, want ID %v, an AsOf", u, err, one.ID)
		}
		page, source, err := p.Service.List(t.Context(), tenant, "", 10, users.Available)
		if err != nil || len(page.Users) != 2 || source.AsOf.IsZero() {
			t.Errorf("list: got %+v, %v, want 2 users, an AsOf", page, err)
		}
		for name, id := range map[string]string{"deleted": gone.ID, "never there": "usr_nobody"} {
			if _, source, err := p.Get(t.Context(), tenant, id, users.Available); !fault.Is(err, fault.NotFound) || source.AsOf.IsZero() {
				t.Errorf("%s: got %v, %v, want kind %v, an AsOf", name, source, err, fault.NotFound)
			}
		}
		if _, _, err := p.Get(t.Context(), "globex", one.ID, users.Available); !fault.Is(err, fault.NotFound) {
			t.Errorf("another tenant's: got %v, want kind %v", err, fault.NotFound)
		}
		if _, source, err := p.Get(t.Context(), tenant, one.ID, users.Strong); !fault.Is(err, fault.Unavailable) || !source.AsOf.IsZero() {
			t.Errorf("who wants what is certain: %v", err)
		}
		<-time.After(time.Hour)
		if _, _, err := p.Get(t.Context(), tenant, one.ID, users.Available); err != nil {
			t.Errorf("after an hour without the store: %v", err)
		}
	})
}

// The store has used up the whole deadline without an answer.
func TestTheStandbyIsReadThoughTheTimeIsUp(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		u := p.create(t, "one@example.com")
		p.settle()
		ctx, end := context.WithCancel(t.Context())
		end()
		if got, source, err := p.Get(ctx, tenant, u.ID, users.Available); err != nil || got.ID != u.ID || source.AsOf.IsZero() {
			t.Errorf("%+v as of %s, %v, want ID %v, an AsOf", got, source.AsOf, err, u.ID)
		}
	})
}

func TestAListGoesOnInTheStandby(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		for i := range 7 {
			p.create(t, fmt.Sprintf("u%d@example.com", i))
			<-time.After(time.Millisecond)
		}
		page, _, err := p.Service.List(t.Context(), tenant, "", 3, users.Available)
		if err != nil {
			t.Fatal(err)
		}
		p.settle()
		seen := page.Users
		for page.Next != "" {
			if page, _, err = p.Service.List(t.Context(), tenant, page.Next, 3, users.Available); err != nil {
				t.Fatal(err)
			}
			seen = append(seen, page.Users...)
		}
		for i, u := range seen {
			if want := fmt.Sprintf("u%d@example.com", 6-i); u.Email != want || len(seen) != 7 {
				t.Errorf("%d of %d: %s, want %s", i, len(seen), u.Email, want)
			}
		}
	})
}

func TestACopyThatWasTooFarBehindIsNotRead(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		u := p.create(t, "ada@example.com")
		<-time.After(2500 * time.Millisecond)
		p.fails.Store(true)
		<-time.After(2 * time.Minute) // the store goes on without its copy
		p.store.gone.Store(true)
		if _, _, err := p.Get(t.Context(), tenant, u.ID, users.Available); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, the copy is %s behind, want kind %v", err, p.Lag(), fault.Unavailable)
		}
		if n := p.lines("too far behind"); n != 1 {
			t.Errorf("the log says %d times that the copy is too far behind, want 1", n)
		}
		p.store.gone.Store(false)
		p.fails.Store(false)
		p.settle()
		if _, _, err := p.Get(t.Context(), tenant, u.ID, users.Available); err != nil {
			t.Errorf("when it has caught up: %v", err)
		}
		if n := p.lines("standby may be read again"); n != 1 || p.lines("too far behind") != 1 {
			t.Errorf("got %d lines that it has caught up, want 1 and 1 that it is behind:\n%s", n, p.log.String())
		}
	})
}

func TestACopyThatWasNeverFedIsNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		defer p.stop()
		p.meanwhile(func() { // the first feed may have come before the store is gone
			p.store.gone.Store(true)
			p.copy = memjournal.New(clock.System{})
			p.Standby = p.another()
			p.Service = users.New(p.store, p.Standby, clock.System{}, ids.UUIDs{}, scripts)
		})
		<-time.After(2500 * time.Millisecond)
		if _, _, err := p.Get(t.Context(), tenant, "usr_1", users.Available); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error = %v, want kind %v", err, fault.Unavailable)
		}
	})
}

// An email moves from user to user faster than the copy is fed: the user who has it in the copy
// has lost it meanwhile.
func TestEmailsChangeHandsFasterThanTheCopyIsFed(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		var all []user.User
		for i := range 5 {
			all = append(all, p.create(t, fmt.Sprintf("e%d@example.com", i)))
		}
		<-time.After(2500 * time.Millisecond)
		p.rename(t, all[0].ID, "aside@example.com")
		for i := 1; i < len(all); i++ { // each takes the email of the one before
			p.rename(t, all[i].ID, fmt.Sprintf("e%d@example.com", i-1))
		}
		p.rename(t, all[0].ID, "e4@example.com")
		p.settle()
		for i, u := range all {
			want := fmt.Sprintf("e%d@example.com", (i+4)%5)
			if got, _, err := p.Service.FindByEmail(t.Context(), tenant, want, users.Available); err != nil || got.ID != u.ID {
				t.Errorf("%s: %s, %v; want %s", want, got.ID, err, u.ID)
			}
		}
	})
}

// Several gateways feed one copy while users are created and deleted.
func TestSeveralFeedOneCopy(t *testing.T) {
	withStandby(t, func(t *testing.T, p *pair) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 3 {
			more := p.another()
			running.Go(func() { more.Run(ctx) })
		}
		var all []user.User
		for i := range 60 {
			u := p.create(t, fmt.Sprintf("u%d@example.com", i))
			all = append(all, u)
			if i%3 == 0 {
				p.rename(t, u.ID, fmt.Sprintf("v%d@example.com", i))
			}
			if i%5 == 0 {
				if err := p.Delete(t.Context(), tenant, u.ID, 0); err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(150 * time.Millisecond)
		}
		<-time.After(2500 * time.Millisecond)
		for _, u := range all {
			want, werr := p.store.FindByID(t.Context(), tenant, u.ID)
			got, gerr := p.copied(t, u.ID)
			if fault.KindOf(werr) != fault.KindOf(gerr) || got.Version != want.Version || got.Email != want.Email {
				t.Errorf("copy %+v, %v; store %+v, %v, want kind %v, version %v, email %v", got, gerr, want, werr, fault.KindOf(gerr), want.Version, want.Email)
			}
		}
		stop()
		running.Wait()
	})
}
