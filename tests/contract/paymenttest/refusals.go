package paymenttest

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// refusalCases checks requests that the issuer or the provider refuses.
var refusalCases = []testCase{
	{
		name: "after a decline another card may pay",
		doc:  "A declined intent is paid by a confirm with another method.",
		run: func(p *suite) {
			i, err := p.Gateway.Create(p.Context(), p.request(p.Declines[0].Method))
			p.wantErr(err, fault.Declined, p.Declines[0].Code)
			i, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{
				Key: newKey(), Reference: i.Reference, PaymentMethod: p.Pays,
			})
			if err != nil {
				p.Fatalf("Confirm: %v", err)
			}
			i = p.ended(payment.Confirm, i)
			p.wantStatus(i, payment.Succeeded)
			if i.Failure != nil {
				p.Errorf("failure %+v of an intent that succeeded, want none", i.Failure)
			}
			p.entry()
			p.wantCharged(usual)
		},
	},
	{
		name: "a declined confirm comes with its own intent",
		doc:  "A declined confirm is proven and returns its intent.",
		run: func(p *suite) {
			r := p.request("")
			r.Confirm = false
			made := p.create(r)
			i, err := p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{
				Key: newKey(), Reference: made.Reference, PaymentMethod: p.Declines[0].Method,
			})
			p.wantErr(err, fault.Declined, p.Declines[0].Code)
			if !fault.From(err).Proven || i.Reference != made.Reference {
				p.Errorf("%+v of %s, want it proven of %s", fault.From(err), i.Reference, made.Reference)
			}
		},
	},
	{
		name: "confirming without a payment method is invalid",
		doc:  "A confirm without a payment method is refused with payment_method_missing.",
		run: func(p *suite) {
			r := p.request("")
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.Invalid, "payment_method_missing")
			r.Key, r.Confirm = newKey(), false
			i := p.create(r)
			_, err = p.Gateway.Confirm(p.Context(), payment.ConfirmRequest{Key: newKey(), Reference: i.Reference})
			p.wantErr(err, fault.Invalid, "payment_method_missing")
			p.wantCharged(0)
		},
	},
	{
		name:  "capturing more than was authorized is refused",
		doc:   "A capture of more than was authorized is refused with amount_too_large and changes nothing.",
		needs: manualCapture,
		run: func(p *suite) {
			reference := p.authorize().Reference
			p.wantErr(p.captureErr(reference, usual+1), fault.Invalid, "amount_too_large")
			p.wantCharged(0)
			p.wantStatus(p.retrieve(reference), payment.RequiresCapture)
		},
	},
	{
		name:  "capturing twice is refused",
		doc:   "A second capture is refused with unexpected_state.",
		needs: manualCapture,
		run: func(p *suite) {
			reference := p.authorize().Reference
			p.capture(reference, 0)
			p.wantErr(p.captureErr(reference, 0), fault.Conflict, "unexpected_state")
			p.wantCharged(usual)
		},
	},
	{
		name: "cancelling after success is refused",
		doc:  "A cancel of a succeeded payment is refused with unexpected_state.",
		run: func(p *suite) {
			reference := p.paid().Reference
			_, err := p.Gateway.Cancel(p.Context(), payment.CancelRequest{Key: newKey(), Reference: reference})
			p.wantErr(err, fault.Conflict, "unexpected_state")
			p.wantStatus(p.retrieve(reference), payment.Succeeded)
		},
	},
	{
		name: "below the provider's minimum is refused",
		doc:  "An amount below the provider's minimum is refused with amount_too_small.",
		run: func(p *suite) {
			r := p.request(p.Pays)
			r.Amount = 49
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantErr(err, fault.Invalid, "amount_too_small")
			p.wantCharged(0)
		},
	},
}

const declinedDoc = "Create returns declined with the codes of the harness, proven, and with the intent, which takes nothing."

// declineCases checks what holds for every declined create.
func declineCases(methods Methods) (all []testCase) {
	for _, d := range methods.Declines {
		all = append(all, testCase{name: d.Name + ": declined, and the intent stays", doc: declinedDoc, run: func(p *suite) { p.declined(d) }})
	}
	return all
}

func (p *suite) declined(d Decline) {
	r := p.request(d.Method)
	r.Metadata = operationMetadata("op_declined")
	i, err := p.Gateway.Create(p.Context(), r)
	p.wantErr(err, fault.Declined, d.Code)
	if !fault.From(err).Proven {
		p.Error("it is not told that the intent is the one that this request has made")
	}
	if got := fault.From(err).DeclineCode; d.DeclineCode != "" && got != d.DeclineCode {
		p.Errorf("decline code %q, want %q", got, d.DeclineCode)
	}
	p.wantStatus(i, payment.RequiresPaymentMethod)
	if i.Failure == nil || i.Failure.Code != d.Code {
		p.Errorf("failure %+v, want code %q", i.Failure, d.Code)
	}
	if e := p.entry(); e.Reference != i.Reference {
		p.Errorf("the book has %s, the answer %s", e.Reference, i.Reference)
	}
	p.wantCharged(0)
}
