package payments_test

import (
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

func (r *till) hold(t *testing.T, amount int64, c money.Currency) (payments.Result, error) {
	t.Helper()
	return r.Create(t.Context(), tenant, payments.CreateRequest{
		Amount: amount, Currency: c, PaymentMethod: "pm_card_visa", Confirm: true, CaptureMethod: payment.CaptureManual,
	}, idempotency.Key{})
}

// What Stripe cannot express is refused before any provider is asked.
func TestAmountsThatTheCurrencyDoesNotHaveAreInvalid(t *testing.T) {
	t.Parallel()
	atTheTill(t, func(t *testing.T, r *till) {
		wantRefused := func(what string, err error) {
			t.Helper()
			if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Code != "amount_too_precise" || f.Param != "amount" {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := r.hold(t, 35_201, "kwd")
		wantRefused("create", err)
		held, err := r.hold(t, 35_200, "kwd")
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Capture(t.Context(), tenant, held.Payment.ID, 101, idempotency.Key{})
		wantRefused("capture", err)
		if _, err = r.Capture(t.Context(), tenant, held.Payment.ID, 0, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		_, err = r.Refund(t.Context(), tenant, held.Payment.ID, 101, idempotency.Key{})
		wantRefused("refund", err)
		if n := len(r.gateway.asked); n != 2 {
			t.Errorf("the provider was asked %d times, want for the create and the capture", n)
		}
	})
}

// A provider that counts otherwise must know of which currency a part is.
func TestPartialAmountIsSentWithItsCurrency(t *testing.T) {
	t.Parallel()
	atTheTill(t, func(t *testing.T, r *till) {
		held, err := r.hold(t, 900, "isk")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = r.Capture(t.Context(), tenant, held.Payment.ID, 500, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		given, err := r.Refund(t.Context(), tenant, held.Payment.ID, 100, idempotency.Key{})
		if err != nil || given.Payment.AmountCaptured != 500 || given.Payment.AmountRefunded != 100 {
			t.Fatalf("%+v, %v", given.Payment, err)
		}
		capture, refund := r.gateway.asked[1].(payment.CaptureRequest), r.gateway.asked[2].(payment.RefundRequest)
		if capture.Amount != 500 || capture.Currency != "isk" || refund.Amount != 100 || refund.Currency != "isk" {
			t.Errorf("asked for %+v and %+v", capture, refund)
		}
	})
}
