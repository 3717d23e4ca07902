package stripepay

import (
	"github.com/stripe/stripe-go/v76"

	"patchbay/core/money"
)

// Every amount that goes to Stripe is written by counted, and every one that comes
// from it is read by minor: in between, amounts are in the minor units of ISO 4217.

// counted writes an amount as Stripe counts it. Invalid: Stripe cannot express it.
func counted(amount int64, c money.Currency) (*int64, error) {
	theirs, err := money.ToStripe(amount, c)
	if err != nil {
		return nil, err
	}
	return &theirs, nil
}

// minor puts amounts as we count them in place of Stripe's. It is not ok where one
// of them is none.
func minor(c stripe.Currency, amounts ...*int64) (ok bool) {
	for _, amount := range amounts {
		if *amount, ok = money.FromStripe(*amount, money.Currency(c)); !ok {
			return false
		}
	}
	return true
}
