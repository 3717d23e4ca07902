package payments_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/tests/memjournal"
)

// another is a further process on the journal and at the providers of a rig.
func (r *rig) another(t *testing.T, owner string, change ...func(*payments.Options)) *payments.Service {
	t.Helper()
	s, _ := r.killable(t, owner, change...)
	return s
}

// killable is another that can be stopped before the test ends.
func (r *rig) killable(t *testing.T, owner string, change ...func(*payments.Options)) (s *payments.Service, stop func()) {
	t.Helper()
	o := payments.Options{
		Journal: r.journal, Events: r.provider, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: owner, Log: slog.New(slog.DiscardHandler),
	}
	for _, p := range r.all {
		o.Gateways = append(o.Gateways, p)
	}
	for _, c := range change {
		c(&o)
	}
	s = payments.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, stop
}

func opKey(action, value string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/payments/ID/"+action, value, nil)
}

func TestARepeatOfACreateBeginsNothingOnceThePaymentHasMovedOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		since   func(t *testing.T, r *rig, id string)
		status  payment.Status
		charges int
	}{
		{"confirmed under another key", func(t *testing.T, r *rig, id string) {
			t.Helper()
			if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "c")); err != nil {
				t.Fatal(err)
			}
		}, payment.Succeeded, 1},
		{"confirmed, and its answer lost", func(t *testing.T, r *rig, id string) {
			t.Helper()
			r.provider.failAfter(fails(fault.UnknownOutcome, r.provider.called()+1))
			r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
			if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "c")); err != nil {
				t.Fatal(err)
			}
		}, payment.Processing, 1},
		{"canceled", func(t *testing.T, r *rig, id string) {
			t.Helper()
			if _, err := r.Cancel(t.Context(), tenant, id, opKey("cancel", "c")); err != nil {
				t.Fatal(err)
			}
		}, payment.Canceled, 0},
		{"declined under another key", func(t *testing.T, r *rig, id string) {
			t.Helper()
			if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_declined"}, opKey("confirm", "c")); !fault.Is(err, fault.Declined) {
				t.Fatal(err)
			}
		}, payment.RequiresPaymentMethod, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.provider.failBefore(fails(fault.Unavailable, 1))
				first, err := r.pay(t, "k")
				if !fault.Is(err, fault.Unavailable) {
					t.Fatal(err)
				}
				tt.since(t, r, first.Payment.ID)
				again, err := r.pay(t, "k")
				if err != nil || !again.Replayed || again.Payment.ID != first.Payment.ID || again.Payment.Status != tt.status {
					t.Errorf("%+v, %v", again.Payment, err)
				}
				if got := r.provider.captured(); got != tt.charges {
					t.Errorf("%d charges", got)
				}
			})
		})
	}
}

// A process that was stopped for longer than its lease goes on with a refusal that says
// nothing of what the other process has asked meanwhile.
func TestOnlyWhoHoldsTheClaimEndsAnOperationByARefusal(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Unavailable, fault.RateLimited, fault.Unauthorized, fault.Refused, fault.Invalid} {
		t.Run(kind.String(), func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.another(t, "two")
				wake := make(chan struct{})
				r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
					if n == 1 {
						<-wake
						return fault.New(kind, "scripted", "")
					}
					return nil
				})
				r.provider.failAfter(func(context.Context, payment.Action, int) error {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				})
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || res.Payment.Status != payment.Processing {
					t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
				}
				<-time.After(time.Minute) // the lease is over, and the other has asked
				close(wake)
				<-time.After(time.Minute)
				if p := r.status(t, res.Payment.ID); p.Status != payment.Processing || r.all[1].called() > 0 {
					t.Fatalf("%s; the second provider was called %d times", p.Status, r.all[1].called())
				}
				r.provider.failAfter(nil)
				r.provider.cannotLook(nil)
				r.waitClosed(t, res.Payment.ID, time.Hour)
				if got := fmt.Sprint(r.charges()); got != "[1 0 0]" {
					t.Errorf("charges %s", got)
				}
			})
		})
	}
}

func TestRealAnswerIsMergedFromAnyProcess(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		wake := make(chan struct{})
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n == 1 {
				<-wake
				return nil
			}
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		res, _ := r.pay(t, "k")
		<-time.After(2 * time.Minute)
		close(wake)
		<-time.After(time.Second)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Errorf("%+v", p)
		}
	})
}

