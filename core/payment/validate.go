package payment

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/money"
)

// Limits of the fields, in characters. Source: docs.stripe.com/api/metadata.
const (
	MaxMetadataKey   = 40
	MaxMetadataValue = 500
	MaxDescription   = 1000
	MaxURL           = 2048
	maxToken         = 255
	maxProviders     = 32 // in PaymentMethods, and in Customers
)

// Fields are the fields of a payment that a caller writes.
type Fields struct {
	Amount        int64 // minor units
	Currency      money.Currency
	CustomerID    string // one of our users (usr_…), or the provider's customer
	Description   string
	ReturnURL     string
	CaptureMethod CaptureMethod // may be empty
	Confirmation  Confirmation  // may be empty
	Confirm       bool          // confirmed at once, so by the server
	Metadata      map[string]string
	// The following are the provider's tokens.
	PaymentMethod  string            // for the first provider only
	PaymentMethods map[string]string // by provider
	Customers      map[string]string // by provider
	// ExpiresAt is until when a payment that was accepted but has not reached its provider
	// is tried; zero means the usual time.
	ExpiresAt time.Time
}

// Check returns Invalid, with the field, unless all free-form fields may be stored and sent to
// a provider. Card numbers are never accepted. money.Check checks the amount.
func (f Fields) Check() error {
	switch {
	case utf8.RuneCountInString(f.Description) > MaxDescription || HasCardNumber(f.Description):
		return fault.InvalidParam("description", "invalid_description",
			"description takes at most 1000 characters and no card number")
	case !validToken(f.CustomerID):
		return fault.InvalidParam("customerId", "invalid_customer", "customerId takes at most 255 characters")
	case !validToken(f.PaymentMethod):
		return fault.InvalidParam("paymentMethod", "invalid_payment_method", "paymentMethod takes a provider's token, never a card number")
	case len(f.PaymentMethods) > maxProviders || len(f.Customers) > maxProviders:
		return fault.InvalidParam("paymentMethods", "too_many_providers", "paymentMethods and customers take at most 32 providers each")
	case f.CaptureMethod != "" && f.CaptureMethod != CaptureAutomatic && f.CaptureMethod != CaptureManual:
		return fault.InvalidParam("captureMethod", "invalid_capture_method", "captureMethod must be automatic or manual")
	case f.Confirmation != "" && f.Confirmation != ConfirmClient && f.Confirmation != ConfirmServer:
		return fault.InvalidParam("confirmation", "invalid_confirmation", "confirmation must be client or server")
	case f.Confirmation == ConfirmClient && f.Confirm:
		return fault.InvalidParam("confirmation", "invalid_confirmation", "what is confirmed at once is not confirmed by the client")
	}
	return cmp.Or(
		checkTokens("paymentMethods", f.PaymentMethods, "invalid_payment_method", "paymentMethods take a provider's token each, never a card number"),
		checkTokens("customers", f.Customers, "invalid_customer", "customers take at most 255 characters each"),
		checkURL(f.ReturnURL),
		checkMetadata(f.Metadata),
	)
}

// validToken reports whether s may be a provider's token.
func validToken(s string) bool { return len(s) <= maxToken && !HasCardNumber(s) }

// checkTokens returns Invalid unless a field has a valid token for each provider. A name that may be a card
// number is not repeated.
func checkTokens(param string, byProvider map[string]string, code, message string) error {
	for _, name := range slices.Sorted(maps.Keys(byProvider)) {
		switch {
		case !validToken(name):
			return fault.InvalidParam(param, code, message)
		case !validToken(byProvider[name]):
			return fault.InvalidEntry(param, name, code, message)
		}
	}
	return nil
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || len(s) > MaxURL || HasCardNumber(s) {
		return fault.InvalidParam("returnUrl", "invalid_url", "returnUrl must be an absolute http or https URL, without a card number")
	}
	return nil
}

func checkMetadata(metadata map[string]string) error {
	if len(metadata) > MaxMetadata {
		return fault.InvalidParam("metadata", "too_many_keys", "metadata takes at most 45 keys")
	}
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		v := metadata[k]
		switch {
		case HasCardNumber(k): // the key is not named
			return fault.InvalidParam("metadata", "card_number", "metadata must not hold a card number")
		case k == "" || utf8.RuneCountInString(k) > MaxMetadataKey || strings.ContainsAny(k, "[]"):
			return fault.InvalidEntry("metadata", k, "invalid_metadata",
				"metadata keys take 1 to 40 characters without square brackets")
		case Reserved(k):
			return fault.InvalidEntry("metadata", k, "reserved_metadata", "metadata keys that begin with patchbay_ are reserved")
		case utf8.RuneCountInString(v) > MaxMetadataValue:
			return fault.InvalidEntry("metadata", k, "invalid_metadata", "metadata values take at most 500 characters")
		case HasCardNumber(v):
			return fault.InvalidEntry("metadata", k, "card_number", "metadata must not hold a card number")
		}
	}
	return nil
}

// Reserved reports whether a metadata key is one of Patchbay's.
func Reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "patchbay_") }

// HasCardNumber reports whether s contains what looks like a card number: digits, possibly
// in groups, with an issuer's prefix, that issuer's length, and a correct check digit. The
// check digit alone (ISO/IEC 7812-1, Luhn) fits one number in ten. Article numbers (EAN) and
// times in milliseconds have 13 digits, and no card has so few.
func HasCardNumber(s string) bool {
	for i := 0; i < len(s); {
		if !isDigit(s[i]) {
			i++
			continue
		}
		groups, end := digitGroups(s, i)
		if groupsHoldCard(groups) {
			return true
		}
		i = end
	}
	return false
}

// digitGroups collects the groups of digits from s[i] on, separated by single spaces or hyphens.
func digitGroups(s string, i int) (groups []string, end int) {
	start := i
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c):
		case (c == ' ' || c == '-') && i+1 < len(s) && isDigit(s[i+1]):
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// issuers lists the number ranges in use by their first digits, both ends included, with
// their lengths. Visa has long ceased to issue 13 digits.
var issuers = []issuer{
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

type issuer struct {
	from, to string
	lengths  []int
}

func isCard(digits string) bool {
	fits := func(r issuer) bool {
		n := len(r.from)
		return len(digits) >= n && r.from <= digits[:n] && digits[:n] <= r.to && slices.Contains(r.lengths, len(digits))
	}
	return slices.ContainsFunc(issuers, fits) && luhn(digits)
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

// Conceal removes from the payment what allows anybody to continue it in the buyer's place:
// the client secret, the publishable key, which is of use only with it, and the URL to which
// the buyer is redirected. The type of the next action stays.
func (p *Payment) Conceal() {
	p.ClientSecret, p.PublishableKey, p.NextAction = "", "", p.NextAction.conceal()
}

func (n *NextAction) conceal() *NextAction {
	if n == nil || n.URL == "" {
		return n
	}
	return &NextAction{Type: n.Type}
}

// Seal conceals a payment in a terminal status for good, since it cannot be continued. It
// conceals the stored answers, too.
func (p *Payment) Seal() {
	if !p.Status.Terminal() {
		return
	}
	p.Conceal()
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Then != nil && op.Then.NextAction != op.Then.NextAction.conceal() {
			then := *op.Then // others may be reading op.Then
			then.NextAction = then.NextAction.conceal()
			op.Then = &then
		}
	}
}
