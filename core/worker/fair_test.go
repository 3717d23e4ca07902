package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/worker"
	"patchbay/ports"
)

// fairly runs a test with a worker that is fair between tenants.
func fairly(t *testing.T, limit int, takes time.Duration, test func(t *testing.T, r *rig)) {
	t.Helper()
	slow := func(_ context.Context, _ *rig, c ports.Claim) {
		if c.Tenant != "quick" {
			<-time.After(takes)
		}
	}
	within(t, limit, slow, test, true)
}

func (r *rig) putOf(t *testing.T, tenant string, n int) {
	t.Helper()
	r.putFrom(t, tenant, 0, n)
}

func (r *rig) putFrom(t *testing.T, tenant string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		record := &ports.Record{Tenant: tenant, Kind: "job", ID: fmt.Sprint(tenant, i), Queue: name, Due: time.Now(), Body: []byte("{}")}
		if err := r.journal.Save(t.Context(), record)[0]; err != nil {
			t.Fatal(err)
		}
	}
}

// handledOf counts what was handled of a tenant, and when the last was.
func (r *rig) handledOf(tenant string, n int) (done int, last time.Duration) {
	for i := range n {
		for _, h := range r.times(fmt.Sprint(tenant, i)) {
			done++
			last = max(last, h.to)
		}
	}
	return done, last
}

func TestATenantFindsAPlaceHoweverMuchAnotherHasWaiting(t *testing.T) {
	fairly(t, 16, 30*time.Second, func(t *testing.T, r *rig) {
		r.putOf(t, "slow", 1000)
		r.Nudge()
		r.wait(10 * time.Second)
		if r.running != 8 {
			t.Errorf("%d places of 16 are one tenant's, want half", r.running)
		}
		r.putOf(t, "quick", 1)
		r.Nudge()
		r.wait(10*time.Second + time.Millisecond)
		if done, at := r.handledOf("quick", 1); done != 1 || at != 10*time.Second {
			t.Errorf("handled %d times, the last at %s; want at once", done, at)
		}
		// And while it has the places that it may have, the other goes on.
		r.wait(1000 / 8 * 30 * time.Second)
		if done, _ := r.handledOf("slow", 1000); done != 1000 {
			t.Errorf("%d of 1000 handled, 8 at a time", done)
		}
	})
}

func TestWhoeverComesFindsAPlaceAlsoWhenManyHaveTheirShare(t *testing.T) {
	fairly(t, 16, 30*time.Second, func(t *testing.T, r *rig) {
		for _, tenant := range []string{"a", "b", "c"} {
			r.putOf(t, tenant, 100)
			r.Nudge()
			synctest.Wait()
		}
		if r.running != 14 { // 8, 4 and 2
			t.Errorf("%d places are taken", r.running)
		}
		for i := range 100 {
			r.putFrom(t, "quick", i, i+1)
			r.Nudge()
			synctest.Wait()
			if done, _ := r.handledOf("quick", 100); done != i+1 {
				t.Fatalf("handled %d times of %d", done, i+1)
			}
		}
	})
}

// A share that was used up is looked at again as soon as one of its places is free,
// not when the worker would look anyway.
func TestAShareIsFilledAsSoonAsItHasRoom(t *testing.T) {
	fairly(t, 4, time.Second, func(t *testing.T, r *rig) {
		r.putOf(t, "slow", 20)
		r.Nudge()
		r.wait(10 * time.Second)
		if done, _ := r.handledOf("slow", 20); done != 20 {
			t.Errorf("%d of 20 handled in 10 s, two at a time", done)
		}
	})
}

func TestOnePlaceIsNobodysForEver(t *testing.T) {
	fairly(t, 1, time.Second, func(t *testing.T, r *rig) {
		r.putOf(t, "slow", 3)
		r.putOf(t, "quick", 3)
		r.Nudge()
		r.wait(10 * time.Second)
		slow, _ := r.handledOf("slow", 3)
		quick, _ := r.handledOf("quick", 3)
		if slow != 3 || quick != 3 {
			t.Errorf("%d and %d of 3 handled", slow, quick)
		}
	})
}

// To find what is due behind a long line of another takes the store time: at most
// a fifth of the worker's goes there.
func TestTheStoreIsNotAskedAllTheTimeToLookPastALongLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var past, plain atomic.Int64
		w := &worker.Worker{
			Idle: idle, Limit: 4, Fair: true, Log: slog.New(slog.DiscardHandler),
			Journal: excepting{claim: func(n int, except []string) (claims []ports.Claim) {
				if len(except) > 0 {
					past.Add(1)
					<-time.After(time.Second)
					return nil
				}
				plain.Add(1)
				for range n {
					claims = append(claims, ports.Claim{Record: ports.Record{Tenant: "slow"}})
				}
				return claims
			}},
			Handle: func(context.Context, ports.Claim) error { <-time.After(100 * time.Millisecond); return nil },
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Second-time.Millisecond, stop)
		w.Run(ctx)
		if past.Load() != 20 {
			t.Errorf("looked past %d times in 100 s, each of 1 s; want 20", past.Load())
		}
		if plain.Load() < 700 {
			t.Errorf("claimed %d times in 100 s; want about ten times a second for four fifths of them", plain.Load())
		}
	})
}

// excepting is a journal of which only Claim is called.
type excepting struct {
	ports.Journal
	claim func(n int, except []string) []ports.Claim
}

func (e excepting) Claim(_ context.Context, _, _ string, _ time.Duration, n int, except ...string) ([]ports.Claim, error) {
	return e.claim(n, except), nil
}
