package payment_test

import (
	"strconv"
	"strings"
	"testing"

	"patchbay/core/payment"
)

// Each range's ends with each of its lengths, and the neighbours outside. The
// numbers are made up: zeros between the range and the check digit.
func TestCardNumbersOfEachIssuer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		issuer   string
		inside   string
		outside  string // neighbours that belong to nobody in the table
		lengths  []int
		tooShort int
		tooLong  int
	}{
		{"Visa", "4", "", []int{16, 19}, 15, 20},
		{"Mastercard", "51 52 53 54 55", "50 56", []int{16}, 15, 17},
		{"Mastercard of the second range", "2221 2500 2720", "2220 2721", []int{16}, 15, 17},
		{"American Express", "34 37", "33 35", []int{15}, 14, 16},
		{"Discover", "6011", "6010 6012", []int{16, 19}, 15, 20},
		{"Discover of the second range", "644 650 659", "643 660", []int{16, 19}, 15, 20},
		{"JCB", "3528 3560 3589", "3527 3590", []int{16, 19}, 15, 20},
		{"Diners Club", "300 305 36 38 39", "306", []int{14}, 13, 15},
		{"UnionPay", "62", "61 63", []int{16, 17, 18, 19}, 15, 20},
	}
	for _, tt := range tests {
		t.Run(tt.issuer, func(t *testing.T) {
			t.Parallel()
			for _, length := range tt.lengths {
				for begin := range strings.FieldsSeq(tt.inside) {
					if n := number(begin, "", length); !payment.HasCardNumber(n) {
						t.Errorf("%s is not found", n)
					}
				}
				for begin := range strings.FieldsSeq(tt.outside) {
					if n := number(begin, "", length); payment.HasCardNumber(n) {
						t.Errorf("%s is taken for a card", n)
					}
				}
			}
			for begin := range strings.FieldsSeq(tt.inside) {
				for _, length := range []int{tt.tooShort, tt.tooLong} {
					if n := number(begin, "", length); payment.HasCardNumber(n) {
						t.Errorf("%s of %d digits is taken for a card", n, length)
					}
				}
			}
		})
	}
}

// number makes a number of a length that begins and goes on as said, with a
// right check digit. What is missing is zeros.
func number(begin, more string, length int) string {
	n := (begin + more + strings.Repeat("0", length))[:length-1]
	for check := range 10 {
		if with := n + strconv.Itoa(check); right(with) {
			return with
		}
	}
	panic("one of ten check digits is right")
}

// right is the definition of ISO/IEC 7812-1, annex B, written another way than
// the code's: the digits of the doubled digit are added.
func right(digits string) bool {
	sum := 0
	for i, d := range digits {
		n := int(d - '0')
		if (len(digits)-i)%2 == 0 {
			n = 2*n/10 + 2*n%10
		}
		sum += n
	}
	return sum%10 == 0
}

func TestCardNumbersInText(t *testing.T) {
	t.Parallel()
	const card = "4242424242424242"
	tests := []struct {
		name, text string
		want       bool
	}{
		{"between letters", "x" + card + "y", true},
		{"in JSON", `{"card":"` + card + `"}`, true},
		{"in a URL", "https://shop.example/?card=" + card + "&exp=1228", true},
		{"with hyphens and spaces", "4242-4242 4242-4242", true},
		{"in groups of one", strings.TrimSpace(strings.Join(strings.Split(card, ""), " ")), true},
		{"before its security code", card + " 123", true},
		{"with a space at the end", card + " ", true},
		{"with a hyphen before", "-" + card, true},
		{"as the second of two numbers", "1000000000000 " + card, true},
		{"after text with digits", "room 12b, " + card, true},
		{"in a foreign text", "карта " + card + " спасибо", true},
		{"in groups with two spaces, which join nothing", "4242  4242  4242  4242", false},
		{"in groups with dots, which join nothing", "4242.4242.4242.4242", false},
		{"as a part of a longer number", "1" + card, false},
		{"as a part of a longer number at the end", card + "1", false},
		{"a telephone number", "+49 30 1234567", false},
		{"a date and a time", "2026-03-01 12:00:00.000000", false},
		{"an id of ours", "pay_01hzy3v6k2m9q8r7s6t5w4x3y2", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := payment.HasCardNumber(tt.text); got != tt.want {
				t.Errorf("HasCardNumber(%q) = %v", tt.text, got)
			}
		})
	}
}

