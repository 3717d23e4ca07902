package spool_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/spool"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const tenant = "acme"

// rig is a spool on a store that can be unavailable, on virtual time.
type rig struct {
	*spool.Spool
	store, local *memjournal.Journal
	fails        atomic.Pointer[func(op string) error] // of the store
	diskFull     atomic.Bool
	diskSlow     atomic.Bool
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
			if op == memjournal.Find && r.diskSlow.Load() {
				<-time.After(10 * time.Millisecond)
			}
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
		Kinds: map[string]spool.Kind{
			"letter":    {Same: func(a, b ports.Record) bool { return string(a.Body) == string(b.Body) }, Personal: addressed, Release: release},
			"enclosure": {Release: release},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
}

// release takes a record out of the queue "closed".
func release(r *ports.Record) {
	if r.Queue == "closed" {
		r.Queue = "letters"
	}
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
