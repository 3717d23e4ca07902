// Package money holds exact amounts: whole minor units of a known currency.
package money

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"patchbay/core/fault"
)

// Check returns Invalid unless amount can be charged in one of the accepted currencies. The
// rules are the same for every provider, so that a payment can move from one to another: the
// amount must be one that Stripe can express.
func Check(amount int64, c Currency, accepted []Currency) error {
	if !c.Known() || !slices.Contains(accepted, c) {
		return fault.InvalidParam("currency", "currency_not_supported",
			"currency must be one of "+list(accepted))
	}
	switch {
	case amount <= 0:
		return fault.InvalidParam("amount", "amount_not_positive", "amount must be a positive number of minor units")
	case amount < c.Minimum():
		return fault.InvalidParam("amount", "amount_too_small",
			"amount must be at least "+Format(c.Minimum(), c))
	case amount > c.Maximum():
		return fault.InvalidParam("amount", "amount_too_large", "amount must be at most "+Format(c.Maximum(), c))
	}
	return CheckStep(amount, c)
}

// Format formats an amount for people: "12.34 USD", "1200 JPY".
func Format(amount int64, c Currency) string {
	code := strings.ToUpper(string(c))
	digits := exponents[c]
	if digits == 0 {
		return strconv.FormatInt(amount, 10) + " " + code
	}
	sign, size := "", uint64(amount)
	if amount < 0 {
		sign, size = "-", -size // correct for the smallest int64, too, whose negation is itself
	}
	scale := uint64(power(digits))
	return fmt.Sprintf("%s%d.%0*d %s", sign, size/scale, digits, size%scale, code)
}

func list(accepted []Currency) string {
	names := make([]string, len(accepted))
	for i, c := range accepted {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}
