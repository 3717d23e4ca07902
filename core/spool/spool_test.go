package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/spool"
	"patchbay/ports"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/memjournal"
)

const tenant = "acme"

// rig is a spool on a store that can be unavailable, on virtual time.
type rig struct {
	*spool.Spool
	store, local *memjournal.Journal
	fails        atomic.Pointer[func(op string) error] // of the store
	diskFull     atomic.Bool
	log          bytes.Buffer
	stop         func()
}

func available(string) error { return nil }

func unavailable(string) error { return fault.New(fault.Unavailable, "scripted", "") }

// answerLost lets the store save, and loses its answer.
func answerLost(op string) error {
	switch op {
	case memjournal.Save, memjournal.Attach:
		return nil
	case memjournal.Saved:
		return fault.New(fault.UnknownOutcome, "scripted", "")
	}
	return unavailable(op)
}

// storeFails sets how the store fails from now on.
func (r *rig) storeFails(fails func(op string) error) { r.fails.Store(&fails) }

func withSpool(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{store: memjournal.New(clock.System{}), local: memjournal.New(clock.System{})}
		r.storeFails(available)
		r.store.Fail = func(op string) error { return (*r.fails.Load())(op) }
		r.local.Fail = func(op string) error {
			if op == memjournal.Save && r.diskFull.Load() {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		}
		r.start(t)
		test(t, r)
		r.stop()
	})
}

