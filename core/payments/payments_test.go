package payments_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/tests/memjournal"
)

func TestPaymentSucceeds(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, err := r.pay(t, "k")
		if err != nil || res.Payment.Status != payment.Succeeded {
			t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
		}
		if got := res.Payment.AmountCaptured; got != 1250 {
			t.Errorf("amount captured = %d, want 1250", got)
		}
		if res.Replayed {
			t.Error("the first answer is marked as replayed")
		}
		again, err := r.pay(t, "k")
		if err != nil || again.Payment.ID != res.Payment.ID {
			t.Fatalf("repeat: payment = %s, error %v; want %s", again.Payment.ID, err, res.Payment.ID)
		}
		if !again.Replayed {
			t.Error("the repeat is not marked as replayed")
		}
		if got := r.provider.captured(); got != 1 {
			t.Errorf("charges = %d, want 1", got)
		}
		if _, err := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 99, Currency: "eur"}, key("k", "b")); fault.From(err).Code != idempotency.CodeMismatch {
			t.Fatalf("other body: %v", err)
		}
	})
}

func TestFiftyRequestsUnderOneKeyMakeOneCharge(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			<-time.After(50 * time.Millisecond)
			return nil
		})
		var all sync.WaitGroup
		var paid, refused atomic.Int64
		for range 50 {
			all.Go(func() {
				switch _, err := r.pay(t, "k"); {
				case err == nil:
					paid.Add(1)
				case fault.From(err).Code == idempotency.CodeInFlight:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if r.provider.captured() != 1 || r.provider.called() != 1 || paid.Load() != 1 || refused.Load() != 49 {
			t.Fatalf("%d charges in %d calls; %d paid, %d in flight", r.provider.captured(), r.provider.called(), paid.Load(), refused.Load())
		}
	})
}

func TestReplayIsTheFirstAnswerWhateverCameLater(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		if _, err := r.Refund(t.Context(), tenant, res.Payment.ID, 0, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		again, err := r.pay(t, "k")
		if err != nil || again.Payment.AmountRefunded != 0 {
			t.Fatalf("amount refunded in the repeat = %d, error %v; want 0", again.Payment.AmountRefunded, err)
		}
		if got := r.status(t, res.Payment.ID).AmountRefunded; got != 1250 {
			t.Errorf("amount refunded now = %d, want 1250", got)
		}
	})
}

func TestDeclineIsReplayed(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		for n := range 2 {
			res, err := r.Create(t.Context(), tenant, payments.CreateRequest{
				Amount: 500, Currency: "usd", PaymentMethod: "pm_declined", Confirm: true,
			}, key("k", "d"))
			f := fault.From(err)
			if f.Kind != fault.Declined || f.DeclineCode != "generic_decline" || res.Payment.Status != payment.RequiresPaymentMethod || res.Replayed != (n == 1) {
				t.Fatalf("%+v, %v", res, err)
			}
		}
		if r.provider.called() != 1 {
			t.Fatalf("%d calls", r.provider.called())
		}
	})
}

func TestProvedNotExecutedTriesAgainUnderTheSameKey(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.RateLimited, fault.Unauthorized, fault.QuotaExceeded, fault.Overloaded} {
		t.Run(kind.String(), func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.provider.failBefore(fails(kind, 1))
				res, err := r.pay(t, "k")
				if fault.KindOf(err) != kind || res.Payment.Status != payment.RequiresConfirmation {
					t.Fatalf("%+v, %v", res.Payment, err)
				}
				again, err := r.pay(t, "k")
				if err != nil || again.Payment.ID != res.Payment.ID || again.Payment.Status != payment.Succeeded || r.provider.captured() != 1 {
					t.Fatalf("%+v, %v", again, err)
				}
				before, after := res.Payment.Operations, again.Payment.Operations
				if len(after) != 1 || after[0].Tries != 2 || after[0].ProviderKey != before[0].ProviderKey {
					t.Fatalf("one operation must show, tried twice under one provider key: %+v", after)
				}
			})
		})
	}
}

func TestUnknownOutcomeEndsByTheSameKey(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		res, err := r.pay(t, "k")
		if err != nil || !res.Operation.Outcome.Open() || res.Payment.Status != payment.Processing {
			t.Fatalf("%+v, %v", res, err)
		}
		p := r.waitClosed(t, res.Payment.ID, 2*time.Second) // at once, not when the lease has run out
		if p.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Fatalf("%+v, %d charges", p, r.provider.captured())
		}
	})
}

