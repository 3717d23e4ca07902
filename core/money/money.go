// Package money holds exact amounts: whole minor units of a known currency.
package money

import (
	"fmt"
	"maps"
	"math"
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

// Currency is an ISO 4217 code in lower case, as Stripe writes it.
type Currency string

// exponents lists the currencies that can be charged, with the number of decimal digits of
// each.
//
// The currencies are those that Stripe charges, and the three-decimal ones that it lists
// separately: docs.stripe.com/currencies, "Supported presentment currencies" and
// "Three-decimal currencies". An account may be allowed fewer; Stripe itself refuses the
// others. The digits are those of ISO 4217 list one, and of list three for currencies
// withdrawn since (ang, bgn, std).
var exponents = byCode(map[int]string{
	0: "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf",
	2: "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk " +
		"dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr " +
		"lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd " +
		"rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer zar zmw",
	3: "bhd jod kwd omr tnd",
})

func byCode(table map[int]string) map[Currency]int {
	all := make(map[Currency]int)
	for n, codes := range table {
		for code := range strings.FieldsSeq(codes) {
			all[Currency(code)] = n
		}
	}
	return all
}

// minimums are the smallest charges, in minor units, if the account is paid out in the same
// currency. Otherwise the minimum of the payout currency applies, which only Stripe can check.
// A currency that is not listed has a minimum of one unit. Source:
// docs.stripe.com/currencies, "Minimum charge amount by currency".
var minimums = map[Currency]int64{
	"usd": 50, "aed": 200, "ars": 50, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "cop": 50, "czk": 1500, "dkk": 250,
	"eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "idr": 50, "ils": 50, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000, "myr": 200,
	"nok": 300, "nzd": 50, "php": 50, "pln": 200, "ron": 200, "rub": 50, "sek": 300, "sgd": 50, "thb": 1000, "zar": 50,
}

// Max is the largest amount of most currencies, in Stripe's units: eight digits.
const Max = 99_999_999

// maximums are those of the currencies that may have more digits, some of them with cards
// only. Stripe itself refuses what a payment method does not accept. Source:
// docs.stripe.com/currencies, "Maximum charge amounts".
var maximums = map[Currency]int64{
	"idr": 999_999_999_999, "lbp": 99_999_999_999, "cop": 9_999_999_999, "huf": 9_999_999_999, "jpy": 9_999_999_999, "inr": 999_999_999,
}

// Default is the set of accepted currencies if none are configured.
var Default = []Currency{"usd", "eur", "gbp"}

// All lists the currencies that can be charged, sorted by code.
func All() []Currency { return slices.Sorted(maps.Keys(exponents)) }

// Known reports whether c is a currency that can be charged.
func (c Currency) Known() bool {
	_, ok := exponents[c]
	return ok
}

// Minimum returns the smallest amount that can be charged in c, in minor units.
func (c Currency) Minimum() int64 { return max(minimums[c], c.step()) }

// Maximum returns the largest amount that can be charged in c, in minor units.
func (c Currency) Maximum() int64 {
	if most, ok := maximums[c]; ok {
		return most
	}
	multiply, divide := c.stripe()
	return Max / multiply * divide / c.step() * c.step()
}

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