// start opens the spool on what is on the disk, as a new process does.
func (r *rig) start(t *testing.T) {
	t.Helper()
	var err error
	r.Spool, err = spool.Open(t.Context(), spool.Options{
		Store: r.store, Local: r.local, Clock: clock.System{}, Owner: "one", Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Kinds: map[string]spool.Kind{"letter": {Same: func(a, b ports.Record) bool { return string(a.Body) == string(b.Body) }, Personal: addressed}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
}

func letter(id, key, body string) *ports.Record {
	return &ports.Record{
		Tenant: tenant, Kind: "letter", ID: id, Idem: key, Body: []byte(body), Queue: "letters",
		Due: time.Now().Add(time.Minute), Owner: "one", Index: ports.Index{Status: "queued", Created: time.Now()},
	}
}

func (r *rig) save(t *testing.T, one *ports.Record) error {
	t.Helper()
	return r.Save(t.Context(), one)[0]
}

// inStore reads what the store itself has.
func (r *rig) inStore(t *testing.T, id string) ports.Record {
	t.Helper()
	one, err := r.store.Get(t.Context(), tenant, "letter", id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	return one
}

const soon = 2 * time.Second // longer than the spool takes to notice that the store is available

// checkStatus checks how many records are held, and how many the store has refused.
func (r *rig) checkStatus(t *testing.T, held, refused int) {
	t.Helper()
	st := r.Status()
	if st.Held != held || st.Refused != refused {
		t.Errorf("held = %d and refused = %d, want %d and %d", st.Held, st.Refused, held, refused)
	}
	if st.Oldest.IsZero() != (held == 0) {
		t.Errorf("oldest = %v, want one = %t", st.Oldest, held > 0)
	}
}

// checkStored checks how many letters the store has, and returns them.
func (r *rig) checkStored(t *testing.T, want int) []ports.Record {
	t.Helper()
	page, err := r.store.List(t.Context(), tenant, "letter", ports.Filter{}, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Records) != want {
		t.Errorf("letters in the store = %d, want %d", len(page.Records), want)
	}
	return page.Records
}

func checkBody(t *testing.T, r ports.Record, want string) {
	t.Helper()
	if string(r.Body) != want {
		t.Errorf("body of %q = %q, want %q", r.ID, r.Body, want)
	}
}

func checkKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("error = %v, want kind %s", err, want)
	}
}

func checkHeld(t *testing.T, r *ports.Record, want bool) {
	t.Helper()
	if r.Held != want {
		t.Errorf("%q is held = %t, want %t", r.ID, r.Held, want)
	}
}

func TestTheSpoolIsAJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, journaltest.InMemory, func(t *testing.T) journaltest.Harness {
		s, err := spool.Open(t.Context(), spool.Options{
			Store: memjournal.New(clock.System{}), Local: memjournal.New(clock.System{}), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
			Kinds: map[string]spool.Kind{"thing": {Same: func(a, b ports.Record) bool { return true }}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return journaltest.Harness{Journal: s}
	})
}

func TestANewRecordIsHeldUntilTheStoreIsAvailable(t *testing.T) {
	for name, fails := range map[string]func(string) error{"the store is unavailable": unavailable, "the answer of the store is lost": answerLost} {
		t.Run(name, func(t *testing.T) {
			withSpool(t, func(t *testing.T, r *rig) {
				r.storeFails(fails)
				one := letter("a", "k", "hello")
				if err := r.save(t, one); err != nil {
					t.Fatal(err)
				}
				checkHeld(t, one, true)
				read, err := r.Get(t.Context(), tenant, "letter", "a")
				if err != nil {
					t.Fatal(err)
				}
				checkBody(t, read, "hello")
				checkHeld(t, &read, true)
				if found, err := r.Find(t.Context(), "letter", ports.ByIdem, "k"); err != nil || found.ID != "a" {
					t.Errorf("record found by its key = %q, %v, want %q", found.ID, err, "a")
				}
				for what, again := range map[string]*ports.Record{"id": letter("a", "k", "hello"), "key": letter("b", "k", "hello")} {
					if err := r.save(t, again); !fault.Is(err, fault.Conflict) {
						t.Errorf("save with the same %s: error = %v, want kind %s", what, err, fault.Conflict)
					}
				}
				r.checkStatus(t, 1, 0)
				<-time.After(time.Hour)
				r.storeFails(available)
				<-time.After(soon)
				r.checkStatus(t, 0, 0)
				stored := r.inStore(t, "a")
				checkBody(t, stored, "hello")
				if stored.Idem != "k" || stored.Queue != "letters" {
					t.Errorf("key and queue in the store = %q and %q, want %q and %q", stored.Idem, stored.Queue, "k", "letters")
				}
				claims, err := r.Claim(t.Context(), "letters", "two", time.Minute, 10)
				if err != nil || len(claims) != 1 {
					t.Errorf("claims at once = %d, %v, want 1", len(claims), err)
				}
			})
		})
	}
}

func TestARecordWhoseSaveLostItsAnswerIsStoredOnce(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(answerLost)
		if err := r.save(t, letter("a", "k", "hello")); err != nil {
			t.Fatal(err)
		}
		r.storeFails(available)
		<-time.After(soon)
		r.checkStored(t, 1)
		r.checkStatus(t, 0, 0)
	})
}

func TestOnlyNewRecordsOfCertainKindsAreHeld(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		old := letter("old", "", "hello")
		if err := r.save(t, old); err != nil {
			t.Fatal(err)
		}
		r.storeFails(unavailable)
		other := letter("other", "", "hello")
		other.Kind = "payment"
		for what, one := range map[string]*ports.Record{"a changed record": old, "a record of another kind": other} {
			if err := r.save(t, one); !fault.Is(err, fault.Unavailable) {
				t.Errorf("save of %s: error = %v, want kind %s", what, err, fault.Unavailable)
			}
			checkHeld(t, one, false)
		}
		if _, err := r.Get(t.Context(), tenant, "letter", "old"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("Get of a record that is not held: error = %v, want kind %s", err, fault.Unavailable)
		}
		r.storeFails(func(string) error { return fault.New(fault.Overloaded, "scripted", "") })
		if err := r.save(t, letter("more", "", "hello")); !fault.Is(err, fault.Overloaded) {
			t.Errorf("save beyond our own limit: error = %v, want kind %s", err, fault.Overloaded)
		}
	})
}

func TestARecordIsHeldAfterTheDeadlineButNotForACallerThatHasGivenUp(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-late.Done()
		one := letter("a", "", "hello")
		if err := r.Save(late, one)[0]; err != nil {
			t.Errorf("save after the deadline: %v", err)
		}
		checkHeld(t, one, true)
		left, leave := context.WithCancel(t.Context())
		leave()
		other := letter("b", "", "hello")
		checkKind(t, r.Save(left, other)[0], fault.Unavailable)
		checkHeld(t, other, false)
	})
}

func TestNothingIsHeldIfTheDiskIsFull(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		r.diskFull.Store(true)
		one := letter("a", "", "hello")
		checkKind(t, r.save(t, one), fault.Unavailable)
		checkHeld(t, one, false)
		r.checkStatus(t, 0, 0)
	})
}

