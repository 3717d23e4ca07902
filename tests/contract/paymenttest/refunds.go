package paymenttest

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// refundCases checks refunds.
var refundCases = []testCase{
	{
		name:  "a full refund gives all back",
		doc:   "A refund of the whole amount returns it once.",
		needs: refunds,
		run: func(p *suite) {
			i := p.paid()
			r := p.refund(i.Reference, usual)
			if r.Reference == "" || r.Intent != i.Reference || r.Amount != usual ||
				r.Currency != "usd" || r.Status != "succeeded" {
				p.Errorf("refund %+v, want %d usd of %s", r, usual, i.Reference)
			}
			p.wantAmounts(p.retrieve(i.Reference), 0, usual, usual)
			p.wantRefunded(1, usual)
		},
	},
	{
		name:  "two partial refunds add up, oldest first",
		doc:   "Partial refunds add up, and Refunds lists them oldest first.",
		needs: partialRefunds,
		run: func(p *suite) {
			reference := p.paid().Reference
			first, second := p.refund(reference, 500), p.refund(reference, 700)
			p.wantAmounts(p.retrieve(reference), 0, usual, 1200)
			p.wantRefunded(2, 1200)
			list, err := p.Gateway.Refunds(p.Context(), reference)
			if err != nil {
				p.Fatalf("Refunds: %v", err)
			}
			if len(list) != 2 || list[0].Reference != first.Reference || list[1].Reference != second.Reference {
				p.Errorf("refunds %+v, want %s and %s", list, first.Reference, second.Reference)
			}
		},
	},
	{
		name:  "a refund tells what was given back by then",
		doc:   "A refund's Total includes the refunds before it.",
		needs: partialRefunds,
		run: func(p *suite) {
			reference := p.paid().Reference
			first, second := p.refund(reference, 500), p.refund(reference, 700)
			if first.Total != 500 || second.Total != 1200 {
				p.Errorf("told %d and %d, want 500 and 1200", first.Total, second.Total)
			}
		},
	},
	{
		name:  "what a capture has released is not given back",
		doc:   "The rest that a partial capture releases does not count as refunded.",
		needs: partialCapture,
		run: func(p *suite) {
			if !p.Gateway.Capabilities().Refunds {
				return
			}
			i := p.authorize()
			p.capture(i.Reference, 1500)
			p.wantAmounts(p.retrieve(i.Reference), 0, 1500, 0)
			if r := p.refund(i.Reference, 100); r.Total != 100 {
				p.Errorf("told %d, want 100", r.Total)
			}
			p.wantAmounts(p.retrieve(i.Reference), 0, 1500, 100)
		},
	},
	{
		name: "a payment that nobody objects to has no disputes",
		doc:  "Disputes is empty for a payment without a dispute, and not_found for an unknown reference.",
		run: func(p *suite) {
			i := p.paid()
			if i.Disputed {
				p.Errorf("it is disputed: %+v", i)
			}
			if all, err := p.Gateway.Disputes(p.Context(), i.Reference); err != nil || len(all) != 0 {
				p.Errorf("disputes %+v, %v; want none", all, err)
			}
			_, err := p.Gateway.Disputes(p.Context(), "pi_contract_absent")
			p.wantErr(err, fault.NotFound, "")
		},
	},
	{
		name:  "a refund beyond what is left is refused",
		doc:   "A refund of more than is left is refused with amount_too_large.",
		needs: partialRefunds,
		run: func(p *suite) {
			reference := p.paid().Reference
			p.refund(reference, 1500)
			p.wantErr(p.refundErr(reference, 501), fault.Invalid, "amount_too_large")
			p.wantRefunded(1, 1500)
		},
	},
	{
		name:  "a refund of what was not paid is refused",
		doc:   "A refund of an unpaid intent is refused with unexpected_state.",
		needs: refunds,
		run: func(p *suite) {
			r := p.request("")
			r.Confirm = false
			i := p.create(r)
			p.wantErr(p.refundErr(i.Reference, usual), fault.Conflict, "unexpected_state")
			p.wantRefunded(0, 0)
		},
	},
	{
		name:  "a refund's key repeated: one refund",
		doc:   "A repeated refund is made once, and has its metadata.",
		needs: refunds,
		run: func(p *suite) {
			r := payment.RefundRequest{
				Key: newKey(), Reference: p.paid().Reference, Amount: usual, Currency: "usd",
				Metadata: operationMetadata("op_27"),
			}
			first, err := p.Gateway.Refund(p.Context(), r)
			if err != nil {
				p.Fatalf("Refund: %v", err)
			}
			second, err := p.Gateway.Refund(p.Context(), r)
			if err != nil || second.Reference != first.Reference {
				p.Errorf("repeat: %s, %v; want %s", second.Reference, err, first.Reference)
			}
			if got := second.Metadata[payment.MetaOperation]; got != "op_27" {
				p.Errorf("operation %q in the refund's metadata, want op_27", got)
			}
			p.wantRefunded(1, usual)
		},
	},
	{
		name:  "a refund whose outcome is unknown, repeated: one refund",
		doc:   "A refund whose answer was lost is returned by a repeat, and made once.",
		needs: refunds,
		run: func(p *suite) {
			i := p.create(p.request(p.Fail(p.T, payment.Refund, FaultTimeoutAfter)))
			r := payment.RefundRequest{Key: newKey(), Reference: i.Reference, Amount: usual, Currency: "usd"}
			_, err := p.Gateway.Refund(p.Context(), r)
			p.wantErr(err, fault.UnknownOutcome, "")
			settled, err := p.Gateway.Refund(p.Context(), r)
			if err != nil {
				p.Fatalf("Refund, repeated: %v", err)
			}
			p.settle()
			list, err := p.Gateway.Refunds(p.Context(), i.Reference)
			if err != nil || len(list) != 1 || list[0].Reference != settled.Reference {
				p.Errorf("refunds %+v, %v; want only %s", list, err, settled.Reference)
			}
			p.wantRefunded(1, usual)
		},
	},
}

// refund makes a refund that must succeed.
func (p *suite) refund(reference string, amount int64) payment.ProviderRefund {
	p.Helper()
	r, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{
		Key: newKey(), Reference: reference, Amount: amount, Currency: "usd",
	})
	if err != nil {
		p.Fatalf("Refund: %v", err)
	}
	if !p.Gateway.Capabilities().Synchronous(payment.Refund) && r.Status == string(payment.RefundPending) {
		p.settle()
		r = p.refundNow(r)
	}
	return r
}

// refundNow returns a refund as the provider holds it now, with the total of when it was made.
func (p *suite) refundNow(r payment.ProviderRefund) payment.ProviderRefund {
	p.Helper()
	all, err := p.Gateway.Refunds(p.Context(), r.Intent)
	if err != nil {
		p.Fatalf("Refunds: %v", err)
	}
	for _, now := range all {
		if now.Reference == r.Reference {
			now.Total = r.Total
			return now
		}
	}
	p.Fatalf("refunds %+v, want %s among them", all, r.Reference)
	return r
}

func (p *suite) wantRefunded(count int, amount int64) {
	p.Helper()
	p.settle()
	if e := p.entry(); e.Refunds != count || e.Refunded != amount {
		p.Errorf("book: %d refunds of %d together, want %d of %d", e.Refunds, e.Refunded, count, amount)
	}
}
