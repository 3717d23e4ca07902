package paymenttest

import (
	"strings"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// amountCases checks the units of amounts: a gateway and its callers always use the minor units
// of ISO 4217, whatever units the provider uses. For Stripe's see docs.stripe.com/currencies.
var amountCases = []testCase{
	amountCase("JPY has no minor unit, and none at Stripe", "jpy", 500, 200),
	amountCase("KWD has three decimals, the last of them 0", "kwd", 35_200, 10_010),
	amountCase("ISK has no minor unit, and two decimals at Stripe", "isk", 500, 200),
	amountCase("UGX has no minor unit, and two decimals at Stripe", "ugx", 5000, 1),
	amountCase("MGA has two decimals, and no minor unit at Stripe", "mga", 500_000, 100),
	amountCase("HUF has two decimals", "huf", 17_550, 45),
	amountCase("USD has two decimals", "usd", 2000, 1),
	{
		name: "an amount that there is not is refused",
		doc:  "An amount with more decimals than the provider can count is refused with amount_too_precise at amount.",
		run: func(p *suite) {
			for c, amount := range map[money.Currency]int64{"kwd": 35_201, "bhd": 1009, "mga": 550} {
				if !p.Gateway.Capabilities().SupportsCurrency(c) {
					p.wantNoCurrency(c, amount)
					continue
				}
				r := p.request(p.Pays)
				r.Amount, r.Currency = amount, c
				_, err := p.Gateway.Create(p.Context(), r)
				p.wantImpossible(err)
			}
			p.wantCharged(0)
		},
	},
	{
		name:  "a part that there is not is neither captured nor refunded",
		doc:   "The same holds for the amount of a capture and of a refund.",
		needs: manualCapture,
		run: func(p *suite) {
			if !p.Gateway.Capabilities().SupportsCurrency("kwd") {
				p.wantNoCurrency("kwd", 35_200)
				return
			}
			r := p.request(p.Pays)
			r.Amount, r.Currency, r.CaptureMethod = 35_200, "kwd", payment.CaptureManual
			reference := p.create(r).Reference
			_, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{Key: newKey(), Reference: reference, Amount: 101, Currency: "kwd"})
			p.wantImpossible(err)
			p.wantCharged(0)
			_, err = p.Gateway.Capture(p.Context(), payment.CaptureRequest{Key: newKey(), Reference: reference, Currency: "kwd"})
			if err != nil {
				p.Fatalf("Capture: %v", err)
			}
			if p.Gateway.Capabilities().PartialRefunds {
				_, err = p.Gateway.Refund(p.Context(), payment.RefundRequest{Key: newKey(), Reference: reference, Amount: 101, Currency: "kwd"})
				p.wantImpossible(err)
			}
		},
	},
}

// amountCase checks an amount, and a part of it, in everything that a gateway returns.
func amountCase(name string, c money.Currency, amount, part int64) testCase {
	doc := "An amount in " + strings.ToUpper(string(c)) + ", captured, refunded and read, is the same in minor units in each answer, and in the book."
	return testCase{name: name, doc: doc, run: func(p *suite) {
		if !p.Gateway.Capabilities().SupportsCurrency(c) {
			p.wantNoCurrency(c, amount)
			return
		}
		counted, countedPart := amount, part
		if p.Counted != nil {
			counted, countedPart = p.Counted(amount, c), p.Counted(part, c)
		}
		r := p.request(p.Pays)
		r.Amount, r.Currency, r.Metadata = amount, c, operationMetadata("op_36")
		i := p.create(r)
		p.wantCounted("created", i, r, amount, 0)
		p.wantCounted("retrieved", p.retrieve(i.Reference), r, amount, 0)
		if lookup.declared(p.Gateway.Capabilities()) {
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

func (p *suite) refundPart(i payment.Intent, r payment.CreateRequest, part int64) {
	p.Helper()
	made, err := p.Gateway.Refund(p.Context(), payment.RefundRequest{Key: newKey(), Reference: i.Reference, Amount: part, Currency: r.Currency})
	if err != nil || made.Amount != part || made.Currency != r.Currency {
		p.Fatalf("refunded %d %s, %v; want %d", made.Amount, made.Currency, err, part)
	}
	p.settle()
	p.wantCounted("refunded", p.retrieve(i.Reference), r, r.Amount, part)
	all, err := p.Gateway.Refunds(p.Context(), i.Reference)
	if err != nil || len(all) != 1 || all[0].Amount != part {
		p.Errorf("refunds %+v, %v; want one of %d", all, err, part)
	}
}

func (p *suite) capturePart(r payment.CreateRequest, part int64) (reference string) {
	p.Helper()
	r.Key, r.CaptureMethod = newKey(), payment.CaptureManual
	i := p.create(r)
	p.wantAmounts(i, r.Amount, 0, 0)
	i, err := p.Gateway.Capture(p.Context(), payment.CaptureRequest{
		Key: newKey(), Reference: i.Reference, Amount: part, Currency: r.Currency,
	})
	if err != nil {
		p.Fatalf("Capture: %v", err)
	}
	p.wantCounted("captured", p.ended(payment.Capture, i), r, part, 0)
	return i.Reference
}

func (p *suite) wantCounted(what string, i payment.Intent, r payment.CreateRequest, captured, refunded int64) {
	p.Helper()
	if i.Amount != r.Amount || i.Currency != r.Currency || i.AmountCaptured != captured || i.AmountRefunded != refunded {
		p.Errorf("%s: %d %s, captured %d, refunded %d; want %d %s, %d, %d", what,
			i.Amount, i.Currency, i.AmountCaptured, i.AmountRefunded, r.Amount, r.Currency, captured, refunded)
	}
}

func (p *suite) wantBook(reference string, amount, captured, refunded int64) {
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

// wantNoCurrency checks that a currency which the gateway does not declare is refused.
func (p *suite) wantNoCurrency(c money.Currency, amount int64) {
	p.Helper()
	r := p.request(p.Pays)
	r.Amount, r.Currency = amount, c
	_, err := p.Gateway.Create(p.Context(), r)
	p.wantErr(err, fault.Unsupported, "currency_unsupported")
	p.wantCharged(0)
}

func (p *suite) wantImpossible(err error) {
	p.Helper()
	p.wantErr(err, fault.Invalid, "amount_too_precise")
	if param := fault.From(err).Param; param != "amount" {
		p.Errorf("param %q, want amount", param)
	}
}
