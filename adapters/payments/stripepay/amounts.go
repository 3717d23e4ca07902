package stripepay

import "patchbay/core/money"

// Amounts sent to Stripe are converted by counted, and amounts received from it by minor.
// All other amounts are in the minor units of ISO 4217.

// counted converts an amount to Stripe's representation. It returns Invalid if Stripe
// cannot express it.
func counted(amount int64, c money.Currency) (*int64, error) {
	theirs, err := money.ToStripe(amount, c)
	if err != nil {
		return nil, err
	}
	return &theirs, nil
}

// minor converts amounts in place from Stripe's representation. ok is false if one of them
// is not a valid amount.
func minor[Currency ~string](c Currency, amounts ...*int64) (ok bool) {
	for _, amount := range amounts {
		if *amount, ok = money.FromStripe(*amount, money.Currency(c)); !ok {
			return false
		}
	}
	return true
}
