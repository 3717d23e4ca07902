package worker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// mill is a worker whose record "bad" cannot be handled. Each run is a process of its own on
// the same journal.
type mill struct {
	journal *memjournal.Journal
	log     bytes.Buffer
	handle  func(ctx context.Context, c ports.Claim) error
	tries   []time.Duration // since the start, of the record "bad"
	good    int             // how often the record "good" was handled
	start   time.Time
	lease   time.Duration
}

func newMill(t *testing.T, handle func(ctx context.Context, c ports.Claim) error) *mill {
	t.Helper()
	m := &mill{journal: memjournal.New(clock.System{}), handle: handle, start: time.Now(), lease: 45 * time.Second}
	for _, id := range []string{"bad", "good"} {
		r := &ports.Record{Tenant: "t", Kind: "job", ID: id, Queue: "jobs", Due: time.Now(), Body: []byte("body of " + id), Content: []byte("content")}
		if err := m.journal.Save(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// run serves the queue for a while, as one process.
func (m *mill) run(t *testing.T, owner string, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	w := &worker.Worker{
		Journal: m.journal, Queue: "jobs", Owner: owner, Lease: m.lease, Idle: 10 * time.Second, Limit: 4,
		Log: logging.New(slog.NewTextHandler(&m.log, nil)).Logger,
		Handle: func(ctx context.Context, c ports.Claim) error {
			if c.ID == "good" {
				m.good++
				c.Queue, c.Owner, c.Due = "", "", time.Time{}
				return m.journal.Save(ctx, &c.Record)[0]
			}
			m.tries = append(m.tries, time.Since(m.start).Round(time.Second))
			return m.handle(ctx, c)
		},
	}
	w.Run(ctx)
	synctest.Wait()
}

func (m *mill) record(t *testing.T) ports.Record {
	t.Helper()
	r, err := m.journal.Get(t.Context(), "t", "job", "bad")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (m *mill) setAside(t *testing.T) []worker.Setback {
	t.Helper()
	all, err := worker.Setbacks{Journal: m.journal}.SetAside(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The waits after each try: the lease is the least, since what was begun may be under way.
var wantTries = []time.Duration{
	0, 45 * time.Second, 105 * time.Second, 705 * time.Second, 4305 * time.Second, 25905 * time.Second,
}

func TestARecordThatCannotBeHandledIsPutOffAndSetAsideInTheEnd(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(ctx context.Context, c ports.Claim) error{
		"a panic":               func(context.Context, ports.Claim) error { panic("no such thing") },
		"an index out of range": func(_ context.Context, c ports.Claim) error { return []error{}[len(c.ID)] },
		"what cannot be decoded": func(_ context.Context, c ports.Claim) error {
			_, err := record.Decode(c.Record, func(struct{}) bool { return true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMill(t, handle)
				before := m.record(t)
				m.run(t, "one", 24*time.Hour)
				for i, at := range m.tries {
					if i >= len(wantTries) || at < wantTries[i] || at > wantTries[i]+time.Minute {
						t.Fatalf("tried at %v, want about %v", m.tries, wantTries)
					}
				}
				if len(m.tries) != len(wantTries) || m.good != 1 {
					t.Errorf("tried %d times, and the other record %d", len(m.tries), m.good)
				}
				after := m.record(t)
				if !bytes.Equal(after.Body, before.Body) || !bytes.Equal(after.Content, before.Content) || after.Queue != worker.Aside || after.Owner != "" {
					t.Errorf("%+v", after)
				}
				all := m.setAside(t)
				if len(all) != 1 || all[0].Name() != "t|job|bad" || all[0].Count != len(wantTries) || all[0].Queue != "jobs" || all[0].Since.Sub(m.start) > time.Minute {
					t.Errorf("%+v", all)
				}
				wantReason := "panic"
				if strings.Contains(name, "decoded") {
					wantReason = record.CodeUndecodable
				}
				if all[0].Reason != wantReason {
					t.Errorf("for %q", all[0].Reason)
				}
				if stacks := strings.Count(m.log.String(), "setback_test.go"); wantReason == "panic" && stacks < len(wantTries) {
					t.Errorf("the log shows %d stacks\n%s", stacks, m.log.String())
				}
				if !strings.Contains(m.log.String(), "set aside") || !strings.Contains(m.log.String(), "record=job:bad") {
					t.Errorf("the log says\n%s", m.log.String())
				}
			})
		})
	}
}

// The count is in the journal: a process that begins anew, or another, goes on with it.
func TestARestartDoesNotCountFromTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMill(t, func(context.Context, ports.Claim) error { panic("again") })
		for i := range 24 * 4 {
			m.run(t, string(rune('a'+i%26)), 15*time.Minute)
		}
		if len(m.tries) != len(wantTries) || len(m.setAside(t)) != 1 {
			t.Errorf("tried at %v, %d are set aside", m.tries, len(m.setAside(t)))
		}
	})
}

func TestWhatIsSetAsideIsPutBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mended := false
		m := newMill(t, nil)
		m.handle = func(ctx context.Context, c ports.Claim) error {
			if !mended {
				panic("not yet")
			}
			c.Queue, c.Owner, c.Due = "", "", time.Time{}
			return m.journal.Save(ctx, &c.Record)[0]
		}
		m.run(t, "one", 24*time.Hour)
		set := worker.Setbacks{Journal: m.journal}
		if _, err := set.PutBack(t.Context(), "t|job|good", time.Now()); !fault.Is(err, fault.NotFound) {
			t.Errorf("what is not set aside: %v", err)
		}
		for round := 1; round <= 2; round++ { // it has all its tries again
			if b, err := set.PutBack(t.Context(), "t|job|bad", time.Now()); err != nil || b.Queue != "jobs" {
				t.Fatalf("%+v, %v", b, err)
			}
			if _, err := set.PutBack(t.Context(), "t|job|bad", time.Now()); !fault.Is(err, fault.NotFound) {
				t.Errorf("put back twice: %v", err)
			}
			if n := len(m.setAside(t)); n != 0 {
				t.Errorf("%d are set aside", n)
			}
			mended = round == 2
			m.run(t, "two", 24*time.Hour)
		}
		if len(m.tries) != 2*len(wantTries)+1 || m.record(t).Queue != "" || len(m.setAside(t)) != 0 {
			t.Errorf("tried at %v, and it is in %q", m.tries, m.record(t).Queue)
		}
	})
}

