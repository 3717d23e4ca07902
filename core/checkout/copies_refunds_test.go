package checkout_test

import (
	"testing"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
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
			within(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				refund := func(s *checkout.Service) (checkout.Result, error) {
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

// A refund is repeated shortly before and shortly after 72 hours since the restore.
func TestARefundIsRepeatedAroundTheEndOfItsKey(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		refund := func(s *checkout.Service) (checkout.Result, error) {
			return s.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r"))
		}
		if _, err := refund(r.Service); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		s := r.restored(t, older)
		<-time.After(71*time.Hour - 30*time.Minute) // 71 h 30 after the refund: its key lives
		r.provider.forgets()
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		_, err := refund(s)
		t.Logf("at 71:30: %v", err)
		r.provider.cannotLook(nil)
		<-time.After(2 * time.Hour)
		res, err := refund(s)
		if got := r.provider.givenBack(); got != 500 {
			t.Errorf("%d were given back: %+v, %v", got, res.Operation, err)
		}
	})
}

// A refund of more than half, repeated when the payment has been brought up to date.
func TestARefundOfMoreThanWhatIsLeftIsRepeated(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]string{"as it is in the copy": "", "read before": "read", "the copy does not have the payment": "absent"} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				p := r.paid(t)
				older := r.backup(t, p.ID)
				if read == "absent" {
					older = memjournal.New(sys.Clock{})
				}
				refund := func(s *checkout.Service) (checkout.Result, error) {
					return s.Refund(t.Context(), tenant, p.ID, 800, opKey("refunds", "r"))
				}
				first, err := refund(r.Service)
				if err != nil {
					t.Fatal(err)
				}
				r.copied = r.copied.Add(-time.Hour)
				<-time.After(7 * time.Hour)
				s := r.restored(t, older)
				<-time.After(2 * time.Minute)
				switch read {
				case "read":
					_, _ = s.Get(t.Context(), tenant, p.ID)
					<-time.After(time.Second)
				case "absent":
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

// What an older copy had from before the walk's beginning: the sum is not counted twice.
func TestARefundThatIsFoundIsCountedOnce(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		_, _ = r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r"))
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
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		older := r.backup(t, p.ID)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		r.provider.forgets()
		s := r.restored(t, older)
		_, err := s.Refund(t.Context(), tenant, p.ID, 400, opKey("refunds", "r"))
		if fault.From(err).Code != idem.CodeMismatch || r.provider.givenBack() != 500 {
			t.Errorf("%v, and %d were given back", err, r.provider.givenBack())
		}
	})
}

// Within the time in which what waits is tried again.
func TestARefundThatWaitsInTheCopyIsFound(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		_, _ = r.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", "r"))
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		r.settled(t, p.ID, 5*time.Minute)
		r.provider.forgets()
		s := r.restored(t, older)
		<-time.After(5 * time.Minute)
		one, _ := s.Get(t.Context(), tenant, p.ID)
		if one.AmountRefunded != 500 || r.provider.givenBack() != 500 {
			t.Errorf("%d, %d", one.AmountRefunded, r.provider.givenBack())
		}
	})
}

// What the copy has waiting was done since: it is looked for before it is given up.
func TestARefundThatWaitsInTheCopyIsNotGivenUpThoughDone(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		refund := func(s *checkout.Service, k string) (checkout.Result, error) {
			return s.Refund(t.Context(), tenant, p.ID, 500, opKey("refunds", k))
		}
		res, err := refund(r.Service, "r")
		if err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", res.Operation, err)
		}
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		now := r.settled(t, p.ID, 5*time.Minute)
		if op := now.Operation(res.Operation.ID); op.Outcome != payment.Done {
			t.Fatalf("%+v", op)
		}
		<-time.After(20 * time.Minute)
		s := r.restored(t, older)
		<-time.After(10 * time.Minute)
		var types []string
		_, _ = older.Publish(t.Context(), 100)
		events, _ := older.Feed(t.Context(), tenant, 0, 100)
		for _, e := range events {
			types = append(types, e.Type)
		}
		list, _ := s.List(t.Context(), tenant, checkout.Filter{}, "", 10)
		one, _ := s.Get(t.Context(), tenant, p.ID)
		op := one.Operation(res.Operation.ID)
		if op.Outcome == payment.NotExecuted {
			t.Errorf("read: refund %s (%+v), amountRefunded %d (listed: %d); feed: %v; given back really: %d", op.Outcome, op.Error, one.AmountRefunded, list.Payments[0].AmountRefunded, types, r.provider.givenBack())
		}
		_, err = refund(s, "another, since it was told to have failed")
		t.Logf("then under another key: %v; %d given back", err, r.provider.givenBack())
	})
}

// Its caller was told that nothing was done, and has refunded under another key.
func TestARefundThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{time.Minute, 14 * time.Minute, 16 * time.Minute} {
		t.Run(later.String(), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
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

// The provider does not answer when something is refused because of an old state.
func TestNothingIsRefusedByAnOldStateWhileTheProviderDoesNotAnswer(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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