// Once a try was unknown, "unavailable" proves nothing any more.
func TestUnknownIsSticky(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		kinds := []fault.Kind{fault.Unavailable, fault.Unauthorized, fault.RateLimited, fault.Refused, fault.Invalid, fault.Conflict, fault.NotFound, fault.Declined}
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 && n < 20 {
				return fault.New(kinds[n%len(kinds)], "scripted", "")
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unauthorized, "scripted", ""))
		res, _ := r.pay(t, "k")
		<-time.After(30 * time.Second)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Processing {
			t.Fatalf("status %s while the outcome is unknown", p.Status)
		}
		again, err := r.pay(t, "k")
		if err != nil || !again.Replayed || again.Payment.Status != payment.Processing {
			t.Fatalf("repeat while unknown: %+v, %v", again, err)
		}
		if p := r.waitClosed(t, res.Payment.ID, time.Hour); p.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Fatalf("%+v, %d charges", p, r.provider.captured())
		}
	})
}

func TestAgedOperationIsLookedUpAndNotRepeated(t *testing.T) {
	tests := []struct {
		name      string
		committed bool
		want      payment.Status
		within    time.Duration
	}{
		{"found by its metadata", true, payment.Succeeded, 2 * time.Hour},
		{"absent for more than an hour", false, payment.Canceled, 2 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				hook := &r.provider.before
				if tt.committed {
					hook = &r.provider.after
				}
				*hook = func(context.Context, payment.Action, int) error {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				res, _ := r.pay(t, "k")
				<-time.After(16 * time.Minute)
				calls := r.provider.called()
				p := r.waitClosed(t, res.Payment.ID, tt.within)
				if p.Status != tt.want {
					t.Fatalf("status %s, want %s", p.Status, tt.want)
				}
				if r.provider.called() != calls {
					t.Fatalf("%d calls after 15 minutes", r.provider.called()-calls)
				}
			})
		})
	}
}

func TestCrashBetweenCallAndSave(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.failNth(memjournal.Save, 2, fault.Internal) // the outcome
		res, err := r.pay(t, "k")
		if err != nil || res.Payment.Status != payment.Processing {
			t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
		}
		p := r.waitClosed(t, res.Payment.ID, 2*time.Minute)
		if p.Status != payment.Succeeded || r.provider.captured() != 1 || r.provider.called() != 2 {
			t.Fatalf("%+v after %d calls, %d charges", p, r.provider.called(), r.provider.captured())
		}
	})
}

func TestLostAnswersOfTheJournal(t *testing.T) {
	for i, name := range []string{"of the intent", "of the outcome"} {
		nth := int64(i + 1)
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.failNth(memjournal.Saved, nth, fault.UnknownOutcome)
				res, err := r.pay(t, "k")
				if err != nil || res.Payment.Status != payment.Succeeded || r.provider.captured() != 1 {
					t.Fatalf("%+v, %v, %d charges", res.Payment, err, r.provider.captured())
				}
			})
		})
	}
}

func TestNoIntentStoredNoCall(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.failNth(memjournal.Save, 1, fault.Unavailable)
		if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) || r.provider.called() != 0 {
			t.Fatalf("%v, %d calls", err, r.provider.called())
		}
	})
}

func TestAnswersWithinEightSeconds(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(func(ctx context.Context, _ payment.Action, n int) error {
			if n == 1 {
				<-time.After(20 * time.Second)
			}
			return nil
		})
		start := time.Now()
		res, err := r.pay(t, "k")
		if took := time.Since(start); took != 8*time.Second || err != nil || res.Payment.Status != payment.Processing {
			t.Fatalf("after %s: %+v, %v", took, res.Payment, err)
		}
		p := r.waitClosed(t, res.Payment.ID, 15*time.Second)
		if p.Status != payment.Succeeded || r.provider.called() != 1 {
			t.Fatalf("%+v, %d calls", p, r.provider.called())
		}
	})
}

func TestOperationsBlockEachOther(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		unknown := fault.New(fault.UnknownOutcome, "", "")
		r.provider.failAfter(func(context.Context, payment.Action, int) error { return unknown })
		r.provider.cannotLook(unknown)
		first, err := r.Refund(t.Context(), tenant, res.Payment.ID, 1000, key("r1", ""))
		if err != nil || !first.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", first.Operation.Outcome, err)
		}
		if _, err := r.Refund(t.Context(), tenant, res.Payment.ID, 250, key("r2", "")); fault.From(err).Code != "operation_in_progress" {
			t.Fatalf("second refund while the first is unknown: %v", err)
		}
		r.provider.failAfter(nil)
		r.provider.cannotLook(nil)
		if p := r.waitClosed(t, res.Payment.ID, time.Minute); p.AmountRefunded != 1000 || len(r.provider.refunds) != 1 {
			t.Fatalf("%+v, %d refunds", p, len(r.provider.refunds))
		}
		if _, err := r.Refund(t.Context(), tenant, res.Payment.ID, 251, idempotency.Key{}); fault.From(err).Code != "amount_too_large" {
			t.Fatalf("beyond what is left: %v", err)
		}
	})
}

