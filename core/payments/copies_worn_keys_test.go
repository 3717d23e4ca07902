package payments_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// wantLast repeats the key k on a restored store: it is answered with its last use, and nobody is
// charged.
func (r *rig) wantLast(t *testing.T, s *payments.Service, want payment.Payment, charges int) {
	t.Helper()
	again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
	if n := r.provider.captured(); n != charges || err != nil || again.Payment.ID != want.ID {
		t.Errorf("got %d charges, %s (%s), %v, want %d, %s", n, again.Payment.ID, again.Payment.Status, err, charges, want.ID)
	}
}

// uses pays under the key k again and again, each time after it has expired, and returns the
// last payment.
func (r *rig) uses(t *testing.T, n int) (last payment.Payment) {
	t.Helper()
	for range n {
		last = mustPay(t, r.Service, "k")
		<-time.After(73 * time.Hour)
	}
	return last
}

// The copy has uses of the key, of which the last is not what was asked for since.
func TestTheLastUseIsAnsweredWhereTheCopyHasEarlierOnes(t *testing.T) {
	t.Parallel()
	refuse := func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		defer r.provider.failBefore(nil)
		if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	for name, row := range map[string]struct {
		before int // uses that were paid, and have expired
		last   func(*testing.T, *rig)
		age    time.Duration // of the last use when the copy is made
		paid   int           // charges in all, with the one since the copy
	}{
		"the last was refused":                 {before: 2, last: refuse, paid: 3},
		"the last was paid":                    {before: 2, last: func(t *testing.T, r *rig) { r.paid(t) }, paid: 4},
		"the last was refused, a day-old copy": {before: 1, last: refuse, age: 60 * time.Hour, paid: 2},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.uses(t, row.before)
				row.last(t, r)
				<-time.After(row.age)
				older := cloned(t, r.journal)
				r.copied = time.Now()
				<-time.After(73*time.Hour - row.age)
				last := r.paid(t)
				<-time.After(time.Hour)
				s := r.restored(t, older)
				<-time.After(3 * time.Minute)
				for range 2 {
					r.wantLast(t, s, last, row.paid)
				}
			})
		})
	}
}

func TestTheLastUseIsAnsweredWhereTheCopyHasNone(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"of two uses": 2, "of five uses": 5} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.copied = time.Now()
				last := r.uses(t, n)
				r.provider.forgets()
				s := r.restored(t, memjournal.New(clock.System{}))
				<-time.After(3 * time.Minute)
				for range 3 {
					r.wantLast(t, s, last, n)
					<-time.After(time.Minute)
				}
				<-time.After(100 * time.Hour)
				next := mustPay(t, s, "k")
				r.wantLast(t, s, next, n+1)
			})
		})
	}
}

// Four uses were lost with the first copy, of which the provider tells of the last alone. The second
// copy was made an hour before it was put back, and the third before the next use.
func TestTheLastUseIsAnsweredAfterAHoleFromAnEarlierRestore(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		r.provider.failBefore(always(fault.Unavailable))
		for range 3 {
			if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
			<-time.After(73 * time.Hour)
		}
		r.provider.failBefore(nil)
		last := r.paid(t)
		<-time.After(time.Hour)
		s1 := r.begins(t, c0, true, "two")
		<-time.After(3 * time.Minute)
		r.wantLast(t, s1, last, 2)
		mustPay(t, s1, "late")
		c1 := cloned(t, c0)
		<-time.After(time.Hour)
		s2 := r.begins(t, c1, true, "three")
		<-time.After(3 * time.Minute)
		r.wantLast(t, s2, last, 3)
		c2 := cloned(t, c1)
		<-time.After(100 * time.Hour)
		last = mustPay(t, s2, "k")
		<-time.After(200 * time.Hour)
		s3 := r.begins(t, c2, true, "four")
		<-time.After(3 * time.Minute)
		r.wantLast(t, s3, last, 4)
	})
}
