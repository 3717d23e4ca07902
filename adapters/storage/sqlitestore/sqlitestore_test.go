package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

func thing(id string) *ports.Record {
	return &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("body"), Index: ports.Index{Created: time.Now()}}
}

func TestAFileOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "theirs.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE TABLE record (id INTEGER PRIMARY KEY, artist TEXT)`,
		`CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER, is_applied INTEGER, tstamp TIMESTAMP)`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (2, 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "store_foreign" {
		t.Errorf("Open: error = %v, want kind %s, code store_foreign", err, fault.Invalid)
	}
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, filepath.Join(dir, "store.db"))
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 && filepath.Ext(e.Name()) != ".lock" {
			t.Errorf("mode of %s = %v, want none for others", e.Name(), mode)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("mode of the directory = %v, want %v", mode, fs.FileMode(0o700))
	}
}

func TestWritesAtOnceShareCommits(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const writers, each = 64, 20
	commits := s.CountCommits(t)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if err := s.Save(t.Context(), thing(fmt.Sprintf("%d-%d", w, n)))[0]; err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := commits.Load(); n == 0 || n > writers*each/4 {
		t.Errorf("commits of %d writes = %d, want at least 1 and at most a quarter", writers*each, n)
	}
}

func TestCloseCompletesTheSubmittedWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	var all sync.WaitGroup
	var mu sync.Mutex
	var saved []string
	for i := range 100 {
		all.Go(func() {
			id := fmt.Sprint(i)
			switch err := s.Save(t.Context(), thing(id))[0]; {
			case err == nil:
				mu.Lock()
				saved = append(saved, id)
				mu.Unlock()
			case !fault.Is(err, fault.Unavailable):
				t.Errorf("Save during Close: error = %v, want none or kind %s", err, fault.Unavailable)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	again := open(t, path)
	page, err := again.List(t.Context(), "t", "thing", ports.Filter{}, "", 200)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Records) != len(saved) {
		t.Errorf("stored records = %d, want the %d whose Save returned nil", len(page.Records), len(saved))
	}
	if err := s.Save(t.Context(), thing("late"))[0]; fault.From(err).Code != "store_closed" {
		t.Errorf("Save after Close: error = %v, want code store_closed", err)
	}
}

// A caller that gives up must not undo the writes of those that share a commit with it.
func TestACallerThatGivesUpDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*100*time.Microsecond)
			defer cancel()
			if i%5 == 0 {
				ctx = t.Context()
			}
			r := thing(fmt.Sprint(i))
			err := s.Save(ctx, r)[0]
			_, gerr := s.Get(t.Context(), "t", "thing", r.ID)
			switch {
			case err == nil && gerr != nil, fault.Is(err, fault.Unavailable) && gerr == nil:
				t.Errorf("Save returned %v and Get %v, want both to agree", err, gerr)
			case i%5 == 0 && err != nil:
				t.Errorf("Save of a caller that waited: %v", err)
			}
		})
	}
	all.Wait()
}

func seed(b *testing.B, s *sqlitestore.Store, n int) []user.User {
	b.Helper()
	list := make([]user.User, n)
	for i := range list {
		u, err := user.New(ids.UUIDs{}.New("usr"), "t", fmt.Sprintf("u%d@example.com", i), "Ada", map[string]string{"plan": "free"}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		list[i] = u
	}
	var all sync.WaitGroup
	for _, u := range list {
		all.Go(func() {
			if err := s.Users().Create(b.Context(), u, idempotency.Key{}); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return list
}

func BenchmarkUserRead(b *testing.B) {
	s := fresh(b)
	list := seed(b, s, 100)
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if _, err := s.Users().FindByID(b.Context(), "t", list[i%len(list)].ID); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkUserCreate64(b *testing.B) {
	s := fresh(b)
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id := ids.UUIDs{}.New("usr")
			u := user.User{ID: id, Tenant: "t", Email: id + "@example.com", Name: "Ada", Version: 1}
			if err := s.Users().Create(b.Context(), u, idempotency.Key{}); err != nil {
				b.Error(err)
			}
		}
	})
}