func TestHeldRecordsSurviveTheProcess(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		for i := range 600 { // two pages
			if err := r.save(t, letter(fmt.Sprint("a", i), fmt.Sprint("k", i), "hello")); err != nil {
				t.Fatal(err)
			}
		}
		r.stop()
		r.start(t)
		r.checkStatus(t, 600, 0)
		checkKind(t, r.save(t, letter("b", "k7", "hello")), fault.Conflict) // a key that is taken
		r.storeFails(available)
		<-time.After(soon)
		r.checkStored(t, 600)
		r.checkStatus(t, 0, 0)
	})
}

func TestARecordWhoseKeyTheStoreHas(t *testing.T) {
	tests := map[string]struct {
		body    string
		refused int
	}{
		"from the same request is the stored one": {"hello", 0},
		"from another is refused and reported":    {"bye", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withSpool(t, func(t *testing.T, r *rig) {
				if err := r.save(t, letter("a", "k", "hello")); err != nil {
					t.Fatal(err)
				}
				r.storeFails(unavailable)
				if err := r.save(t, letter("a", "k", tt.body)); err != nil {
					t.Fatal(err)
				}
				r.storeFails(available)
				<-time.After(soon)
				r.checkStatus(t, 0, tt.refused)
				if reported := strings.Contains(r.log.String(), "something else"); reported != (tt.refused > 0) {
					t.Errorf("the log reports a refusal = %t, want %t:\n%s", reported, tt.refused > 0, r.log.String())
				}
				checkBody(t, r.inStore(t, "a"), "hello")
				r.stop()
				r.start(t)
				r.checkStatus(t, 0, tt.refused)
			})
		})
	}
}

func TestAKeyMayBeRepeatedInLaterOutages(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		for range 3 {
			r.storeFails(unavailable)
			if err := r.save(t, letter("a", "k", "hello")); err != nil {
				t.Fatal(err)
			}
			r.storeFails(available)
			<-time.After(soon)
		}
		if got := r.inStore(t, "a").Rev; got != 1 {
			t.Errorf("revision in the store = %d, want 1", got)
		}
		r.checkStatus(t, 0, 0)
	})
}

func TestARecordIsFoundAtEveryMomentWhileItIsMoved(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		for i := range 200 {
			if err := r.save(t, letter(fmt.Sprint("a", i), "", "hello")); err != nil {
				t.Fatal(err)
			}
		}
		// Each call of the store takes a while, as a server does.
		r.storeFails(func(string) error { <-time.After(time.Millisecond); return nil })
		for range 100 {
			for _, i := range []int{0, 50, 100, 199} {
				if got, err := r.Get(t.Context(), tenant, "letter", fmt.Sprint("a", i)); err != nil || string(got.Body) != "hello" {
					t.Fatalf("body of a%d = %q, %v, want %q", i, got.Body, err, "hello")
				}
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}

// The store becomes unavailable and available again while twenty callers use one key.
func TestOneKeyLeadsToOneRecord(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				<-time.After(time.Duration(i) * 200 * time.Millisecond)
				if err := r.save(t, letter("a", "k", "hello")); err != nil && !fault.Is(err, fault.Conflict) {
					t.Error(err)
				}
			})
		}
		for range 5 {
			for _, state := range []func(string) error{unavailable, answerLost, available} {
				r.storeFails(state)
				<-time.After(300 * time.Millisecond)
			}
		}
		all.Wait()
		<-time.After(soon)
		for _, one := range r.checkStored(t, 1) {
			if one.Rev != 1 {
				t.Errorf("revision in the store = %d, want 1", one.Rev)
			}
		}
		r.checkStatus(t, 0, 0)
	})
}

func TestNothingIsLostIfTheStoreFailsAgainDuringTheMove(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		for i := range 100 {
			if err := r.save(t, letter(fmt.Sprint("a", i), "", "hello")); err != nil {
				t.Fatal(err)
			}
		}
		var saves atomic.Int64
		r.storeFails(func(op string) error {
			if op == memjournal.Save && saves.Add(1)%3 == 0 {
				return unavailable(op)
			}
			if op == memjournal.Saved && saves.Load()%5 == 0 {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		<-time.After(5 * time.Minute)
		r.checkStored(t, 100)
		r.checkStatus(t, 0, 0)
	})
}