func TestAfterAnUnknownTryOnlyTheProvidersOwnObjectEndsIt(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 {
				return fault.New(fault.Declined, "scripted", "") // without an object: a page with status 402
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		res, _ := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 500, Currency: "usd", PaymentMethod: "pm_declined", Confirm: true}, key("k", "d"))
		<-time.After(time.Minute)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Processing {
			t.Fatalf("%s by a page", p.Status)
		}
		r.provider.failBefore(nil) // the answer to the first try, with its object
		if p := r.waitClosed(t, res.Payment.ID, time.Minute); p.Status != payment.RequiresPaymentMethod || p.Operations[0].Outcome != payment.Declined {
			t.Errorf("%+v", p)
		}
		if again, err := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 500, Currency: "usd", PaymentMethod: "pm_declined", Confirm: true}, key("k", "d")); !fault.Is(err, fault.Declined) || !again.Replayed {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

// What goes out for a caller's key is the same after an older store was put back.
func TestTheSameKeyInAnOlderStoreChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refund", "b")); err != nil {
			t.Fatal(err)
		}
		restored := r.another(t, "two", func(o *payments.Options) { o.Journal = memjournal.New(clock.System{}) })
		again, err := restored.Create(t.Context(), tenant, request(), key("k", "a"))
		if err != nil || again.Replayed || again.Payment.ID != first.Payment.ID || again.Payment.ProviderReference != first.Payment.ProviderReference {
			t.Errorf("%+v, %v", again.Payment, err)
		}
		if _, err := restored.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refund", "b")); err != nil {
			t.Error(err)
		}
		if r.provider.captured() != 1 || len(r.provider.refunds) != 1 {
			t.Errorf("%d charges, %d refunds", r.provider.captured(), len(r.provider.refunds))
		}
	})
}

func TestAnotherInstallationHasOtherKeys(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, _ := r.pay(t, "k")
		other := r.another(t, "two", func(o *payments.Options) {
			o.Journal, o.Secret = memjournal.New(clock.System{}), []byte("another")
		})
		again, err := other.Create(t.Context(), tenant, request(), key("k", "a"))
		if err != nil || again.Payment.ID == first.Payment.ID || again.Payment.Operations[0].ProviderKey == first.Payment.Operations[0].ProviderKey {
			t.Errorf("%+v, %v", again.Payment, err)
		}
	})
}

func TestAnObjectOfAnotherPaymentIsNeverAdopted(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		first, _ := r.pay(t, "k")
		key2 := key("l", "a")
		r.provider.failBefore(func(context.Context, payment.Action, int) error { // the provider answers with what it has
			r.provider.mu.Lock()
			defer r.provider.mu.Unlock()
			for k := range r.provider.byKey {
				r.provider.byKey["pbk_"+key2.Derive(nil, "operation", "pay_"+key2.Derive(nil, "payment", "0"), "create", "acme", "0")] = r.provider.byKey[k]
				break
			}
			return nil
		})
		res, err := r.Create(t.Context(), tenant, request(), key2)
		if err != nil || res.Payment.ProviderReference == first.Payment.ProviderReference || res.Payment.Status != payment.Processing {
			t.Fatalf("%+v, %v", res.Payment, err)
		}
		if p := r.status(t, res.Payment.ID); !p.NeedsReview || p.Reviews[0].Reason != payment.ReviewForeign {
			t.Errorf("%+v", p.Reviews)
		}
	})
}

func TestRepeatsNeverExhaustAPayment(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(t *testing.T, r *rig, id string) error{
		"repeat": func(t *testing.T, r *rig, _ string) error { t.Helper(); _, err := r.pay(t, "k"); return err },
		"confirm": func(t *testing.T, r *rig, id string) error {
			t.Helper()
			_, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, idempotency.Key{})
			return err
		},
		"cancel": func(t *testing.T, r *rig, id string) error {
			t.Helper()
			_, err := r.Cancel(t.Context(), tenant, id, idempotency.Key{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(fault.Unavailable))
				first, _ := r.pay(t, "k")
				id := first.Payment.ID
				for n := range 150 {
					if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
						t.Fatalf("repeat %d: %v", n, err)
					}
					if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", fmt.Sprint(n))); !fault.Is(err, fault.Unavailable) {
						t.Fatalf("confirm %d: %v", n, err)
					}
				}
				r.provider.failBefore(nil)
				if err := last(t, r, id); err != nil {
					t.Error(err)
				}
				if p := r.status(t, id); len(p.Operations) > 101 || p.Operations[0].Action != payment.Create {
					t.Errorf("%d operations", len(p.Operations))
				}
			})
		})
	}
}

// An outage uses up no look: once it is over, what is unknown is found at once.
func TestOnlyConclusiveLookupsCount(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		start := time.Now()
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 && time.Since(start) < 40*time.Minute {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		res, _ := r.pay(t, "k")
		<-time.After(40 * time.Minute)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Processing || p.Operations[0].Lookups != 0 {
			t.Fatalf("%+v", p.Operations[0])
		}
		r.provider.cannotLook(nil)
		if p := r.waitClosed(t, res.Payment.ID, time.Minute); p.Status != payment.Succeeded {
			t.Errorf("%+v", p)
		}
	})
}

func TestAnEventAppliesWhoeverHoldsTheClaim(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1, 2, 3))
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		res, _ := r.pay(t, "k")
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1"}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.Succeeded || p.Open() != nil {
			t.Errorf("%+v", p)
		}
	})
}
