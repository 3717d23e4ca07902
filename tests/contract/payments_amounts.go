package contract

import (
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// paymentAmounts checks the units of amounts: a gateway and its callers always use the minor units
// of ISO 4217, whatever units the provider uses. The last two numbers of a row are the first two in
// Stripe's units, as documented at docs.stripe.com/currencies.
var paymentAmounts = []paymentCase{
	amountCase("36 JPY has no minor unit, and none at Stripe", "jpy", 500, 200, 500, 200),
	amountCase("36 KWD has three decimals, the last of them 0", "kwd", 35_200, 10_010, 35_200, 10_010),
	amountCase("36 ISK has no minor unit, and two decimals at Stripe", "isk", 500, 200, 50_000, 20_000),
	amountCase("36 UGX has no minor unit, and two decimals at Stripe", "ugx", 5000, 1, 500_000, 100),
	amountCase("36 MGA has two decimals, and no minor unit at Stripe", "mga", 500_000, 100, 5000, 1),
	amountCase("36 HUF has two decimals", "huf", 17_550, 45, 17_550, 45),
	amountCase("36 USD has two decimals", "usd", 2000, 1, 2000, 1),
	{name: "36 an amount that there is not is refused", run: func(p *paymentTest) {
		for c, amount := range map[money.Currency]int64{"kwd": 35_201, "bhd": 1009, "mga": 550} {
			r := p.request("pm_card_visa")
			r.Amount, r.Currency = amount, c
			_, err := p.Gateway.Create(p.Context(), r)
			p.wantImpossible(err)
		}
		p.wantCharged(0)
	}},
	{name: "36 a part that there is not is neither captured nor refunded", needs: manualCapture, run: func(p *paymentTest) {
		r := p.request("pm_card_visa")
		r.Amount, r.Currency, r.CaptureMethod = 35_200, "kwd", payment.CaptureManual
		reference := p.create(r).Reference
		_, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{Key: paymentKey(), Reference: reference, Amount: 101, Currency: "kwd"})
		p.wantImpossible(err)
		p.wantCharged(0)
		_, err = p.Gateway.Capture(p.Context(), payment.CaptureRequest{Key: paymentKey(), Reference: reference, Currency: "kwd"})
		if err != nil {
			p.Fatalf("Capture: %v", err)
		}
		if p.Gateway.Capabilities().PartialRefunds {
			_, err = p.Gateway.Refund(p.Context(), payment.RefundRequest{Key: paymentKey(), Reference: reference, Amount: 101, Currency: "kwd"})
			p.wantImpossible(err)
		}
	}},
}

// amountCase checks an amount, and a part of it, in everything that a gateway returns.
func amountCase(name string, c money.Currency, amount, part, stripes, stripesPart int64) paymentCase {
	return paymentCase{name: name, run: func(p *paymentTest) {
		counted, countedPart := amount, part
		if p.CountsAsStripe {
			counted, countedPart = stripes, stripesPart
		}
		r := p.request("pm_card_visa")
		r.Amount, r.Currency, r.Metadata = amount, c, operationMetadata("op_36")
		i := p.create(r)
		p.wantCounted("created", i, r, amount, 0)
		p.wantCounted("retrieved", p.retrieve(i.Reference), r, amount, 0)
		if p.Gateway.Capabilities().List {
			for _, listed := range p.find("op_36") {
				p.wantCounted("listed", listed, r, amount, 0)
			}
		}
		p.wantBook(i.Reference, counted, counted, 0)
		if p.Gateway.Capabilities().PartialRefunds {
			p.refundPart(i, r, part)
			p.wantBook(i.Reference, counted, counted, countedPart)
		}
		if p.Gateway.Capabilities().PartialCapture {
			p.wantBook(p.capturePart(r, part), counted, countedPart, 0)
		}
	}}
}

func (p *paymentTest) refundPart(i payment.Intent, r payment.CreateRequest, part int64) {
	p.Helper()
	made, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{Key: paymentKey(), Reference: i.Reference, Amount: part, Currency: r.Currency})
	if err != nil || made.Amount != part || made.Currency != r.Currency {
		p.Fatalf("refunded %d %s, %v; want %d", made.Amount, made.Currency, err, part)
	}
	p.wantCounted("refunded", p.retrieve(i.Reference), r, r.Amount, part)
	all, err := p.Gateway.Refunds(p.Context(), i.Reference)
	if err != nil || len(all) != 1 || all[0].Amount != part {
		p.Errorf("refunds %+v, %v; want one of %d", all, err, part)
	}
}

func (p *paymentTest) capturePart(r payment.CreateRequest, part int64) (reference string) {
	p.Helper()
	r.Key, r.CaptureMethod = paymentKey(), payment.CaptureManual
	i := p.create(r)
	p.wantAmounts(i, r.Amount, 0, 0)
	i, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: paymentKey(), Reference: i.Reference, Amount: part, Currency: r.Currency,
	})
	if err != nil {
		p.Fatalf("Capture: %v", err)
	}
	p.wantCounted("captured", i, r, part, 0)
	return i.Reference
}

func (p *paymentTest) wantCounted(what string, i payment.Intent, r payment.CreateRequest, captured, refunded int64) {
	p.Helper()
	if i.Amount != r.Amount || i.Currency != r.Currency || i.AmountCaptured != captured || i.AmountRefunded != refunded {
		p.Errorf("%s: %d %s, captured %d, refunded %d; want %d %s, %d, %d", what,
			i.Amount, i.Currency, i.AmountCaptured, i.AmountRefunded, r.Amount, r.Currency, captured, refunded)
	}
}

func (p *paymentTest) wantBook(reference string, amount, captured, refunded int64) {
	p.Helper()
	for _, e := range p.Book(p.T) {
		if e.Reference == reference {
			if e.Amount != amount || e.Captured != captured || e.Refunded != refunded {
				p.Errorf("the provider counts %d, captured %d, refunded %d; want %d, %d, %d", e.Amount, e.Captured, e.Refunded, amount, captured, refunded)
			}
			return
		}
	}
	p.Errorf("the provider's book has no %s", reference)
}

func (p *paymentTest) wantImpossible(err error) {
	p.Helper()
	p.wantErr(err, fault.Invalid, "amount_too_precise")
	if param := fault.From(err).Param; param != "amount" {
		p.Errorf("param %q, want amount", param)
	}
}
