package checkout_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/checkout"
	"patchbay/core/event"
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

// What was made of payments that the copy has, and does not know to have reached a provider.
func TestWhatWasMadeSinceIsTakenIntoTheCopy(t *testing.T) {
	t.Parallel()
	confirm := func(t *testing.T, s *checkout.Service, id string) error {
		_, err := s.Confirm(t.Context(), tenant, id, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		return err
	}
	cancel := func(t *testing.T, s *checkout.Service, id string) error {
		_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
		return err
	}
	for age, afters := range map[time.Duration][]time.Duration{
		time.Minute:     {0, time.Second, 2 * time.Minute, 100 * time.Hour},
		76 * time.Hour:  {0, 2 * time.Minute},
		200 * time.Hour: {2 * time.Minute},
	} {
		for _, after := range afters {
			for name, act := range map[string]func(*testing.T, *checkout.Service, string) error{"confirm": confirm, "cancel": cancel} {
				t.Run(fmt.Sprintf("a copy of %s, %s, %s after", age, name, after), func(t *testing.T) {
					within(t, func(t *testing.T, r *rig) {
						r.provider.failBefore(fails(fault.Unavailable, 1))
						first, _ := r.pay(t, "k")
						older := r.backup(t, first.Payment.ID)
						r.paid(t)
						<-time.After(age)
						r.provider.forgets()
						s := r.restored(t, older)
						<-time.After(after)
						synctest.Wait()
						if err := act(t, s, first.Payment.ID); err == nil && name == "cancel" {
							t.Error("it is canceled")
						}
						<-time.After(2 * time.Minute)
						if n := r.provider.captured(); n != 1 {
							t.Errorf("%d charges", n)
						}
						if p, err := s.Get(t.Context(), tenant, first.Payment.ID); err != nil || p.Status != payment.Succeeded {
							t.Errorf("it is %s (%+v), %v", p.Status, p.Error, err)
						}
					})
				})
			}
		}
	}
}

func TestWhatAnOldCopyHasOpenTakesWhatWasMade(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{time.Minute, 100 * time.Hour} {
		for _, blind := range []time.Duration{0, 76 * time.Hour} {
			t.Run(fmt.Sprintf("a copy of %s, known after %s", age, blind), func(t *testing.T) {
				among(t, three, func(t *testing.T, r *rig) {
					older, first := r.failedOver(t)
					<-time.After(age)
					r.provider.forgets()
					if blind > 0 {
						r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
					}
					s := r.restored(t, older)
					<-time.After(blind)
					r.all[1].cannotLook(nil)
					<-time.After(3 * time.Minute)
					p, err := s.Get(t.Context(), tenant, first.ID)
					if err != nil || p.Status != payment.Succeeded || p.ProviderReference != first.ProviderReference {
						t.Errorf("it is %s (%+v, %s), %v", p.Status, p.Error, route(p), err)
					}
					if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
						t.Errorf("charges %s", got)
					}
				})
			})
		}
	}
}

// The process that had the store before was killed in its call. The provider does what was
// asked for when it has been read what it holds.
func TestWhatWasUnderWayWhenTheStoreWasPutBackIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{time.Second, 20 * time.Second, 29 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			among(t, three, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(fault.Unavailable))
				r.all[1].failBefore(func(context.Context, payment.Action, int) error {
					<-time.After(late)
					return nil
				})
				older := memjournal.New(sys.Clock{}) // from before the payment
				r.copied = time.Now()
				go func() { _, _ = r.Create(t.Context(), tenant, everywhere(), key("k", "a")) }()
				synctest.Wait()
				r.provider.failBefore(nil)
				s := r.restored(t, older)
				var again checkout.Result
				var err error
				for range 100 {
					if again, err = s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err == nil {
						break
					}
					<-time.After(time.Second)
				}
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" || again.Payment.Provider != "second" {
					t.Errorf("charges %s, at %s, %v", got, again.Payment.Provider, err)
				}
			})
		})
	}
}

func TestWithOneProviderPaymentsAreMadeAsSoonAsItHasTold(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		s := r.restored(t, memjournal.New(sys.Clock{}))
		<-time.After(time.Second)
		if res, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil || res.Payment.Status != payment.Succeeded {
			t.Errorf("%+v, %v", res.Payment, err)
		}
	})
}

// However the clock is set meanwhile.
func TestPaymentsAreMadeAMinuteAfterTheStart(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour, -100 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			among(t, three, func(t *testing.T, r *rig) {
				clock := &skewed{}
				s := r.restored(t, memjournal.New(sys.Clock{}), func(o *checkout.Options) { o.Clock = clock })
				<-time.After(time.Second)
				clock.set(by)
				if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != "restored_store" {
					t.Errorf("at once: %v", err)
				}
				<-time.After(61 * time.Second)
				if res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil || res.Payment.Status != payment.Succeeded {
					t.Errorf("%+v, %v", res.Payment, err)
				}
			})
		})
	}
}

