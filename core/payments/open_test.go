package payments_test

import (
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payments"
	"patchbay/ports"
)

// open tells how many payments are in one of the sets, and since when the oldest is.
func (r *rig) open(t *testing.T, sets []ports.Set) (n int, since time.Time) {
	t.Helper()
	counts, err := r.journal.Count(t.Context(), 100, sets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		n += c.N
		if c.N > 0 && (since.IsZero() || c.First.Before(since)) {
			since = c.First
		}
	}
	return n, since
}

func (r *rig) wantOpen(t *testing.T, when string, unknown, review int) {
	t.Helper()
	for _, c := range []struct {
		what string
		sets []ports.Set
		want int
	}{{"unknown", payments.UnknownSets(), unknown}, {"to be reviewed", payments.ReviewSets(), review}} {
		if n, _ := r.open(t, c.sets); n != c.want {
			t.Errorf("%s: %d payments are %s, want %d", when, n, c.what, c.want)
		}
	}
}

// What is unknown, and what needs a person, is counted from when it is so until it is
// settled.
func TestWhatIsOpenIsCounted(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		if _, err := r.pay(t, "good"); err != nil {
			t.Fatal(err)
		}
		r.wantOpen(t, "all is well", 0, 0)
		r.provider.failAfter(lost)
		r.provider.cannotLook(fault.New(fault.Unavailable, "down", ""))
		began := time.Now()
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		r.wantOpen(t, "an answer was lost", 1, 0)
		<-time.After(time.Hour) // it was tried again, and again
		if _, since := r.open(t, payments.UnknownSets()); since.Sub(began).Abs() > time.Minute {
			t.Errorf("open since %s, began at %s", since, began)
		}
		<-time.After(6 * 24 * time.Hour)
		r.wantOpen(t, "nobody can tell", 1, 1)
		if _, err := r.Settle(asked(t), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.NotExecuted, By: "key_1"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.wantOpen(t, "a person has settled it", 0, 0)
	})
}