// What a shop writes into metadata has digits, and often a right check digit.
func TestNumbersThatAreNoCards(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an EAN that has a card's check digit, too": "4006381333023",
		"an EAN":           "4006381333931",
		"an EAN of a book": "9783161484100",
		"an EAN in groups": "4 006381 333023",
		"a number of 13 digits that Visa once issued": "4222222222222",
		"a UPC":                        "036000291452",
		"a time in milliseconds":       "1700000000000",
		"a time in microseconds":       "1700000000000003",
		"a time in nanoseconds":        "1700000000000000005",
		"a date and a time in digits":  "20260301120000",
		"a telephone number":           "+4915112345678",
		"a telephone number in groups": "+44 20 7946 0958",
		"a long telephone number":      "+436641234567890",
		"an account's number":          "DE89 3704 0044 0532 0130 00",
		"an order's number":            "4000-1234567-8901234",
		"a parcel's number":            "1Z999AA10123456784",
	} {
		if payment.HasCardNumber(text) {
			t.Errorf("%s: %s is taken for a card", name, text)
		}
	}
}

// Whatever stands around a card's number, and however it is grouped, it is found.
func FuzzCardNumberIsFound(f *testing.F) {
	f.Add(uint8(0), "242424242424242", uint32(0), "", "")
	f.Add(uint8(1), "999", uint32(0b1000100010000), "order 17 ", " 12/28")
	f.Add(uint8(2), "", uint32(0xffffffff), "1-2-3-", "-1")
	f.Add(uint8(3), "12345", uint32(0), "\xff", "\x00")
	kinds := []struct {
		begin  string
		length int
	}{{"4", 16}, {"4", 19}, {"51", 16}, {"2720", 16}, {"34", 15}, {"6011", 16}, {"659", 19}, {"3589", 16}, {"305", 14}, {"39", 14}, {"62", 17}}
	f.Fuzz(func(t *testing.T, which uint8, more string, cuts uint32, before, after string) {
		kind := kinds[int(which)%len(kinds)]
		more = strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return r
			}
			return -1
		}, more)
		var card strings.Builder
		for i, d := range number(kind.begin, more, kind.length) {
			if i > 0 && cuts>>i&1 == 1 {
				card.WriteByte(" -"[i%2])
			}
			card.WriteRune(d)
		}
		before, after = strings.TrimRight(before, "0123456789"), strings.TrimLeft(after, "0123456789")
		if text := before + card.String() + after; !payment.HasCardNumber(text) {
			t.Errorf("not found in %q", text)
		}
	})
}

// The definition, slowly: some part of the text that is digits with single
// spaces or hyphens between them, not cut out of a longer number, is a card's.
func FuzzHasCardNumber(f *testing.F) {
	for _, seed := range []string{
		"4242424242424242", "4242 4242-4242 4242", "1 4242424242424242 1", "14242424242424242", "- 4242424242424242 -",
		"378282246310005 30569309025904", "4  242424242424242", "6011000990139424", "4222222222222",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = text[:min(len(text), 100)]
		if got, want := payment.HasCardNumber(text), holdsCard(text); got != want {
			t.Errorf("HasCardNumber(%q) = %v", text, got)
		}
	})
}

func holdsCard(text string) bool {
	isDigit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for from := range text {
		if !isDigit(from) || isDigit(from-1) {
			continue
		}
		digits := ""
		for at := from; at < len(text); at++ {
			switch {
			case isDigit(at):
				digits += text[at : at+1]
			case text[at] != ' ' && text[at] != '-' || !isDigit(at+1):
				at = len(text)
			}
			if isDigit(at) && !isDigit(at+1) && issued(digits) && right(digits) {
				return true
			}
		}
	}
	return false
}

// issued is the table of issuers by number.
func issued(digits string) bool {
	first := func(n int) int {
		v, _ := strconv.Atoi((digits + "0000")[:n])
		return v
	}
	switch n := len(digits); {
	case first(1) == 4:
		return n == 16 || n == 19
	case first(2) >= 51 && first(2) <= 55, first(4) >= 2221 && first(4) <= 2720:
		return n == 16
	case first(2) == 34, first(2) == 37:
		return n == 15
	case first(4) == 6011, first(3) >= 644 && first(3) <= 659, first(4) >= 3528 && first(4) <= 3589:
		return n == 16 || n == 19
	case first(3) >= 300 && first(3) <= 305, first(2) == 36, first(2) == 38, first(2) == 39:
		return n == 14
	case first(2) == 62:
		return n >= 16 && n <= 19
	}
	return false
}
