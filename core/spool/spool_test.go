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

// rig is a spool on a store that can be gone, on virtual time.
type rig struct {
	*spool.Spool
	store, local *memjournal.Journal
	state        atomic.Pointer[func(op string) error] // of the store
	diskFull     atomic.Bool
	log          bytes.Buffer
	stop         func()
}

func there(string) error { return nil }

func gone(string) error { return fault.New(fault.Unavailable, "scripted", "") }

// ambiguous takes what it is given, and does not say so.
func ambiguous(op string) error {
	switch op {
	case memjournal.Save, memjournal.Attach:
		return nil
	case memjournal.Saved:
		return fault.New(fault.UnknownOutcome, "scripted", "")
	}
	return gone(op)
}

func (r *rig) is(state func(op string) error) { r.state.Store(&state) }

func within(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{store: memjournal.New(clock.System{}), local: memjournal.New(clock.System{})}
		r.is(there)
		r.store.Fail = func(op string) error { return (*r.state.Load())(op) }
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

const soon = 2 * time.Second // longer than the spool takes to see that the store is back

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

func TestWhatIsNewIsHeldUntilTheStoreIsBack(t *testing.T) {
	for name, state := range map[string]func(string) error{"the store is gone": gone, "its answers are lost": ambiguous} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.is(state)
				one := letter("a", "k", "hello")
				if err := r.save(t, one); err != nil || !one.Held {
					t.Fatalf("%v, held %v", err, one.Held)
				}
				if got, err := r.Get(t.Context(), tenant, "letter", "a"); err != nil || string(got.Body) != "hello" || !got.Held {
					t.Errorf("%+v, %v", got, err)
				}
				if got, err := r.Find(t.Context(), "letter", ports.ByIdem, "k"); err != nil || got.ID != "a" {
					t.Errorf("by key: %+v, %v", got, err)
				}
				for what, again := range map[string]*ports.Record{"it": letter("a", "k", "hello"), "its key": letter("b", "k", "hello")} {
					if err := r.save(t, again); !fault.Is(err, fault.Conflict) {
						t.Errorf("%s is taken: %v", what, err)
					}
				}
				if st := r.Status(); st.Held != 1 || st.Oldest.IsZero() || st.Refused != 0 {
					t.Errorf("%+v", st)
				}
				<-time.After(time.Hour)
				r.is(there)
				<-time.After(soon)
				got := r.inStore(t, "a")
				if string(got.Body) != "hello" || got.Idem != "k" || got.Queue != "letters" || r.Status().Held != 0 {
					t.Errorf("%+v, %+v", got, r.Status())
				}
				claims, err := r.Claim(t.Context(), "letters", "two", time.Minute, 10)
				if err != nil || len(claims) != 1 {
					t.Errorf("it can be claimed at once, and once: %+v, %v", claims, err)
				}
			})
		})
	}
}

// What the store took, though it did not say so, is under a claim there. It is not
// claimed before that has run out, and nothing of it is there twice.
func TestWhatTheStoreHasTakenIsNotThereTwice(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(ambiguous)
		if err := r.save(t, letter("a", "k", "hello")); err != nil {
			t.Fatal(err)
		}
		r.is(there)
		<-time.After(soon)
		page, err := r.store.List(t.Context(), tenant, "letter", ports.Filter{}, "", 10)
		if err != nil || len(page.Records) != 1 || r.Status() != (spool.Status{}) {
			t.Errorf("%+v, %v, %+v", page, err, r.Status())
		}
	})
}

func TestOnlyWhatIsNewAndOfItsKindIsHeld(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		old := letter("old", "", "hello")
		if err := r.save(t, old); err != nil {
			t.Fatal(err)
		}
		r.is(gone)
		other := letter("other", "", "hello")
		other.Kind = "payment"
		for what, one := range map[string]*ports.Record{"a change": old, "another kind": other} {
			if err := r.save(t, one); !fault.Is(err, fault.Unavailable) || one.Held {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := r.Get(t.Context(), tenant, "letter", "old"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("what is not held is not read: %v", err)
		}
		r.is(func(string) error { return fault.New(fault.Overloaded, "scripted", "") })
		if err := r.save(t, letter("more", "", "hello")); !fault.Is(err, fault.Overloaded) {
			t.Errorf("our own load is not kept: %v", err)
		}
	})
}

func TestWhatComesWhenItsTimeIsUpIsHeldTooUnlessNobodyWaits(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-late.Done()
		one := letter("a", "", "hello")
		if err := r.Save(late, one)[0]; err != nil || !one.Held {
			t.Errorf("%v, held %v", err, one.Held)
		}
		left, leave := context.WithCancel(t.Context())
		leave()
		other := letter("b", "", "hello")
		if err := r.Save(left, other)[0]; !fault.Is(err, fault.Unavailable) || other.Held {
			t.Errorf("whoever asked has left: %v, held %v", err, other.Held)
		}
	})
}

