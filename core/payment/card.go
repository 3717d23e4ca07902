package payment

// HasCardNumber reports whether s contains what looks like a card number: digits, possibly
// in groups, with an issuer's prefix, that issuer's length, and a correct check digit. The
// check digit alone (ISO/IEC 7812-1, Luhn) fits one number in ten. Article numbers (EAN) and
// times in milliseconds have 13 digits, and no card has so few.
func HasCardNumber(s string) bool {
	for i := 0; i < len(s); {
		if !digit(s[i]) {
			i++
			continue
		}
		groups, end := run(s, i)
		if groupsHoldCard(groups) {
			return true
		}
		i = end
	}
	return false
}

// run collects the groups of digits from s[i] on, separated by single spaces or hyphens.
func run(s string, i int) (groups []string, end int) {
	start := i
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case digit(c):
		case (c == ' ' || c == '-') && i+1 < len(s) && digit(s[i+1]):
			groups, start = append(groups, s[start:i]), i+1
		default:
			return append(groups, s[start:i]), i
		}
	}
	return append(groups, s[start:]), i
}

// groupsHoldCard checks every sequence of neighbouring groups, since an expiry date or
// another number may stand beside the card number. It never splits a group: parts of long
// identifiers look like card numbers too often.
func groupsHoldCard(groups []string) bool {
	for i := range groups {
		digits := ""
		for _, g := range groups[i:] {
			if digits += g; len(digits) > longestCard {
				break
			}
			if isCard(digits) {
				return true
			}
		}
	}
	return false
}

const longestCard = 19 // ISO/IEC 7812-1

func digit(c byte) bool { return '0' <= c && c <= '9' }

// issuers lists the number ranges in use by their first digits, both ends included, with
// their lengths. Visa has long ceased to issue 13 digits.
var issuers = []struct {
	from, to string
	lengths  []int
}{
	{"4", "4", []int{16, 19}},                                                   // Visa
	{"51", "55", []int{16}},                                                     // Mastercard
	{"2221", "2720", []int{16}},                                                 // Mastercard
	{"34", "34", []int{15}},                                                     // American Express
	{"37", "37", []int{15}},                                                     // American Express
	{"6011", "6011", []int{16, 19}},                                             // Discover
	{"644", "659", []int{16, 19}},                                               // Discover
	{"3528", "3589", []int{16, 19}},                                             // JCB
	{"300", "305", []int{14}}, {"36", "36", []int{14}}, {"38", "39", []int{14}}, // Diners Club
	{"62", "62", []int{16, 17, 18, 19}}, // UnionPay
}

func isCard(digits string) bool {
	for _, r := range issuers {
		n := len(r.from)
		if len(digits) < n || digits[:n] < r.from || digits[:n] > r.to {
			continue
		}
		for _, length := range r.lengths {
			if len(digits) == length && luhn(digits) {
				return true
			}
		}
	}
	return false
}

func luhn(digits string) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0
}