func TestCapture(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, err := r.Create(t.Context(), tenant, payments.CreateRequest{
			Amount: 900, Currency: "gbp", PaymentMethod: "pm_ok", Confirm: true, CaptureMethod: payment.CaptureManual,
		}, idempotency.Key{})
		if err != nil || res.Payment.Status != payment.RequiresCapture {
			t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.RequiresCapture)
		}
		id := res.Payment.ID
		if _, err := r.Capture(t.Context(), tenant, id, 901, idempotency.Key{}); fault.From(err).Code != "amount_too_large" {
			t.Fatalf("too much: %v", err)
		}
		done, err := r.Capture(t.Context(), tenant, id, 400, key("c", ""))
		if err != nil || done.Payment.Status != payment.Succeeded || done.Payment.AmountCaptured != 400 {
			t.Fatalf("%+v, %v", done.Payment, err)
		}
		again, err := r.Capture(t.Context(), tenant, id, 400, key("c", ""))
		if err != nil || !again.Replayed {
			t.Fatalf("repeat: %+v, %v", again, err)
		}
		if _, err := r.Capture(t.Context(), tenant, id, 0, idempotency.Key{}); fault.From(err).Code != "unexpected_state" {
			t.Fatalf("twice: %v", err)
		}
	})
}

func TestConfirmAndCancel(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		open := func() string {
			res, err := r.Create(t.Context(), tenant, payments.CreateRequest{
				Amount: 900, Currency: "usd", PaymentMethod: "pm_ok", Confirmation: payment.ConfirmServer,
			}, idempotency.Key{})
			if err != nil || res.Payment.Status != payment.RequiresConfirmation {
				t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.RequiresConfirmation)
			}
			return res.Payment.ID
		}
		if done, err := r.Confirm(t.Context(), tenant, open(), payments.ConfirmRequest{}, idempotency.Key{}); err != nil || done.Payment.Status != payment.Succeeded {
			t.Fatalf("status = %q, error %v; want %q", done.Payment.Status, err, payment.Succeeded)
		}
		id := open()
		if done, err := r.Cancel(t.Context(), tenant, id, idempotency.Key{}); err != nil || done.Payment.Status != payment.Canceled {
			t.Fatalf("status = %q, error %v; want %q", done.Payment.Status, err, payment.Canceled)
		}
		if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, idempotency.Key{}); fault.From(err).Code != "unexpected_state" {
			t.Fatalf("confirm after cancel: %v", err)
		}
	})
}

func TestWebhooks(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(func(_ context.Context, _ payment.Action, n int) error {
			if n == 1 { // the event is here before the answer
				if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1"}); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		res, err := r.pay(t, "k")
		if err != nil || res.Payment.Status != payment.Succeeded {
			t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
		}
		before := r.status(t, res.Payment.ID)
		for _, status := range []payment.Status{"", payment.RequiresPaymentMethod, payment.Succeeded} {
			if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1", Type: string(status)}); err != nil {
				t.Fatal(err)
			}
		}
		if after := r.status(t, res.Payment.ID); !after.UpdatedAt.Equal(before.UpdatedAt) {
			t.Fatalf("late and repeated events changed the payment: %+v", after)
		}
	})
}

func TestEventChangesOnlyPaymentsOfItsAccount(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 900, Currency: "usd", PaymentMethod: "pm_ok"}, idempotency.Key{})
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "other", ID: "pi_1", Type: "canceled"}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.RequiresConfirmation {
			t.Fatalf("another account's event made the payment %s", p.Status)
		}
	})
}

func TestStaleEventAsksForThePresentState(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 900, Currency: "usd", PaymentMethod: "pm_ok"}, idempotency.Key{})
		r.provider.intents["pi_1"].Status = payment.RequiresAction
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1", Type: "requires_payment_method"}); err != nil {
			t.Fatal(err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.RequiresAction {
			t.Fatalf("status %s, want the provider's present one", p.Status)
		}
	})
}
