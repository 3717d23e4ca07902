package checkout_test

import (
	"testing"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
)

// What a look finds may be somebody else's doing.
func TestWhatALookShowsIsHeldAgainstWhatWasAsked(t *testing.T) {
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
			within(t, func(t *testing.T, r *rig) {
				made, err := r.Create(t.Context(), tenant, checkout.CreateRequest{
					Amount: 900, Currency: "usd", PaymentMethod: "pm_ok", Confirm: tt.action != payment.Confirm, CaptureMethod: payment.CaptureManual, ReturnURL: "https://shop.example",
				}, idem.Key{})
				if err != nil {
					t.Fatal(err)
				}
				r.provider.failBefore(fails(fault.UnknownOutcome, 2, 3, 4, 5, 6, 7, 8, 9))
				r.provider.becomes(made.Payment.ProviderReference, tt.happens)
				ask := func() (checkout.Result, error) {
					id, k := made.Payment.ID, opKey(string(tt.action), "k")
					switch tt.action {
					case payment.Capture:
						return r.Capture(t.Context(), tenant, id, 500, k)
					case payment.Cancel:
						return r.Cancel(t.Context(), tenant, id, k)
					case payment.Create, payment.Confirm, payment.Refund:
					}
					return r.Confirm(t.Context(), tenant, id, checkout.ConfirmRequest{}, k)
				}
				res, err := ask()
				if err != nil || !res.Operation.Outcome.Open() {
					t.Fatalf("%+v, %v", res.Operation, err)
				}
				got := r.settled(t, made.Payment.ID, time.Minute)
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