// What a handler has saved before it panicked stays, and so does what another has done since.
func TestWhatWasSavedBeforeAPanicStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMill(t, nil)
		m.handle = func(ctx context.Context, c ports.Claim) error {
			c.Body = []byte("saved")
			_ = m.journal.Save(ctx, &c.Record)[0]
			panic("then")
		}
		m.run(t, "one", time.Second)
		if r := m.record(t); string(r.Body) != "saved" || r.Queue != "jobs" || r.Owner != "" {
			t.Errorf("%+v", r)
		}
		m.handle = func(ctx context.Context, c ports.Claim) error {
			c.Queue, c.Owner, c.Due = "elsewhere", "", time.Now()
			_ = m.journal.Save(ctx, &c.Record)[0]
			panic("then")
		}
		m.run(t, "one", time.Hour)
		if r := m.record(t); r.Queue != "elsewhere" {
			t.Errorf("it was taken out of %q", r.Queue)
		}
	})
}

// A long time without a panic is forgiven: the count is of what happens again and again.
func TestASetbackOfLongAgoIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMill(t, nil)
		m.handle = func(ctx context.Context, c ports.Claim) error {
			if len(m.tries)%3 != 0 {
				panic("now and then")
			}
			c.Owner, c.Due = "", time.Now().Add(50*time.Hour)
			return m.journal.Save(ctx, &c.Record)[0]
		}
		m.run(t, "one", 300*time.Hour)
		if len(m.tries) < 15 || len(m.setAside(t)) != 0 {
			t.Errorf("tried %d times, %d are set aside", len(m.tries), len(m.setAside(t)))
		}
	})
}

// Where the count cannot be kept nothing is done: the lease runs out, and it is tried again.
func TestWithoutAJournalTheLeaseRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMill(t, func(context.Context, ports.Claim) error { panic("alas") })
		m.journal.Fail = func(op string) error {
			if op == memjournal.Save {
				return fault.New(fault.Unavailable, "told_to", "")
			}
			return nil
		}
		m.run(t, "one", time.Minute)
		m.journal.Fail = nil
		if r := m.record(t); len(m.tries) != 2 || r.Queue != "jobs" || r.Owner != "one" {
			t.Errorf("tried at %v: %+v", m.tries, r)
		}
		m.run(t, "one", 24*time.Hour)
		if len(m.setAside(t)) != 1 || len(m.tries) != 2+len(wantTries) {
			t.Errorf("tried at %v", m.tries)
		}
	})
}

func TestSetbacksThatAreOverArePurged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMill(t, func(context.Context, ports.Claim) error { panic("alas") })
		m.run(t, "one", 24*time.Hour)
		set := worker.Setbacks{Journal: m.journal}
		later := time.Now().Add(time.Hour)
		if n, err := set.Purge(t.Context(), later, 9); n != 0 || err != nil {
			t.Errorf("%d of what is set aside are purged, %v", n, err)
		}
		_, err := set.PutBack(t.Context(), "t|job|bad", time.Now())
		n, perr := set.Purge(t.Context(), later, 9)
		if errors.Join(err, perr) != nil || n != 1 {
			t.Errorf("%d purged, %v, %v", n, err, perr)
		}
		if all := m.setAside(t); !slices.Equal(all, nil) {
			t.Errorf("%+v", all)
		}
	})
}