// What an older copy shows of payments that have an object at their provider.
func TestWhatAnOlderCopyShowsIsAskedAbout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request func(*checkout.CreateRequest)
		since   func(t *testing.T, s *checkout.Service, id string) error
		want    payment.Status
		again   func(t *testing.T, s *checkout.Service, id string) error // what only the state since allows
	}{
		"declined, and confirmed since": {
			func(r *checkout.CreateRequest) { r.PaymentMethod = "pm_declined" },
			func(t *testing.T, s *checkout.Service, id string) error {
				_, err := s.Confirm(t.Context(), tenant, id, checkout.ConfirmRequest{PaymentMethod: "pm_ok"}, opKey("confirm", "c"))
				return err
			},
			payment.Succeeded,
			refunds,
		},
		"reserved, and captured since": {
			func(r *checkout.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			func(t *testing.T, s *checkout.Service, id string) error {
				_, err := s.Capture(t.Context(), tenant, id, 0, opKey("capture", "c"))
				return err
			},
			payment.Succeeded,
			refunds,
		},
		"reserved, and canceled since": {
			func(r *checkout.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			func(t *testing.T, s *checkout.Service, id string) error {
				_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
				return err
			},
			payment.Canceled,
			nil,
		},
	} {
		for _, age := range []time.Duration{time.Minute, 100 * time.Hour} {
			t.Run(fmt.Sprintf("%s, %s ago", name, age), func(t *testing.T) {
				within(t, func(t *testing.T, r *rig) {
					req := request()
					tt.request(&req)
					first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
					<-time.After(age) // so that no walk through what is new finds it
					older := r.backup(t, first.Payment.ID)
					if err := tt.since(t, r.Service, first.Payment.ID); err != nil {
						t.Fatal(err)
					}
					s := r.restored(t, older)
					<-time.After(2 * time.Minute) // keys that have expired are given up
					if tt.again != nil {
						if err := tt.again(t, s, first.Payment.ID); err != nil {
							t.Errorf("what is possible now: %v", err)
						}
					}
					_, _ = s.Get(t.Context(), tenant, first.Payment.ID)
					<-time.After(time.Second)
					if p, err := s.Get(t.Context(), tenant, first.Payment.ID); err != nil || p.Status != tt.want {
						t.Errorf("it is %s, %v", p.Status, err)
					}
				})
			})
		}
	}
}

func refunds(t *testing.T, s *checkout.Service, id string) error {
	t.Helper()
	_, err := s.Refund(t.Context(), tenant, id, 100, opKey("refunds", "r"))
	return err
}

func TestAnOutdatedPaymentIsAskedAboutOnce(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		<-time.After(100 * time.Hour)
		older := r.backup(t, p.ID)
		s := r.restored(t, older)
		<-time.After(5 * time.Minute)
		looks := r.provider.sightings()
		for range 5 {
			if _, err := s.Get(t.Context(), tenant, p.ID); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if n := len(looks()); n != 1 {
			t.Errorf("it was asked about %d times", n)
		}
	})
}

// Events of the provider that was paid come before it is known that it was.
func TestAnEventOfAPaymentThatTheCopyHasElsewhere(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		r.all[2].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.restored(t, older, func(o *checkout.Options) { o.Events = r.all[1] })
		e := event.Webhook{Provider: "second", ID: first.ProviderReference}
		if _, err := s.ApplyWebhook(t.Context(), e); fault.From(err).Code != "restored_store" {
			t.Errorf("before anything is known: %v", err)
		}
		r.all[2].cannotLook(nil)
		<-time.After(3 * time.Minute)
		if _, err := s.ApplyWebhook(t.Context(), e); err != nil {
			t.Errorf("when it is known: %v", err)
		}
		if p, err := s.Get(t.Context(), tenant, first.ID); err != nil || p.Status != payment.Succeeded || p.NeedsReview {
			t.Errorf("it is %s, needs review: %t, %v", p.Status, p.NeedsReview, err)
		}
	})
}

