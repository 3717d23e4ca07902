package money

import (
	"maps"
	"slices"
	"strings"
)

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
var exponents = listed(map[int]string{
	0: "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf",
	2: "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk " +
		"dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr " +
		"lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd " +
		"rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer zar zmw",
	3: "bhd jod kwd omr tnd",
})

func listed(table map[int]string) map[Currency]int {
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
