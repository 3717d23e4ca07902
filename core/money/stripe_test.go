package money_test

import (
	"math"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/money"
)

// The examples and the table rows of docs.stripe.com/currencies.
func TestConversionToStripesUnits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		currency money.Currency
		minor    int64 // of ISO 4217
		stripes  int64
	}{
		{"10 dollars are 1000 cents", "usd", 1000, 1000},
		{"500 yen are 500", "jpy", 500, 500},
		{"5 krónur are 500: two decimals, though ISK has none", "isk", 5, 500},
		{"5 Ugandan shillings are 500, likewise", "ugx", 5, 500},
		{"5 ariary are 5: no decimals, though MGA has two", "mga", 500, 5},
		{"5.120 dinars are 5120", "kwd", 5120, 5120},
		{"10.45 forints are 1045", "huf", 1045, 1045},
		{"10.45 Taiwan dollars are 1045", "twd", 1045, 1045},
		{"5 CFA francs are 5", "xof", 5, 5},
		{"nothing", "isk", 0, 0},
		{"a debt", "isk", -5, -500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := money.ToStripe(tt.minor, tt.currency); err != nil || got != tt.stripes {
				t.Errorf("to Stripe: %d, %v, want %d", got, err, tt.stripes)
			}
			if got, ok := money.FromStripe(tt.stripes, tt.currency); !ok || got != tt.minor {
				t.Errorf("from Stripe: %d, %v, want %d", got, ok, tt.minor)
			}
		})
	}
}

func TestWhatStripeCannotExpress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		currency    money.Currency
		minor       int64
		code, param string
	}{
		{"a last digit of a three-decimal currency", "kwd", 35_201, "amount_too_precise", "amount"},
		{"a part of an ariary", "mga", 550, "amount_too_precise", "amount"},
		{"more than a number holds", "isk", math.MaxInt64 / 10, "amount_too_large", "amount"},
		{"less than a number holds", "isk", math.MinInt64 / 10, "amount_too_large", "amount"},
		{"a currency that nobody knows", "zzz", 500, "currency_not_supported", "currency"},
		{"no currency", "", 500, "currency_not_supported", "currency"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := money.ToStripe(tt.minor, tt.currency)
			if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Code != tt.code || f.Param != tt.param {
				t.Errorf("%v, want invalid (%s) at %s", err, tt.code, tt.param)
			}
		})
	}
}

func TestConversionFromStripesUnits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		currency money.Currency
		stripes  int64
		want     int64
		ok       bool
	}{
		{"a part of a króna, which is none", "isk", 550, 0, false},
		{"more than a number holds", "mga", math.MaxInt64, 0, false},
		{"a three-decimal amount that we would not ask for", "kwd", 5124, 5124, true},
		{"a currency that another program charged", "zzz", 1234, 1234, true},
		{"the largest number", "usd", math.MaxInt64, math.MaxInt64, true},
		{"the smallest number", "usd", math.MinInt64, math.MinInt64, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := money.FromStripe(tt.stripes, tt.currency); ok != tt.ok || got != tt.want {
				t.Errorf("%d, %v, want %d, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// No amount changes on the way to Stripe and back.
func FuzzStripe(f *testing.F) {
	all := money.All()
	for i := range all {
		f.Add(int64(35_200), uint8(i))
		f.Add(int64(math.MaxInt64), uint8(i))
		f.Add(int64(math.MinInt64), uint8(i))
	}
	f.Fuzz(func(t *testing.T, amount int64, which uint8) {
		c := all[int(which)%len(all)]
		theirs, err := money.ToStripe(amount, c)
		if err != nil {
			return
		}
		if back, ok := money.FromStripe(theirs, c); !ok || back != amount {
			t.Fatalf("%s is %d at Stripe, which is %d, %v here, want %v", money.Format(amount, c), theirs, back, ok, amount)
		}
	})
}
