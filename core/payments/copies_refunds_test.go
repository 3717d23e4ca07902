package payments_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

func TestARefundThatAnOlderCopyDoesNotHaveIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	const all = 0
	for name, tt := range map[string]struct {
		amount int64
		later  time.Duration // the copy is put back
		absent bool          // the refund was made at the second try: the first was proved absent
	}{
		"while the provider knows its key":     {amount: 500, later: time.Hour},
		"when the provider has forgotten it":   {amount: 500, later: 25 * time.Hour},
		"all that was left":                    {amount: all, later: 25 * time.Hour},
		"made under a second key":              {amount: 500, later: time.Hour, absent: true},
		"made under a second key, forgotten":   {amount: 500, later: 25 * time.Hour, absent: true},
		"shortly before the caller's key ends": {amount: 500, later: 60 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				refund := func(s *payments.Service) (payments.Result, error) {
					return s.Refund(t.Context(), tenant, p.ID, tt.amount, opKey("refunds", "r"))
				}
				if tt.absent {
					r.provider.failBefore(always(fault.UnknownOutcome))
					_, _ = refund(r.Service)
					<-time.After(3 * time.Hour)
					r.provider.failBefore(nil)
				}
				first, err := refund(r.Service)
				if err != nil || first.Operation.Outcome != payment.Done {
					t.Fatalf("%+v, %v", first.Operation, err)
				}
				given := r.provider.givenBack()
				<-time.After(tt.later)
				if tt.later > 24*time.Hour {
					r.provider.forgets()
				}
				s := r.restored(t, older)
				<-time.After(time.Second)
				r.provider.cannotLook(fault.New(fault.UnknownOutcome, "scripted", ""))
				if res, err := refund(s); !fault.Is(err, fault.Unavailable) {
					t.Errorf("while the provider does not tell: %+v, %v", res.Operation, err)
				}
				r.provider.cannotLook(nil)
				for range 2 {
					again, err := refund(s)
					if err != nil || again.Operation.Reference != first.Operation.Reference || again.Operation.Amount != first.Operation.Amount {
						t.Errorf("repeated: %+v, %v", again.Operation, err)
					}
				}
				if now := r.provider.givenBack(); now != given {
					t.Errorf("%d were given back, and then %d", given, now)
				}
				if tt.amount == all {
					return
				}
				if _, err := s.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "other")); err != nil || r.provider.givenBack() != given+300 {
					t.Errorf("another refund: %v, %d were given back", err, r.provider.givenBack())
				}
			})
		})
	}
}

// It is repeated shortly before and shortly after 72 hours have gone by since it was made.
func TestARefundThatIsRepeatedAroundTheEndOfItsKeyIsNotMadeAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		refund := func(s *payments.Service) (payments.Result, error) {
			return s.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r"))
		}
		first, err := refund(r.Service)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		s := r.restored(t, older)
		<-time.After(71*time.Hour - 30*time.Minute) // 71 h 30 after the refund: its key lives
		r.provider.forgets()
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		if _, err := refund(s); !fault.Is(err, fault.Unavailable) {
			t.Errorf("while the provider does not tell: %v", err)
		}
		r.provider.cannotLook(nil)
		<-time.After(2 * time.Hour)
		res, err := refund(s)
		if got := r.provider.givenBack(); got != 500 || err != nil || res.Operation.Reference != first.Operation.Reference {
			t.Errorf("%d were given back: %+v, %v", got, res.Operation, err)
		}
	})
}

// It gave more than half back, so that it would be refused if it were another one.
func TestARefundOfMoreThanIsLeftIsAnsweredWhenItIsRepeated(t *testing.T) {
	t.Parallel()
	const (
		asItWas = "the copy has the payment as it was"
		current = "the payment was read, and is up to date"
		absent  = "the copy does not have the payment"
	)
	for _, state := range []string{asItWas, current, absent} {
		t.Run(state, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				if state == absent {
					older = memjournal.New(clock.System{})
				}
				refund := func(s *payments.Service) (payments.Result, error) {
					return s.Refund(t.Context(), tenant, p.ID, 800, opKey("refunds", "r"))
				}
				first, err := refund(r.Service)
				if err != nil {
					t.Fatal(err)
				}
				r.copied = r.copied.Add(-time.Hour) // before the payment
				<-time.After(7 * time.Hour)
				s := r.restored(t, older)
				<-time.After(2 * time.Minute)
				switch state {
				case current:
					_, _ = s.Get(t.Context(), tenant, p.ID)
					<-time.After(time.Second)
				case absent:
					mustPay(t, s, "k")
				}
				again, err := refund(s)
				if err != nil || again.Operation.Reference != first.Operation.Reference {
					t.Errorf("it was done; its repeat is answered %v (%d given back)", err, r.provider.givenBack())
				}
			})
		})
	}
}

