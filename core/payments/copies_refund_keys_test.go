package payments_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

// It was refused before the copy, and done 71 hours later, so that its key was kept for 72 hours
// more. In the copy the key counts from the refusal.
func TestARefundWhoseKeyTheCopyGivesUpThoughItWasUsedLaterIsNotMadeAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		r.provider.failBefore(always(fault.Unavailable))
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		r.provider.failBefore(nil)
		<-time.After(70 * time.Hour)
		older := r.backup(t, p.ID)
		<-time.After(time.Hour)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		<-time.After(9 * time.Hour)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil || r.provider.givenBack() != 300 {
			t.Fatal("without a restore it is given back again")
		}
		s := r.restored(t, older)
		<-time.After(3 * time.Minute)
		res, err := s.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r"))
		if n := r.provider.givenBack(); n != 300 {
			t.Errorf("%d given back, %+v, %v", n, res.Operation, err)
		}
	})
}

// The clock is 80 hours behind when the copy is first used, and is set right later. The provider
// has forgotten the refund's key.
func TestAClockThatWasBehindAtTheStartRefundsNothingAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		<-time.After(80 * time.Hour)
		p := r.paid(t)
		older := r.backup(t, p.ID)
		<-time.After(time.Hour)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		<-time.After(30 * time.Hour)
		r.provider.forgets()
		clock := &skewed{}
		clock.set(-80 * time.Hour)
		restore := payments.Restore{At: clock.Now(), Since: r.copied}
		s := r.restored(t, older, func(o *payments.Options) {
			o.Clock, o.Restored = clock, func() payments.Restore { return restore }
		})
		<-time.After(3 * time.Minute)
		clock.set(0)
		res, err := s.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r"))
		if n := r.provider.givenBack(); n != 300 {
			t.Errorf("%d given back, %+v, %v", n, res.Operation, err)
		}
	})
}

// The copy has the payment reserved; it was captured and partly refunded since. The provider does not tell
// for 74 hours, and the caller is told to ask again all the time.
func TestRepeatsDuringLongHoldRefundOnce(t *testing.T) {
	t.Parallel()
	for name, blind := range map[string]time.Duration{"for less than keys are kept": 60 * time.Hour, "for more than keys are kept": 74 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				req := request()
				req.CaptureMethod = payment.CaptureManual
				first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
				if err != nil {
					t.Fatal(err)
				}
				id := first.Payment.ID
				older := r.backup(t, id)
				if _, err := r.Capture(t.Context(), tenant, id, 0, opKey("capture", "c")); err != nil {
					t.Fatal(err)
				}
				refund := func(s *payments.Service) error {
					_, err := s.Refund(t.Context(), tenant, id, 300, opKey("refunds", "r"))
					return err
				}
				if err := refund(r.Service); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				r.provider.forgets()
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				s := r.restored(t, older)
				for until := time.Now().Add(blind); time.Now().Before(until); {
					if err := refund(s); !fault.Is(err, fault.Unavailable) {
						t.Fatal(err)
					}
					<-time.After(30 * time.Minute)
				}
				r.provider.cannotLook(nil)
				<-time.After(3 * time.Minute)
				err = refund(s)
				if n := r.provider.givenBack(); n != 300 {
					t.Errorf("%d given back, %v", n, err)
				}
			})
		})
	}
}

// ordered tells refunds as the adapter for Stripe does: oldest first.
type ordered struct{ *provider }

func (p ordered) Refunds(ctx context.Context, ref string) ([]payment.ProviderRefund, error) {
	all, err := p.provider.Refunds(ctx, ref)
	slices.SortFunc(all, func(a, b payment.ProviderRefund) int { return cmp.Compare(a.Reference, b.Reference) })
	return all, err
}

func refundKey(body string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/payments/ID/refunds", "r", []byte(body))
}

// The key of a refund was used anew when its first use had expired, for another amount. The copy has
// neither. The last use is repeated.
func TestTheLastUseOfARefundsKeyIsAnswered(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 500, refundKey("500")); err != nil {
			t.Fatal(err)
		}
		<-time.After(73 * time.Hour)
		last, err := r.Refund(t.Context(), tenant, p.ID, 300, refundKey("300"))
		if err != nil || r.provider.givenBack() != 800 {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if again, err := r.Refund(t.Context(), tenant, p.ID, 300, refundKey("300")); err != nil || again.Operation.Reference != last.Operation.Reference {
			t.Fatalf("without a restore: %v", err)
		}
		s := r.restored(t, older, func(o *payments.Options) { o.Gateways = []ports.PaymentGateway{ordered{r.provider}} })
		<-time.After(3 * time.Minute)
		again, err := s.Refund(t.Context(), tenant, p.ID, 300, refundKey("300"))
		if n := r.provider.givenBack(); n != 800 || err != nil || again.Operation.Reference != last.Operation.Reference {
			t.Errorf("%d given back, %s, was %s, %v", n, again.Operation.Reference, last.Operation.Reference, err)
		}
	})
}

// A refund's key was used since the copy. Its last use is repeated, and answered; when it has
// expired it is used for one more refund.
func TestANewUseOfARefundsKeyIsMade(t *testing.T) {
	t.Parallel()
	for name, uses := range map[string]int{"one use lost": 1, "two uses lost": 2} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				for range uses {
					if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
						t.Fatal(err)
					}
					<-time.After(74 * time.Hour)
				}
				r.provider.forgets()
				s := r.restored(t, older, func(o *payments.Options) { o.Gateways = []ports.PaymentGateway{ordered{r.provider}} })
				<-time.After(3 * time.Minute)
				for n := uses; n < uses+2 && n < 4; n++ {
					for range 2 {
						if _, err := s.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
							t.Fatal(err)
						}
						if got := r.provider.givenBack(); got != int64(300*n) {
							t.Errorf("got %d given back, want %d", got, 300*n)
						}
					}
					<-time.After(100 * time.Hour)
				}
				got, err := s.Get(t.Context(), tenant, p.ID)
				if err != nil || got.AmountRefunded != r.provider.givenBack() || got.Open() != nil {
					t.Errorf("got %d refunded, open %+v, %v, want %d", got.AmountRefunded, got.Open(), err, r.provider.givenBack())
				}
			})
		})
	}
}
