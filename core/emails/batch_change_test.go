package emails_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// failsAfter returns a hook for a journal that fails each call of an operation after so many, with the calls that it
// has let through.
func failsAfter(op string, after int64) (hook func(string) error, let *atomic.Int64) {
	var left atomic.Int64
	left.Store(after)
	let = new(atomic.Int64)
	return func(now string) error {
		if now != op {
			return nil
		}
		if left.Add(-1) < 0 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		let.Add(1)
		return nil
	}, let
}

// withCopies has a batch of n copies, which wait for a rate as emails of their own.
func withCopies(t *testing.T, n int, test func(t *testing.T, s *emails.Service, r *rated, hook *atomic.Pointer[func(string) error], id string)) {
	t.Helper()
	rates := map[string]emails.Rate{"first": {Most: 1, Per: 1000 * time.Hour, Waits: true}}
	withRates(t, rates, []ports.Mailer{&metered{name: "first"}}, func(t *testing.T, r *rated) {
		var hook atomic.Pointer[func(string) error]
		r.journal.Fail = func(op string) error {
			if f := hook.Load(); f != nil {
				return (*f)(op)
			}
			return nil
		}
		s, stop := r.start(t, "one")
		defer stop()
		b, _, err := s.AcceptBatch(t.Context(), tenant, batchOf(n+1), idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if state, err := s.GetBatch(t.Context(), tenant, b.ID); err != nil || state.Counts[email.Queued] != n {
			t.Fatalf("%v wait, %v; want %d", state.Counts, err, n)
		}
		test(t, s, r, &hook, b.ID)
	})
}

// Each request gets so far only, and a repeat goes on from there.
func TestTheRepeatsOfAChangeOfALargeBatchEnd(t *testing.T) {
	const n, each = 230, 60
	move := func(by time.Duration) func(*emails.Service, context.Context, string, time.Time) error {
		return func(s *emails.Service, ctx context.Context, id string, from time.Time) error {
			_, err := s.RescheduleBatch(ctx, tenant, id, from.Add(by))
			return err
		}
	}
	for name, change := range map[string]func(*emails.Service, context.Context, string, time.Time) error{
		"moved to later":         move(48 * time.Hour),
		"moved to now":           move(0),
		"moved to what was past": move(-time.Hour),
		"canceled": func(s *emails.Service, ctx context.Context, id string, _ time.Time) error {
			_, err := s.CancelBatch(ctx, tenant, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			withCopies(t, n, func(t *testing.T, s *emails.Service, r *rated, hook *atomic.Pointer[func(string) error], id string) {
				if _, err := s.RescheduleBatch(t.Context(), tenant, id, time.Now().Add(24*time.Hour)); err != nil {
					t.Fatal(err)
				}
				from, requests, saves := time.Now(), 0, int64(0)
				for ended := false; !ended && requests < 2*n/each; requests++ {
					some, let := failsAfter(memjournal.Save, each)
					hook.Store(&some)
					err := change(s, t.Context(), id, from)
					if ended = err == nil; !ended && !fault.Is(err, fault.UnknownOutcome) {
						t.Errorf("request %d: %v, want an unknown outcome", requests, err)
					}
					hook.Store(nil)
					saves += let.Load()
					<-time.After(100 * time.Millisecond)
				}
				if requests > n/each+1 || saves > n+10 {
					t.Errorf("%d requests and %d writes, want %d of each %d at most", requests, saves, n/each+1, each)
				}
			})
		})
	}
}

// All of a batch is moved after a request that failed and its repeat.
func TestABatchIsMovedByARepeatAfterAnError(t *testing.T) {
	withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
		d := batchOf(250)
		d.SendAt = time.Now().Add(time.Hour)
		b, later := o.send(t, d, idempotency.Key{}), time.Now().Add(24*time.Hour).Add(time.Nanosecond) // stores keep microseconds
		one, _ := failsAfter(memjournal.Save, 1)
		o.fail.Store(&one)
		if _, err := o.RescheduleBatch(t.Context(), tenant, b.ID, later); !fault.Is(err, fault.UnknownOutcome) {
			t.Fatalf("got %v, want an unknown outcome", err)
		}
		rest, let := failsAfter(memjournal.Save, 100)
		o.fail.Store(&rest)
		if _, err := o.RescheduleBatch(t.Context(), tenant, b.ID, later); err != nil {
			t.Fatal(err)
		}
		o.fail.Store(nil)
		equal(t, "writes of the repeat: two emails and the batch", let.Load(), 3)
		for _, m := range o.emailsOf(t, b.ID, email.Queued) {
			if !m.SendAt.Equal(later) {
				t.Errorf("an email is due at %s, want %s", m.SendAt, later)
			}
		}
		<-time.After(23 * time.Hour)
		equal(t, "waiting", o.waiting(t, b.ID), 250)
	})
}

