// Package money holds exact amounts: whole minor units of a known currency.
package money

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"patchbay/core/fault"
)

// Currency is an ISO 4217 code in lower case, as Stripe writes it.
type Currency string

// exponents lists the currencies Patchbay knows, with the number of decimal
// digits of each. Source: ISO 4217, and Stripe's "zero-decimal currencies".
var exponents = map[Currency]int{
	"usd": 2, "eur": 2, "gbp": 2, "chf": 2, "cad": 2, "aud": 2, "nzd": 2, "sek": 2, "nok": 2,
	"dkk": 2, "pln": 2, "czk": 2, "sgd": 2, "hkd": 2, "mxn": 2, "brl": 2, "inr": 2, "zar": 2,
	"jpy": 0, "krw": 0, "vnd": 0, "clp": 0,
	"kwd": 3, "bhd": 3, "jod": 3, "omr": 3, "tnd": 3,
}

// minimums are the smallest charges Stripe accepts, in minor units. A currency
// that is not listed has a minimum of one unit.
var minimums = map[Currency]int64{
	"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "nzd": 50, "sek": 300,
	"nok": 300, "dkk": 250, "pln": 200, "czk": 1500, "sgd": 50, "hkd": 400, "mxn": 1000,
	"brl": 50, "inr": 50, "jpy": 50,
}

// Max is the largest amount in minor units: Stripe takes eight digits.
const Max = 99_999_999

// Default is the set of currencies that is accepted where nothing is configured.
var Default = []Currency{"usd", "eur", "gbp"}

// Known reports whether c is a currency with a known exponent.
func (c Currency) Known() bool {
	_, ok := exponents[c]
	return ok
}

// Minimum is the smallest amount that can be charged in c, in minor units.
func (c Currency) Minimum() int64 { return max(minimums[c], 1) }

// Check returns Invalid unless amount can be charged in one of the accepted
// currencies.
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
	case amount > Max:
		return fault.InvalidParam("amount", "amount_too_large", "amount must be at most "+Format(Max, c))
	}
	return nil
}

// Format writes an amount for people: "12.34 USD", "1200 JPY".
func Format(amount int64, c Currency) string {
	code := strings.ToUpper(string(c))
	digits := exponents[c]
	if digits == 0 {
		return strconv.FormatInt(amount, 10) + " " + code
	}
	sign, size := "", uint64(amount)
	if amount < 0 {
		sign, size = "-", -size // right for the smallest number too, of which -amount is itself
	}
	scale := uint64(1)
	for range digits {
		scale *= 10
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, size/scale, digits, size%scale, code)
}

func list(accepted []Currency) string {
	names := make([]string, len(accepted))
	for i, c := range accepted {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}
