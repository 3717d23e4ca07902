package payments_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// The copy has the first use of the key, which was refused; the second was paid. The key is
// repeated around the end of the reading, on a store that is slow.
func TestARepeatWhileTheProviderIsReadIsNotTakenForTheUseInTheCopy(t *testing.T) {
	t.Parallel()
	for wait := time.Duration(0); wait < 8*time.Second; wait += 2 * time.Second {
		for _, slow := range []string{memjournal.Get, memjournal.Find} {
			t.Run(fmt.Sprintf("%s later, slow %s", wait, slow), func(t *testing.T) {
				onVirtualTime(t, func(t *testing.T, r *rig) {
					r.provider.failBefore(fails(fault.Unavailable, 1))
					first, _ := r.pay(t, "k")
					older := r.backup(t, first.Payment.ID)
					<-time.After(73 * time.Hour)
					second := r.paid(t)
					<-time.After(time.Hour)
					r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
					s := r.restored(t, older)
					<-time.After(70 * time.Second)
					older.Fail = func(op string) error {
						if op == slow {
							<-time.After(1900 * time.Millisecond)
						}
						return nil
					}
					r.provider.cannotLook(nil) // it is asked again within 5 seconds, and all is known then
					<-time.After(wait)
					_, _ = s.Create(t.Context(), tenant, request(), key("k", "a"))
					if n := r.provider.captured(); n != 1 {
						t.Errorf("got %d charges, want 1", n)
					}
					<-time.After(3 * time.Minute)
					r.wantLast(t, s, second, 1)
				})
			})
		}
	}
}

// While it is not known what the providers hold, a key that the copy has is answered where it
// cannot have been used anew since.
func TestAKeyIsAnsweredDuringTheReadingWhereItHadNotExpired(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		age    time.Duration // of the payment when the copy is put back
		answer bool
	}{
		"an hour old": {time.Hour, true},
		"65 hours":    {65 * time.Hour, true},
		"67 hours":    {67 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				<-time.After(row.age)
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				s := r.restored(t, older)
				<-time.After(time.Second)
				again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				answered := err == nil && again.Payment.ID == p.ID
				if answered != row.answer || !answered && fault.From(err).Code != payments.CodeRestored {
					t.Errorf("got %s, %v, want it answered: %t", again.Payment.ID, err, row.answer)
				}
			})
		})
	}
}

// A call of the process that was killed is done 20 seconds after the copy was put back. The clock
// by which that is noted is behind the one of the gateway that reads what the providers hold.
func TestTheSecondReadingDoesNotGoByTheClock(t *testing.T) {
	t.Parallel()
	slow := func(context.Context, payment.Action, int) error {
		<-time.After(20 * time.Second)
		return nil
	}
	wantSecond := func(t *testing.T, r *rig, s *payments.Service) {
		t.Helper()
		var again payments.Result
		err := error(fault.New(fault.Unavailable, "", ""))
		for n := 0; err != nil && n < 100; n++ {
			again, err = s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
			<-time.After(time.Second)
		}
		<-time.After(time.Minute)
		if got := fmt.Sprint(r.charges()); got != "[0 1 0]" || err != nil {
			t.Errorf("got charges %s, at %s, %v, want one at the second", got, again.Payment.Provider, err)
		}
	}
	for name, ahead := range map[string]time.Duration{"clocks agree": 0, "another gateway's": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(fault.Unavailable))
				r.all[1].failBefore(slow)
				older := memjournal.New(clock.System{})
				used(t, older)
				go func() { _, _ = r.Create(t.Context(), tenant, everywhere(), key("k", "a")) }()
				synctest.Wait()
				r.provider.failBefore(nil)
				r.begins(t, older, true, "a")
				clock := &skewed{}
				clock.set(ahead)
				<-time.After(time.Second)
				wantSecond(t, r, r.begins(t, older, false, "b", func(o *payments.Options) { o.Clock = clock }))
			})
		})
	}
	t.Run("the same one, set right between", func(t *testing.T) {
		withProviders(t, three, func(t *testing.T, r *rig) {
			r.provider.failBefore(always(fault.Unavailable))
			r.all[1].failBefore(slow)
			restore := payments.Restore{At: time.Now().Add(-2 * time.Minute), Since: time.Now().Add(-2 * time.Minute)}
			go func() { _, _ = r.Create(t.Context(), tenant, everywhere(), key("k", "a")) }()
			synctest.Wait()
			r.provider.failBefore(nil)
			wantSecond(t, r, r.restored(t, memjournal.New(clock.System{}), func(o *payments.Options) {
				o.Restored = func() payments.Restore { return restore }
			}))
		})
	})
}

// Who opens the store tells of the restore, and who follows it does so once more.
func TestRepeatedNoticeOfARestoreReadsNothingAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		s := r.restored(t, memjournal.New(clock.System{}))
		<-time.After(30 * time.Second)
		s.RestoreNoticed()
		<-time.After(35 * time.Second)
		synctest.Wait()
		if s.Held() {
			t.Error("it is not known after 65 seconds what the provider holds")
		}
	})
}
