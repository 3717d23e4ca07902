package money

import (
	"math"
	"strconv"
	"strings"

	"patchbay/core/fault"
)

// An amount of ours is in the minor units of ISO 4217. Stripe counts most currencies
// likewise, and a few not, in its requests, its answers and its events alike. How it
// counts is known here, and not in one of its adapters, for two reasons: what Stripe
// cannot express is refused by Check, whichever provider is to have the payment; and
// the adapter that calls Stripe, the one that reads its events, and the mock of it
// know nothing of each other.
//
// Source: docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal
// currencies" and "Special cases". Of ugx, which is named in the first and in the
// third, the third holds. What it says of huf and twd is about payouts only.

// stripeDigits are the decimal digits that Stripe counts with where ISO 4217 has
// another number of them.
var stripeDigits = map[Currency]int{"isk": 2, "ugx": 2, "mga": 0}

// stripe is what an amount in minor units is multiplied with and divided by to have
// Stripe's. One of them is 1.
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

// step is what every amount of c must be a multiple of: Stripe takes three-decimal
// currencies only with a last digit of 0, and of the ariary no part.
func (c Currency) step() int64 {
	if exponents[c] == 3 {
		return 10
	}
	_, divide := c.stripe()
	return divide
}

// CheckStep returns Invalid where there is no such amount of c: nobody can charge it,
// capture it or give it back.
func CheckStep(amount int64, c Currency) error {
	if step := c.step(); amount%step != 0 {
		return fault.InvalidParam("amount", "amount_too_precise",
			"amount must be a multiple of "+strconv.FormatInt(step, 10)+" in "+strings.ToUpper(string(c)))
	}
	return nil
}

// ToStripe writes an amount as Stripe counts it. Invalid: Stripe cannot express it,
// or c is not known, so that nobody can tell what it would mean there.
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

// FromStripe reads an amount that Stripe has written. It is not ok where that is no
// whole number of minor units. A currency that is not known, such as another program
// may have charged, is taken as it stands.
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
