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

// The copy has the payment with its object at the provider, and in the state from before.
func TestWhatAnOlderCopyShowsIsAskedAbout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request func(*payments.CreateRequest)
		since   func(t *testing.T, s *payments.Service, id string) error
		want    payment.Status
		again   func(t *testing.T, s *payments.Service, id string) error // what only the state since allows
	}{
		"declined, and confirmed since": {
			func(r *payments.CreateRequest) { r.PaymentMethod = "pm_declined" },
			func(t *testing.T, s *payments.Service, id string) error {
				_, err := s.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_ok"}, opKey("confirm", "c"))
				return err
			},
			payment.Succeeded,
			refunds,
		},
		"reserved, and captured since": {
			func(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			func(t *testing.T, s *payments.Service, id string) error {
				_, err := s.Capture(t.Context(), tenant, id, 0, opKey("capture", "c"))
				return err
			},
			payment.Succeeded,
			refunds,
		},
		"reserved, and canceled since": {
			func(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			func(t *testing.T, s *payments.Service, id string) error {
				_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
				return err
			},
			payment.Canceled,
			nil,
		},
	} {
		for when, age := range map[string]time.Duration{"made a minute before": time.Minute, "made days before": 100 * time.Hour} {
			t.Run(name+", "+when, func(t *testing.T) {
				onVirtualTime(t, func(t *testing.T, r *rig) {
					req := request()
					tt.request(&req)
					first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
					<-time.After(age) // after days it is not among what is read from its provider
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

// refunds gives 1.00 of a payment back.
func refunds(t *testing.T, s *payments.Service, id string) error {
	t.Helper()
	_, err := s.Refund(t.Context(), tenant, id, 100, opKey("refunds", "r"))
	return err
}

func TestAnOutdatedPaymentIsAskedAboutOnce(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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

// A payment that the copy does not have is in the store as its provider has it.
func TestWhatAnOlderCopyDoesNotHaveIsMadeOfWhatItsProviderHas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request func(*payments.CreateRequest)
		since   func(t *testing.T, s *payments.Service, id string) error
		kind    fault.Kind // of the answer to its key
	}{
		"paid":             {},
		"declined":         {request: func(r *payments.CreateRequest) { r.PaymentMethod = "pm_declined" }, kind: fault.Declined},
		"reserved":         {request: func(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual }},
		"refunded in part": {since: refunds},
		"captured in part, and refunded": {
			request: func(r *payments.CreateRequest) { r.CaptureMethod = payment.CaptureManual },
			since: func(t *testing.T, s *payments.Service, id string) error {
				if _, err := s.Capture(t.Context(), tenant, id, 700, opKey("capture", "c")); err != nil {
					return err
				}
				return refunds(t, s, id)
			},
		},
		"canceled": {
			request: func(r *payments.CreateRequest) { r.Confirm = false },
			since: func(t *testing.T, s *payments.Service, id string) error {
				_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
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
				s := r.restored(t, memjournal.New(clock.System{}))
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

// An unconfirmed payment that is to be captured later.
func TestWhatIsReadAgainIsShownAsItWasAskedFor(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		c0 := cloned(t, r.journal)
		req := payments.CreateRequest{
			Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok", CaptureMethod: payment.CaptureManual, Confirmation: payment.ConfirmServer,
			ExpiresAt: time.Now().Add(time.Hour),
		}
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		s := r.begins(t, c0, true, "a")
		<-time.After(3 * time.Minute)
		again, err := s.Create(t.Context(), tenant, req, key("k", "a"))
		if p := again.Payment; err != nil || p.CaptureMethod != first.Payment.CaptureMethod || p.Confirmation != first.Payment.Confirmation || !p.ExpiresAt.Equal(first.Payment.ExpiresAt) {
			t.Errorf("capture %q, was %q; confirmation %q, was %q; expires %s, was %s, %v", p.CaptureMethod, first.Payment.CaptureMethod,
				p.Confirmation, first.Payment.Confirmation, p.ExpiresAt, first.Payment.ExpiresAt, err)
		}
	})
}
