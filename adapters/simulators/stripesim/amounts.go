package stripesim

import (
	"fmt"
	"slices"
	"strings"

	"patchbay/core/money"
)

// The amounts that Stripe accepts, in Stripe's units: docs.stripe.com/currencies. Except for the
// list of currencies, nothing here comes from the gateway's own code.

// minimum is the minimum amount of some currencies.
var minimum = map[string]int64{
	"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "krw": 50, "aed": 200, "huf": 17500, "ron": 200, "thb": 1000, "czk": 1500,
}

// maximum is the maximum amount of the currencies that are not in longer.
const maximum = 99_999_999

var longer = map[string]int64{
	"idr": 999_999_999_999, "lbp": 99_999_999_999, "cop": 9_999_999_999, "huf": 9_999_999_999, "jpy": 9_999_999_999, "inr": 999_999_999,
}

var (
	// threeDecimals have three decimals, of which the last must be 0.
	threeDecimals = []string{"bhd", "jod", "kwd", "omr", "tnd"}
	// whole have two decimals, which must be 00.
	whole = []string{"isk", "ugx"}
)

func checkAmount(amount int64, currency string) *Failure {
	most := int64(maximum)
	if n, ok := longer[currency]; ok {
		most = n
	}
	switch {
	case !money.Currency(currency).Known():
		return invalid("", "currency", "Invalid currency: "+currency+".")
	case amount < 1:
		return invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount < minimum[currency]:
		return invalid("amount_too_small", "amount", "Amount must be at least the minimum of this currency.")
	case amount > most:
		return invalid("amount_too_large", "amount", fmt.Sprintf("Amount must be no more than %d.", most))
	}
	return checkMultiple("amount", amount, currency)
}

// checkMultiple refuses an amount that is not a multiple of the currency's smallest amount.
func checkMultiple(param string, amount int64, currency string) *Failure {
	of := int64(1)
	switch {
	case slices.Contains(threeDecimals, currency):
		of = 10
	case slices.Contains(whole, currency):
		of = 100
	}
	if amount%of != 0 {
		return invalid("", param, fmt.Sprintf("Invalid %s amount: it must be a multiple of %d.", strings.ToUpper(currency), of))
	}
	return nil
}
