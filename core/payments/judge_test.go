package payments_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
)

// What a look finds may be somebody else's doing.
func TestLookupEndsTheOperationOnlyIfItsResultMatches(t *testing.T) {
	for _, tt := range []struct {
		name    string
		action  payment.Action
		happens func(*payment.Intent)
		outcome payment.Outcome
	}{
		{"a capture, where another amount was captured", payment.Capture, func(i *payment.Intent) { i.Status, i.AmountCaptured, i.AmountCapturable = payment.Succeeded, 300, 0 }, payment.NotExecuted},
		{"a capture, where that amount was captured", payment.Capture, func(i *payment.Intent) { i.Status, i.AmountCaptured, i.AmountCapturable = payment.Succeeded, 500, 0 }, payment.Done},
		{"a cancel that was done, after a decline", payment.Cancel, func(i *payment.Intent) {
			i.Status, i.AmountCapturable, i.Failure = payment.Canceled, 0, &payment.Failure{Code: "card_declined"}
		}, payment.Done},
		{"a confirm, where the payment was canceled", payment.Confirm, func(i *payment.Intent) { i.Status = payment.Canceled }, payment.NotExecuted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				made, err := r.Create(t.Context(), tenant, payments.CreateRequest{
					Amount: 900, Currency: "usd", PaymentMethod: "pm_ok", Confirm: tt.action != payment.Confirm, CaptureMethod: payment.CaptureManual, ReturnURL: "https://shop.example",
				}, idempotency.Key{})
				if err != nil {
					t.Fatal(err)
				}
				r.provider.failBefore(fails(fault.UnknownOutcome, 2, 3, 4, 5, 6, 7, 8, 9))
				r.provider.becomes(made.Payment.ProviderReference, tt.happens)
				ask := func() (payments.Result, error) {
					id, k := made.Payment.ID, opKey(string(tt.action), "k")
					switch tt.action {
					case payment.Capture:
						return r.Capture(t.Context(), tenant, id, 500, k)
					case payment.Cancel:
						return r.Cancel(t.Context(), tenant, id, k)
					case payment.Create, payment.Confirm, payment.Refund:
					}
					return r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, k)
				}
				res, err := ask()
				if err != nil || !res.Operation.Outcome.Open() {
					t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
				}
				got := r.waitClosed(t, made.Payment.ID, time.Minute)
				if op := got.Operation(res.Operation.ID); op.Outcome != tt.outcome {
					t.Errorf("%+v, want %s", op, tt.outcome)
				}
				if _, err := ask(); tt.outcome == payment.Done && err != nil || tt.outcome == payment.NotExecuted && !fault.Is(err, fault.Conflict) {
					t.Errorf("a repeat is answered %v", err)
				}
			})
		})
	}
}

// declined is what the buyer's own try in the browser comes to.
func declined(i *payment.Intent) {
	i.Status, i.Failure = payment.RequiresPaymentMethod, &payment.Failure{Code: "card_declined"}
}

// toConfirm makes a payment that is to be confirmed here, and gives what confirms it, the
// first time and each time again. The provider says nothing to the calls before the last
// one, and does nothing; the last one charges, once something else has happened.
func (r *rig) toConfirm(t *testing.T, last int, happens func(id string)) (id string, confirm func() error) {
	t.Helper()
	create := request()
	create.Confirm, create.Confirmation = false, payment.ConfirmServer
	made, err := r.Create(t.Context(), tenant, create, key("k", "a"))
	if err != nil || made.Payment.Status != payment.RequiresConfirmation {
		t.Fatalf("status = %q, error %v; want %q", made.Payment.Status, err, payment.RequiresConfirmation)
	}
	id = made.Payment.ID
	r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
		switch n--; {
		case n < last:
			return fault.New(fault.UnknownOutcome, "scripted", "")
		case n == last:
			happens(id)
		}
		return nil
	})
	return id, func() error {
		_, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_ok"}, opKey("confirm", "c"))
		return err
	}
}

// charged fails unless a confirm has charged, and its caller is told so.
func (r *rig) charged(t *testing.T, id string, confirm func() error) {
	t.Helper()
	if err := confirm(); err != nil {
		t.Errorf("the first answer: %v", err)
	}
	p := r.waitClosed(t, id, 3*time.Minute)
	if op := p.Operations[1]; p.Status != payment.Succeeded || op.Outcome != payment.Done || r.provider.captured() != 1 {
		t.Errorf("%s, the confirm %s, %d charges", p.Status, op.Outcome, r.provider.captured())
	}
	if err := confirm(); err != nil {
		t.Errorf("repeated: %v", err)
	}
}

// A buyer whose own try in the browser is declined while the confirm is under way has paid
// once the confirm has charged, and so its caller is told.
func TestDeclineOfAnotherTryDoesNotEndConfirmInProgress(t *testing.T) {
	t.Parallel()
	byEvent := func(ctx context.Context, r *rig, _ string) error {
		_, err := r.ApplyWebhook(ctx, webhook.Event{Provider: "acme", ID: "pi_1"})
		return err
	}
	bySync := func(ctx context.Context, r *rig, id string) error {
		_, err := r.Sync(ctx, tenant, id)
		return err
	}
	for _, tt := range []struct {
		name string
		last int // the call that charges
		tell func(ctx context.Context, r *rig, id string) error
	}{
		{"by its event, during the first call", 1, byEvent},
		{"by its event, while the call is repeated", 2, byEvent},
		{"by a sync, during the first call", 1, bySync},
		{"by a sync, while the call is repeated", 2, bySync},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				id, confirm := r.toConfirm(t, tt.last, func(id string) {
					r.provider.becomes("pi_1", declined)
					if err := tt.tell(t.Context(), r, id); err != nil {
						t.Error(err)
					}
				})
				r.charged(t, id, confirm)
			})
		})
	}
}

// A process that is stopped while it looks is told of the decline when another one has the
// claim, and calls.
func TestLookupOfStoppedProcessDoesNotEndConfirmInProgress(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.another(t, "two")
		wake := make(chan struct{})
		id, confirm := r.toConfirm(t, 3, func(string) {
			r.provider.becomes("pi_1", declined)
			close(wake)
			<-time.After(5 * time.Second)
		})
		var looks atomic.Int64
		r.provider.mu.Lock()
		r.provider.looked = func() {
			if looks.Add(1) == 1 {
				<-wake
			}
		}
		r.provider.mu.Unlock()
		r.charged(t, id, confirm)
	})
}