// A key that was used anew when its first use had expired: its last use is the answer, however
// long ago that was. Nobody knows any more when it has expired.
func TestAnOlderCopyDoesNotKnowOfAKeysUses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ between, later time.Duration }{
		{74 * time.Hour, time.Hour},
		{100 * time.Hour, time.Hour},
		{100 * time.Hour, 60 * time.Hour},
		{100 * time.Hour, 90 * time.Hour},
	} {
		t.Run(fmt.Sprintf("used after %s, put back %s later", tt.between, tt.later), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.copied = time.Now()
				first := r.paid(t)
				<-time.After(tt.between)
				second := r.paid(t)
				if first.ID == second.ID {
					t.Fatal("the key has not expired")
				}
				<-time.After(tt.later)
				r.provider.forgets()
				s := r.restored(t, memjournal.New(sys.Clock{}))
				<-time.After(2 * time.Minute)
				again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				if err != nil || again.Payment.ID != second.ID || r.provider.captured() != 2 {
					t.Errorf("%s of %s and %s, %d charges, %v", again.Payment.ID, first.ID, second.ID, r.provider.captured(), err)
				}
			})
		})
	}
}

// That everything was taken in is kept once. A process that starts later than callers have
// keys from before looks if it is not.
func TestItIsKeptThatWhatTheProvidersHoldWasTakenIn(t *testing.T) {
	t.Parallel()
	for _, recalled := range []bool{false, true} {
		t.Run(fmt.Sprintf("recalled: %t", recalled), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				restore := checkout.Restore{At: time.Now(), Recalled: recalled}
				<-time.After(100 * time.Hour)
				kept := 0
				pages := r.provider.pages
				r.another(t, "two", func(o *checkout.Options) {
					o.Restored = func() checkout.Restore { return restore }
					o.Recalled = func(_ context.Context, at time.Time) error {
						if kept++; kept == 1 || !at.Equal(restore.At) {
							return fault.New(fault.Unavailable, "scripted", "")
						}
						return nil
					}
				})
				<-time.After(time.Hour)
				if looked := r.provider.pages > pages; looked == recalled || !recalled && kept != 2 || recalled && kept != 0 {
					t.Errorf("it was looked: %t; it was kept %d times", looked, kept)
				}
			})
		})
	}
}

// A payment that the copy does not have is in the store as its provider has it.
func TestWhatAnOlderCopyDoesNotHaveIsMadeOfWhatItsProviderHas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request func(*checkout.CreateRequest)
		since   func(t *testing.T, s *checkout.Service, id string) error
		kind    fault.Kind // of the answer to its key
	}{
		"paid":             {},
		"declined":         {request: func(r *checkout.CreateRequest) { r.PaymentMethod = "pm_declined" }, kind: fault.Declined},
		"reserved":         {request: func(r *checkout.CreateRequest) { r.CaptureMethod = payment.CaptureManual }},
		"refunded in part": {since: refunds},
		"captured in part, and refunded": {
			request: func(r *checkout.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			since: func(t *testing.T, s *checkout.Service, id string) error {
				if _, err := s.Capture(t.Context(), tenant, id, 700, opKey("capture", "c")); err != nil {
					return err
				}
				return refunds(t, s, id)
			},
		},
		"canceled": {
			request: func(r *checkout.CreateRequest) { r.Confirm = false },
			since: func(t *testing.T, s *checkout.Service, id string) error {
				_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				req := request()
				req.Metadata = map[string]string{"order": "7"}
				if tt.request != nil {
					tt.request(&req)
				}
				first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
				if tt.since != nil {
					if err := tt.since(t, r.Service, first.Payment.ID); err != nil {
						t.Fatal(err)
					}
				}
				was := r.status(t, first.Payment.ID)
				r.copied = time.Now()
				r.provider.forgets()
				s := r.restored(t, memjournal.New(sys.Clock{}))
				<-time.After(2 * time.Minute)
				p, err := s.Get(t.Context(), tenant, was.ID)
				same := p.Status == was.Status && p.Amount == was.Amount && p.Currency == was.Currency && p.AmountCaptured == was.AmountCaptured &&
					p.AmountRefunded == was.AmountRefunded && p.AmountCapturable == was.AmountCapturable && len(p.Refunds) == len(was.Refunds) &&
					p.Metadata["order"] == "7" && len(p.Metadata) == 1 && !p.NeedsReview && p.CreatedAt.Equal(r.provider.intents[p.ProviderReference].CreatedAt)
				if err != nil || !same {
					t.Errorf("%+v, was %+v, %v", p, was, err)
				}
				for range 2 {
					again, err := s.Create(t.Context(), tenant, req, key("k", "a"))
					if again.Payment.ID != was.ID || !again.Replayed || tt.kind == 0 && err != nil || tt.kind != 0 && !fault.Is(err, tt.kind) {
						t.Errorf("its key is answered %+v, %v", again, err)
					}
				}
				if n := len(r.provider.intents); n != 1 {
					t.Errorf("%d intents", n)
				}
			})
		})
	}
}
