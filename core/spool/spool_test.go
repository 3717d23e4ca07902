package spool_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/spool"
	"patchbay/ports"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/memjournal"
)

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

// The store is asked before the disk: a record may be moved in between.
func TestARecordIsFoundByItsKeyAtEveryMomentWhileItIsMoved(t *testing.T) {
	withSpool(t, func(t *testing.T, r *rig) {
		r.storeFails(unavailable)
		const records = 40
		for i := range records {
			if err := r.save(t, letter(fmt.Sprint("a", i), fmt.Sprint("key", i), "hello")); err != nil {
				t.Fatal(err)
			}
		}
		r.diskSlow.Store(true)
		r.storeFails(func(string) error { <-time.After(time.Millisecond); return nil })
		var reading sync.WaitGroup
		for i := range records {
			reading.Go(func() {
				for start := time.Now(); time.Since(start) < 2*time.Second; {
					if got, err := r.Find(t.Context(), "letter", ports.ByIdem, fmt.Sprint("key", i)); err != nil || string(got.Body) != "hello" {
						t.Errorf("body of a%d by its key = %q, %v, want %q", i, got.Body, err, "hello")
						return
					}
				}
			})
		}
		reading.Wait()
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