// "Nothing was done" is said only if nothing was.
func TestWhatAFailedChangeOfABatchSays(t *testing.T) {
	change := map[string]func(*batchRig, context.Context, string) error{
		"moved": func(o *batchRig, ctx context.Context, id string) error {
			_, err := o.RescheduleBatch(ctx, tenant, id, time.Now().Add(24*time.Hour))
			return err
		},
		"canceled": func(o *batchRig, ctx context.Context, id string) error {
			_, err := o.CancelBatch(ctx, tenant, id)
			return err
		},
	}
	for _, tt := range []struct {
		change, op string
		after      int64
		kind       fault.Kind
	}{
		{"moved", memjournal.Get, 0, fault.Unavailable},
		{"moved", memjournal.List, 0, fault.Unavailable},
		{"moved", memjournal.Save, 0, fault.Unavailable},
		{"moved", memjournal.Save, 1, fault.UnknownOutcome},
		{"moved", memjournal.Save, 3, fault.UnknownOutcome}, // that of the batch
		{"moved", memjournal.List, 1, fault.UnknownOutcome}, // to count
		{"canceled", memjournal.Get, 0, fault.Unavailable},
		{"canceled", memjournal.Save, 0, fault.Unavailable}, // the mark
		{"canceled", memjournal.Save, 1, fault.UnknownOutcome},
		{"canceled", memjournal.Save, 2, fault.UnknownOutcome},
		{"canceled", memjournal.List, 0, fault.UnknownOutcome},
		{"canceled", memjournal.List, 1, fault.UnknownOutcome}, // to count
	} {
		t.Run(fmt.Sprint(tt.change, " ", tt.op, " ", tt.after), func(t *testing.T) {
			withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
				d := batchOf(250)
				d.SendAt = time.Now().Add(time.Hour)
				b := o.send(t, d, idempotency.Key{})
				some, _ := failsAfter(tt.op, tt.after)
				o.fail.Store(&some)
				err := change[tt.change](o, t.Context(), b.ID)
				o.fail.Store(nil)
				equal(t, "kind", fault.KindOf(err), tt.kind)
			})
		})
	}
}

// A cancellation has marked the batch and failed then, and a person decides that its emails are sent after all, when they
// were to be sent anyway.
func TestABatchThatIsMovedToItsOwnTimeIsNotCanceledByAnEarlierCancellation(t *testing.T) {
	withBatches(t, []*line{merging("first", nil)}, func(t *testing.T, o *batchRig) {
		d := batchOf(250)
		d.SendAt = time.Now().Add(time.Hour)
		b := o.send(t, d, idempotency.Key{})
		mark, _ := failsAfter(memjournal.Save, 1)
		o.fail.Store(&mark)
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err == nil {
			t.Error("canceled, want an error")
		}
		o.fail.Store(nil)
		if _, err := o.RescheduleBatch(t.Context(), tenant, b.ID, d.SendAt); err != nil {
			t.Error(err)
		}
		<-time.After(2 * time.Hour)
		equal(t, "counts", o.counts(t, b.ID), "sent:250")
	})
}

// A request has seconds for all of it, and the store is not asked for everything at once.
func TestTheEmailsOfABatchAreChangedAFewAtOnce(t *testing.T) {
	const n, save = 200, 10 * time.Millisecond
	withCopies(t, n, func(t *testing.T, s *emails.Service, _ *rated, hook *atomic.Pointer[func(string) error], id string) {
		var busy, most atomic.Int64
		slow := func(op string) error {
			if op == memjournal.Save {
				if now := busy.Add(1); now > most.Load() {
					most.Store(now)
				}
				<-time.After(save)
				busy.Add(-1)
			}
			return nil
		}
		hook.Store(&slow)
		began := time.Now()
		if _, err := s.RescheduleBatch(t.Context(), tenant, id, time.Now().Add(24*time.Hour)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > n*save/4 || most.Load() > 10 {
			t.Errorf("it took %s, with %d writes at once; want %s at most, and 8, beside those of others", took, most.Load(), n*save/4)
		}
		hook.Store(nil)
	})
}
