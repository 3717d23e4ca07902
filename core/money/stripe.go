package money

import (
	"math"
	"strconv"
	"strings"

	"patchbay/core/fault"
)

// Amounts are in the minor units of ISO 4217. Stripe uses the same units for most currencies,
// but different ones for a few, in its requests, answers and events alike. The conversion is
// here, and not in one of Stripe's adapters, for two reasons. Check refuses what Stripe cannot
// express, whichever provider gets the payment. And the adapter that calls Stripe, the one that
// reads its events, and the mock provider do not import each other.
//
// Source: docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies" and
// "Special cases". ugx is in the first and in the third; the third applies. What the page says
// about huf and twd is about payouts only.

// stripeDigits are the decimal digits that Stripe uses for currencies for which ISO 4217 has
// another number.
var stripeDigits = map[Currency]int{"isk": 2, "ugx": 2, "mga": 0}

// stripe returns the factor and the divisor that convert minor units to Stripe's units. One of
// them is 1.
func (c Currency) stripe() (multiply, divide int64) {
	theirs, differs := stripeDigits[c]
	switch ours := exponents[c]; {
	case !differs:
		return 1, 1
	case theirs > ours:
		return power(theirs - ours), 1
	default:
		return 1, power(ours - theirs)
	}
}

// step returns the number of which every amount of c must be a multiple. Stripe accepts
// three-decimal currencies only with a last digit of 0, and only whole ariary (mga).
func (c Currency) step() int64 {
	if exponents[c] == 3 {
		return 10
	}
	_, divide := c.stripe()
	return divide
}

// CheckStep returns Invalid if c has no such amount, so that it cannot be charged, captured or
// refunded.
func CheckStep(amount int64, c Currency) error {
	if step := c.step(); amount%step != 0 {
		return fault.InvalidParam("amount", "amount_too_precise",
			"amount must be a multiple of "+strconv.FormatInt(step, 10)+" in "+strings.ToUpper(string(c)))
	}
	return nil
}

// ToStripe converts an amount to Stripe's units. Invalid: Stripe cannot express it, or c is
// not known, so that its units at Stripe are not known.
func ToStripe(amount int64, c Currency) (int64, error) {
	if !c.Known() {
		return 0, fault.InvalidParam("currency", "currency_not_supported", "currency must be one that can be charged")
	}
	if err := CheckStep(amount, c); err != nil {
		return 0, err
	}
	multiply, divide := c.stripe()
	if amount > math.MaxInt64/multiply || amount < math.MinInt64/multiply {
		return 0, fault.InvalidParam("amount", "amount_too_large", "amount must be at most "+Format(c.Maximum(), c))
	}
	return amount * multiply / divide, nil
}

// FromStripe converts an amount from Stripe's units. ok is false if the result is not a whole
// number of minor units. An amount in an unknown currency, which another program may have
// charged, is returned unchanged.
func FromStripe(amount int64, c Currency) (minor int64, ok bool) {
	multiply, divide := c.stripe()
	if amount%multiply != 0 || amount > math.MaxInt64/divide || amount < math.MinInt64/divide {
		return 0, false
	}
	return amount / multiply * divide, true
}

func power(n int) int64 {
	scale := int64(1)
	for range n {
		scale *= 10
	}
	return scale
}