// The sum that the provider tells of the payment has it already.
func TestARefundThatIsFoundIsCountedOnce(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		r.provider.forgets()
		s := r.restored(t, older)
		<-time.After(2 * time.Minute)
		res, err := s.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r"))
		one, _ := s.Get(t.Context(), tenant, p.ID)
		if err != nil || one.AmountRefunded != 300 || r.provider.givenBack() != 300 || len(one.Refunds) != 1 {
			t.Errorf("%+v, %d, %v", res.Operation, one.AmountRefunded, err)
		}
	})
}

func TestAKeyThatWasUsedForAnotherRefundAfterTheCopyIsRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		r.provider.forgets()
		s := r.restored(t, older)
		_, err := s.Refund(t.Context(), tenant, p.ID, 400, opKey("refunds", "r"))
		if fault.From(err).Code != idempotency.CodeMismatch || r.provider.givenBack() != 500 {
			t.Errorf("%v, and %d were given back", err, r.provider.givenBack())
		}
	})
}

// The copy is put back while what waits is tried again; the provider has forgotten the key.
func TestARefundThatWaitsInTheCopyIsFound(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		if res, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r")); err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
		}
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		r.waitClosed(t, p.ID, 5*time.Minute)
		r.provider.forgets()
		s := r.restored(t, older)
		<-time.After(5 * time.Minute)
		one, err := s.Get(t.Context(), tenant, p.ID)
		if err != nil || one.AmountRefunded != 500 || r.provider.givenBack() != 500 {
			t.Errorf("%d of %d that were given back, %v", one.AmountRefunded, r.provider.givenBack(), err)
		}
	})
}

// When the copy is put back, the time is over in which what waits is tried again; it is looked
// for before it is given up.
func TestARefundThatWaitsInTheCopyIsNotGivenUpThoughDone(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		res, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r"))
		if err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
		}
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		now := r.waitClosed(t, p.ID, 5*time.Minute)
		if op := now.Operation(res.Operation.ID); op.Outcome != payment.Done {
			t.Fatalf("%+v", op)
		}
		<-time.After(20 * time.Minute)
		s := r.restored(t, older)
		<-time.After(10 * time.Minute)
		now, err = s.Get(t.Context(), tenant, p.ID)
		op := now.Operation(res.Operation.ID)
		if err != nil || op.Outcome != payment.Done || now.AmountRefunded != 500 || r.provider.givenBack() != 500 {
			t.Errorf("it is %s (%+v), %d of %d that were given back, %v", op.Outcome, op.Error, now.AmountRefunded, r.provider.givenBack(), err)
		}
	})
}

// Its caller was told that nothing was done, and has refunded under another key.
func TestARefundThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{
		"while what waits is tried again":       time.Minute,
		"shortly before what waits is given up": 14 * time.Minute,
		"when what waits is given up":           16 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.refusedInCall(t, func() {
					if _, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r")); !fault.Is(err, fault.Unavailable) {
						t.Fatal(err)
					}
				})
				if _, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r2")); err != nil {
					t.Fatal(err)
				}
				<-time.After(later)
				r.restored(t, older)
				<-time.After(20 * time.Minute)
				if got := r.provider.givenBack(); got != 500 {
					t.Errorf("nobody has asked for anything since the restore: %d given back", got)
				}
			})
		})
	}
}

// The copy has the payment reserved; it was captured since, so that it can be refunded.
func TestNothingIsRefusedByAnOldStateWhileTheProviderDoesNotAnswer(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		req := request()
		req.CaptureMethod = payment.CaptureManual
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		older := r.backup(t, first.Payment.ID)
		if _, err := r.Capture(t.Context(), tenant, first.Payment.ID, 0, opKey("capture", "c")); err != nil {
			t.Fatal(err)
		}
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.restored(t, older)
		<-time.After(time.Minute)
		_, err = s.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refunds", "r"))
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("nobody knows its state; the refund is answered %v", err)
		}
	})
}
