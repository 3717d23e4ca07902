package money_test

import (
	"slices"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/money"
)

// The currencies that Stripe charges according to its documentation, with the three-decimal ones.
const charged = `usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp
cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jpy kes
kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen
pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs
vnd vuv wst xaf xcd xof xpf yer zar zmw bhd jod kwd omr tnd`

func TestTheCurrenciesAreThoseThatStripeCharges(t *testing.T) {
	t.Parallel()
	want := strings.Fields(charged)
	slices.Sort(want)
	var got []string
	for _, c := range money.All() {
		got = append(got, string(c))
		if !c.Known() {
			t.Errorf("%s: got unknown, want known", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, c := range []money.Currency{"", "USD", "us", "usd ", "btc", "zzz", "hrk", "mro"} {
		if c.Known() {
			t.Errorf("%q: got known, want unknown", c)
		}
	}
}

// A wrong exponent would charge a hundred times too much. ISO 4217, list one.
func TestExponents(t *testing.T) {
	t.Parallel()
	const none = "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf"
	const three = "bhd jod kwd omr tnd"
	for _, c := range money.All() {
		want := "10.00"
		switch {
		case strings.Contains(none, string(c)):
			want = "1000"
		case strings.Contains(three, string(c)):
			want = "1.000"
		}
		if got := money.Format(1000, c); got != want+" "+strings.ToUpper(string(c)) {
			t.Errorf("1000 minor units are %s, want %s", got, want)
		}
	}
}

func TestMinimum(t *testing.T) {
	t.Parallel()
	for c, want := range map[money.Currency]int64{
		"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "sek": 300, "hkd": 400, "mxn": 1000, "czk": 1500,
		"aed": 200, "huf": 17500, "thb": 1000, "ron": 200, "krw": 50,
		"isk": 1, "ugx": 1, "kes": 1, // no minimum listed
		"kwd": 10, "mga": 100, // nor here, but there is nothing less
		"zzz": 1, // nobody knows it
	} {
		if got := c.Minimum(); got != want {
			t.Errorf("%s: %d, want %d", c, got, want)
		}
	}
}

// The minimum and the maximum of each currency can be charged, and nothing beyond.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, c := range money.All() {
		accepted := []money.Currency{c}
		for _, amount := range []int64{c.Minimum(), c.Maximum()} {
			if err := money.Check(amount, c, accepted); err != nil {
				t.Errorf("%s: %v", money.Format(amount, c), err)
			}
			theirs, err := money.ToStripe(amount, c)
			if err != nil || theirs < 1 || len(money.Format(theirs, "jpy")) > len("999999999999 JPY") {
				t.Errorf("%s: Stripe is asked for %d, %v, want at least 1, in at most %v characters", money.Format(amount, c), theirs, err, len("999999999999 JPY"))
			}
		}
		if err := money.Check(c.Maximum()+1, c, accepted); fault.From(err).Code != "amount_too_large" {
			t.Errorf("%s: got %v, want amount_too_large", money.Format(c.Maximum()+1, c), err)
		}
	}
}
