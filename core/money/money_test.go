package money_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/money"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		amount   int64
		currency money.Currency
		want     string
	}{
		{"two digits", 1234, "usd", "12.34 USD"},
		{"two digits, less than one", 5, "eur", "0.05 EUR"},
		{"two digits, whole", 1200, "gbp", "12.00 GBP"},
		{"no digits", 1200, "jpy", "1200 JPY"},
		{"three digits", 1234, "kwd", "1.234 KWD"},
		{"three digits, less than one", 7, "bhd", "0.007 BHD"},
		{"nothing", 0, "usd", "0.00 USD"},
		{"a debt", -1234, "usd", "-12.34 USD"},
		{"a debt of less than one", -5, "usd", "-0.05 USD"},
		{"a debt without digits", -5, "krw", "-5 KRW"},
		{"the largest payment", money.Max, "usd", "999999.99 USD"},
		{"the largest number", math.MaxInt64, "usd", "92233720368547758.07 USD"},
		{"the smallest number, which has no positive one", math.MinInt64, "usd", "-92233720368547758.08 USD"},
		{"the smallest number without digits", math.MinInt64, "jpy", "-9223372036854775808 JPY"},
		{"a currency nobody knows, in the units given", 1234, "zzz", "1234 ZZZ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := money.Format(tt.amount, tt.currency); got != tt.want {
				t.Errorf("Format(%d, %s) = %q, want %q", tt.amount, tt.currency, got, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	three := money.Default
	tests := []struct {
		name     string
		amount   int64
		currency money.Currency
		accepted []money.Currency
		code     string // empty: accepted
		param    string
		says     string
	}{
		{"an amount", 1250, "eur", three, "", "", ""},
		{"the smallest in dollars", 50, "usd", three, "", "", ""},
		{"one less", 49, "usd", three, "amount_too_small", "amount", "0.50 USD"},
		{"the smallest in pounds", 30, "gbp", three, "", "", ""},
		{"one less in pounds", 29, "gbp", three, "amount_too_small", "amount", "0.30 GBP"},
		{"the largest", 99_999_999, "usd", three, "", "", ""},
		{"one more", 100_000_000, "usd", three, "amount_too_large", "amount", "999999.99 USD"},
		{"the largest number", math.MaxInt64, "usd", three, "amount_too_large", "amount", ""},
		{"nothing", 0, "usd", three, "amount_not_positive", "amount", ""},
		{"less than nothing", -1250, "usd", three, "amount_not_positive", "amount", ""},
		{"a currency that is known but not accepted", 1250, "jpy", three, "currency_not_supported", "currency", "usd, eur, gbp"},
		{"the same, accepted", 1250, "jpy", []money.Currency{"jpy"}, "", "", ""},
		{"a currency that is accepted but not known", 1250, "btc", []money.Currency{"btc"}, "currency_not_supported", "currency", ""},
		{"a currency in upper case", 1250, "USD", three, "currency_not_supported", "currency", ""},
		{"the smallest in forints", 17500, "huf", []money.Currency{"huf"}, "", "", ""},
		{"one less in forints", 17499, "huf", []money.Currency{"huf"}, "amount_too_small", "amount", "175.00 HUF"},
		{"one króna, which has no minor unit", 1, "isk", []money.Currency{"isk"}, "", "", ""},
		{"the most krónur that Stripe's eight digits hold", 999_999, "isk", []money.Currency{"isk"}, "", "", ""},
		{"one króna more", 1_000_000, "isk", []money.Currency{"isk"}, "amount_too_large", "amount", "999999 ISK"},
		{"a fils that Stripe does not take", 35_201, "kwd", []money.Currency{"kwd"}, "amount_too_precise", "amount", "a multiple of 10 in KWD"},
		{"ten fils", 35_210, "kwd", []money.Currency{"kwd"}, "", "", ""},
		{"less than ten fils", 9, "kwd", []money.Currency{"kwd"}, "amount_too_small", "amount", "0.010 KWD"},
		{"a part of an ariary", 50_020, "mga", []money.Currency{"mga"}, "amount_too_precise", "amount", "a multiple of 100 in MGA"},
		{"an ariary", 100, "mga", []money.Currency{"mga"}, "", "", ""},
		{"a half forint, which can be charged", 17_550, "huf", []money.Currency{"huf"}, "", "", ""},
		{"forints have ten digits", 9_999_999_999, "huf", []money.Currency{"huf"}, "", "", ""},
		{"rupiahs have twelve digits", 999_999_999_999, "idr", []money.Currency{"idr"}, "", "", ""},
		{"no currency", 1250, "", three, "currency_not_supported", "currency", ""},
		{"both wrong: the currency is said first", 0, "zzz", three, "currency_not_supported", "currency", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := money.Check(tt.amount, tt.currency, tt.accepted)
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := fault.From(err)
			if !fault.Is(err, fault.Invalid) || f.Code != tt.code || f.Param != tt.param || !strings.Contains(f.Message, tt.says) {
				t.Errorf("%v, want invalid (%s) at %s that says %q", err, tt.code, tt.param, tt.says)
			}
		})
	}
}

// Formatting changes no amount: without the point, the digits are the minor units.
func FuzzFormat(f *testing.F) {
	for _, amount := range []int64{0, 1, -1, 99, 100, -100, 1234, money.Max, math.MaxInt64, math.MinInt64} {
		for i := range exact {
			f.Add(amount, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, amount int64, which uint8) {
		c := exact[int(which)%len(exact)]
		text := money.Format(amount, c.currency)
		number, code, ok := strings.Cut(text, " ")
		if !ok || code != strings.ToUpper(string(c.currency)) {
			t.Fatalf("got %q, want it to end in %v", text, strings.ToUpper(string(c.currency)))
		}
		whole, part, _ := strings.Cut(number, ".")
		if len(part) != c.digits || strings.TrimPrefix(whole, "-") == "" {
			t.Fatalf("%q, want %d digits after the point and a before", text, c.digits)
		}
		if got, err := strconv.ParseInt(whole+part, 10, 64); err != nil || got != amount {
			t.Fatalf("%q holds %d (%v), want %d", text, got, err, amount)
		}
	})
}

var exact = []struct {
	currency money.Currency
	digits   int
}{{"jpy", 0}, {"usd", 2}, {"kwd", 3}}
