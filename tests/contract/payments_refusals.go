package contract

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// paymentRefusals checks requests that the issuer or the provider refuses.
var paymentRefusals = []paymentCase{
	declineCase("3 a decline", "pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
	declineCase("4 insufficient funds", "pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
	declineCase("5 an expired card", "pm_card_chargeDeclinedExpiredCard", "expired_card", ""),
	declineCase("6 a wrong CVC", "pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", ""),
	declineCase("7 a processing error", "pm_card_chargeDeclinedProcessingError", "processing_error", ""),
	{name: "3 after a decline another card may pay", run: func(p *paymentTest) {
		i, err := p.Gateway.Create(p.Context(), p.request("pm_card_visa_chargeDeclined"))
		p.wantErr(err, fault.Declined, "card_declined")
		i, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{
			Key: paymentKey(), Reference: i.Reference, PaymentMethod: "pm_card_visa",
		})
		if err != nil {
			p.Fatalf("Confirm: %v", err)
		}
		p.wantStatus(i, payment.Succeeded)
		if i.Failure != nil {
			p.Errorf("failure %+v of an intent that succeeded, want none", i.Failure)
		}
		p.entry()
		p.wantCharged(paymentAmount)
	}},
	{name: "3 a declined confirm comes with its own intent", run: func(p *paymentTest) {
		r := p.request("")
		r.Confirm = false
		made := p.create(r)
		i, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{
			Key: paymentKey(), Reference: made.Reference, PaymentMethod: "pm_card_visa_chargeDeclined",
		})
		p.wantErr(err, fault.Declined, "card_declined")
		if !fault.From(err).Proven || i.Reference != made.Reference {
			p.Errorf("%+v of %s, want it proven of %s", fault.From(err), i.Reference, made.Reference)
		}
	}},
	{name: "3 confirming without a payment method is invalid", run: func(p *paymentTest) {
		r := p.request("")
		_, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.Invalid, "payment_method_missing")
		r.Key, r.Confirm = paymentKey(), false
		i := p.create(r)
		_, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: paymentKey(), Reference: i.Reference})
		p.wantErr(err, fault.Invalid, "payment_method_missing")
		p.wantCharged(0)
	}},
	{name: "12 capturing more than was authorised is refused", needs: manualCapture, run: func(p *paymentTest) {
		reference := p.authorise().Reference
		p.wantErr(p.captureErr(reference, paymentAmount+1), fault.Invalid, "amount_too_large")
		p.wantCharged(0)
		p.wantStatus(p.retrieve(reference), payment.RequiresCapture)
	}},
	{name: "13 capturing twice is refused", needs: manualCapture, run: func(p *paymentTest) {
		reference := p.authorise().Reference
		p.capture(reference, 0)
		p.wantErr(p.captureErr(reference, 0), fault.Conflict, "unexpected_state")
		p.wantCharged(paymentAmount)
	}},
	{name: "15 cancelling after success is refused", run: func(p *paymentTest) {
		reference := p.paid().Reference
		_, err := p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: paymentKey(), Reference: reference})
		p.wantErr(err, fault.Conflict, "unexpected_state")
		p.wantStatus(p.retrieve(reference), payment.Succeeded)
	}},
	{name: "37 below the provider's minimum is refused", run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Amount = 49
		_, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.Invalid, "amount_too_small")
		p.wantCharged(0)
	}},
}

// declineCase checks what holds for every declined create. Stripe documents a decline code only for
// card_declined, so the other cases expect none.
func declineCase(name, method, code, declineCode string) paymentCase {
	return paymentCase{name: name + ": declined, and the intent stays", run: func(p *paymentTest) {
		r := p.request(method)
		r.Metadata = operationMetadata("op_declined")
		i, err := p.Gateway.Create(p.Context(), r)
		p.wantErr(err, fault.Declined, code)
		if !fault.From(err).Proven {
			p.Error("it is not told that the intent is the one that this request has made")
		}
		if got := fault.From(err).DeclineCode; declineCode != "" && got != declineCode {
			p.Errorf("decline code %q, want %q", got, declineCode)
		}
		p.wantStatus(i, payment.RequiresPaymentMethod)
		if i.Failure == nil || i.Failure.Code != code {
			p.Errorf("failure %+v, want code %q", i.Failure, code)
		}
		if e := p.entry(); e.Reference != i.Reference {
			p.Errorf("the book has %s, the answer %s", e.Reference, i.Reference)
		}
		p.wantCharged(0)
	}}
}
