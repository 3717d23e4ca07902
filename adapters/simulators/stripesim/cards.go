package stripesim

import "strings"

// card describes what happens to a payment with a payment method: docs.stripe.com/testing.
type card struct {
	code, declineCode string
	authenticate      bool
	bank              bool   // the payment takes days, and its refunds have ids of another form
	refund            string // the first status of its refunds; succeeded if empty
}

var cards = map[string]card{
	"visa": {}, "mastercard": {}, "amex": {},
	"chargeDeclined":                      {code: "card_declined", declineCode: "generic_decline"},
	"chargeCustomerFail":                  {code: "card_declined", declineCode: "generic_decline"},
	"chargeDeclinedInsufficientFunds":     {code: "card_declined", declineCode: "insufficient_funds"},
	"chargeDeclinedLostCard":              {code: "card_declined", declineCode: "lost_card"},
	"chargeDeclinedStolenCard":            {code: "card_declined", declineCode: "stolen_card"},
	"chargeDeclinedVelocityLimitExceeded": {code: "card_declined", declineCode: "card_velocity_exceeded"},
	"chargeDeclinedExpiredCard":           {code: "expired_card"},
	"chargeDeclinedIncorrectCvc":          {code: "incorrect_cvc"},
	"chargeDeclinedProcessingError":       {code: "processing_error"},
	"authenticationRequired":              {authenticate: true},
	"threeDSecure2Required":               {authenticate: true},
	"pendingRefund":                       {refund: "pending"},
}

// cardOf finds the card of a payment method, such as pm_card_chargeDeclined or
// pm_card_visa_chargeDeclined.
func cardOf(method string) (card, bool) {
	if method == "pm_usBankAccount_success" {
		return card{bank: true, refund: "pending"}, true
	}
	name, ok := strings.CutPrefix(method, "pm_card_")
	if rest, visa := strings.CutPrefix(name, "visa_"); visa {
		name = rest
	}
	c, known := cards[name]
	return c, ok && known
}