func TestAFullDiskIsSaid(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		r.diskFull.Store(true)
		one := letter("a", "", "hello")
		if err := r.save(t, one); !fault.Is(err, fault.Unavailable) || one.Held || r.Held() != 0 {
			t.Errorf("%v, %d held", err, r.Held())
		}
	})
}

func TestWhatWasHeldOutlivesTheProcess(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		for i := range 600 { // two pages
			if err := r.save(t, letter(fmt.Sprint("a", i), fmt.Sprint("k", i), "hello")); err != nil {
				t.Fatal(err)
			}
		}
		r.stop()
		r.start(t)
		if err := r.save(t, letter("b", "k7", "hello")); r.Held() != 600 || !fault.Is(err, fault.Conflict) {
			t.Errorf("%d held, %v", r.Held(), err)
		}
		r.is(there)
		<-time.After(soon)
		page, err := r.store.List(t.Context(), tenant, "letter", ports.Filter{}, "", 1000)
		if err != nil || len(page.Records) != 600 || r.Held() != 0 {
			t.Errorf("%d in the store, %d held, %v", len(page.Records), r.Held(), err)
		}
	})
}

func TestAKeyThatTheStoreKnows(t *testing.T) {
	tests := map[string]struct {
		body    string
		refused int
	}{
		"for the same thing: it is one":               {"hello", 0},
		"for another: it is kept, said, and not done": {"bye", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				if err := r.save(t, letter("a", "k", "hello")); err != nil {
					t.Fatal(err)
				}
				r.is(gone)
				if err := r.save(t, letter("a", "k", tt.body)); err != nil {
					t.Fatal(err)
				}
				r.is(there)
				<-time.After(soon)
				if st := r.Status(); st.Held != 0 || st.Refused != tt.refused || strings.Contains(r.log.String(), "something else") != (tt.refused > 0) {
					t.Errorf("%+v\n%s", st, r.log.String())
				}
				if string(r.inStore(t, "a").Body) != "hello" {
					t.Errorf("%+v", r.inStore(t, "a"))
				}
				r.stop()
				r.start(t)
				if r.Status().Refused != tt.refused {
					t.Errorf("after a restart: %+v", r.Status())
				}
			})
		})
	}
}

func TestAKeyIsRepeatedInTheNextOutage(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		for range 3 {
			r.is(gone)
			if err := r.save(t, letter("a", "k", "hello")); err != nil {
				t.Fatal(err)
			}
			r.is(there)
			<-time.After(soon)
		}
		if got := r.inStore(t, "a"); got.Rev != 1 || r.Status() != (spool.Status{}) {
			t.Errorf("%+v, %+v", got, r.Status())
		}
	})
}

// Whoever reads finds it, at every moment.
func TestWhatIsMovedIsNeverMissing(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		for i := range 200 {
			if err := r.save(t, letter(fmt.Sprint("a", i), "", "hello")); err != nil {
				t.Fatal(err)
			}
		}
		// Each call of the store takes a while, as a server does.
		r.is(func(string) error { <-time.After(time.Millisecond); return nil })
		for range 100 {
			for _, i := range []int{0, 50, 100, 199} {
				if got, err := r.Get(t.Context(), tenant, "letter", fmt.Sprint("a", i)); err != nil || string(got.Body) != "hello" {
					t.Fatalf("a%d: %+v, %v", i, got, err)
				}
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}

// Twenty callers with one key, while the store comes and goes: one letter.
func TestOneKeyIsOneRecord(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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
			for _, state := range []func(string) error{gone, ambiguous, there} {
				r.is(state)
				<-time.After(300 * time.Millisecond)
			}
		}
		all.Wait()
		<-time.After(soon)
		page, err := r.store.List(t.Context(), tenant, "letter", ports.Filter{}, "", 10)
		if err != nil || len(page.Records) != 1 || page.Records[0].Rev != 1 || r.Status() != (spool.Status{}) {
			t.Errorf("%+v, %v, %+v", page, err, r.Status())
		}
	})
}

func TestAStoreThatGoesAgainLosesNothing(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.is(gone)
		for i := range 100 {
			if err := r.save(t, letter(fmt.Sprint("a", i), "", "hello")); err != nil {
				t.Fatal(err)
			}
		}
		var saves atomic.Int64
		r.is(func(op string) error {
			if op == memjournal.Save && saves.Add(1)%3 == 0 {
				return gone(op)
			}
			if op == memjournal.Saved && saves.Load()%5 == 0 {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		<-time.After(5 * time.Minute)
		page, err := r.store.List(t.Context(), tenant, "letter", ports.Filter{}, "", 1000)
		if err != nil || len(page.Records) != 100 || r.Status() != (spool.Status{}) {
			t.Errorf("%d in the store, %v, %+v", len(page.Records), err, r.Status())
		}
	})
}
