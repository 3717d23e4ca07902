package stripesim

import "strings"

// card is what a payment method leads to: docs.stripe.com/testing.
type card struct {
	code, declineCode string
	authenticate      bool
	bank              bool   // it takes days, and gives back by refunds of another form
	refund            string // how its refunds begin, succeeded where empty
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

// cardOf finds what a payment method is: pm_card_chargeDeclined, or
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
