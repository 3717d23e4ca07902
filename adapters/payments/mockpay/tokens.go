package mockpay

import (
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// card is the behaviour of a test card's issuer. The zero card pays.
type card struct {
	code, declineCode string // if either is set, the issuer declines
	authenticate      bool   // the buyer must authenticate first

	// What happens later: the final status of refunds that are not completed at once; the
	// status and the reason of the dispute that the buyer opens.
	refund          string
	dispute, reason string
}

// cards maps Stripe's test payment methods, without their prefix "pm_card_" and without the
// "visa_" that some have.
var cards = map[string]card{
	"visa":       {},
	"mastercard": {},
	"amex":       {},

	"chargeDeclined":                      {code: "card_declined", declineCode: "generic_decline"},
	"chargeDeclinedInsufficientFunds":     {code: "card_declined", declineCode: "insufficient_funds"},
	"chargeDeclinedLostCard":              {code: "card_declined", declineCode: "lost_card"},
	"chargeDeclinedStolenCard":            {code: "card_declined", declineCode: "stolen_card"},
	"chargeDeclinedVelocityLimitExceeded": {code: "card_declined", declineCode: "card_velocity_exceeded"},
	"chargeDeclinedExpiredCard":           {code: "expired_card", declineCode: "expired_card"},
	"chargeDeclinedIncorrectCvc":          {code: "incorrect_cvc", declineCode: "incorrect_cvc"},
	"chargeDeclinedProcessingError":       {code: "processing_error", declineCode: "processing_error"},
	"chargeCustomerFail":                  {code: "card_declined", declineCode: "generic_decline"},

	"authenticationRequired": {authenticate: true},
	"threeDSecure2Required":  {authenticate: true},

	"pendingRefund": {refund: "succeeded"},
	"refundFail":    {refund: "failed"},

	"createDispute":                   {dispute: "needs_response", reason: "fraudulent"},
	"createDisputeProductNotReceived": {dispute: "needs_response", reason: "product_not_received"},
	"createDisputeInquiry":            {dispute: "warning_needs_response", reason: "fraudulent"},
}

// decided maps our own tokens for disputes that are decided at once.
var decided = map[string]card{
	"pm_mock_dispute_won":  {dispute: "won", reason: "fraudulent"},
	"pm_mock_dispute_lost": {dispute: "lost", reason: "fraudulent"},
}

// mishap is a fault of a request or of its webhooks.
type mishap struct {
	err *fault.Error // nil if the request itself succeeds
	// committed means that the fault occurs after everything was done and stored, so that a
	// retry under the same key returns the result.
	committed bool
	// once means that only the first request under a key fails.
	once bool
	// kept means that a repeat under the same key fails in the same way, because Stripe
	// repeats the first answer whatever it was.
	kept bool
	// hang means that there is no answer before the caller gives up.
	hang bool
	// twice duplicates the request's webhooks, and backwards reverses their order.
	twice, backwards bool
}

// mishaps maps the names that the configuration uses. A payment method "pm_mock_<name>"
// causes the mishap for the create or confirm that carries it; "pm_mock_<action>_<name>",
// where the action is capture, cancel or refund, for each such request on the intent.
var mishaps = map[string]mishap{
	"refused": {err: fault.New(fault.Unavailable, "connection_refused", "the connection was refused")},
	"429": {err: &fault.Error{
		Kind: fault.RateLimited, Code: "rate_limit", Message: "too many requests", RetryAfter: time.Second,
	}},
	"401":                  {err: fault.New(fault.Unauthorized, "invalid_api_key", "the API key was refused")},
	"403":                  {err: fault.New(fault.Refused, "provider_refused", "the account may not do this")},
	"timeout_before":       {err: unknown("timeout"), once: true},
	"timeout_after_commit": {err: unknown("timeout"), committed: true},
	"500_committed":        {err: unknown("server_error"), committed: true, kept: true},
	"reset":                {err: unknown("connection_reset"), committed: true},
	"malformed":            {err: unknown("malformed_answer"), committed: true},
	"hang":                 {err: unknown("timeout"), committed: true, hang: true},
	"duplicate_webhook":    {twice: true},
	"reordered_webhook":    {backwards: true},
}

func unknown(code string) *fault.Error {
	return fault.New(fault.UnknownOutcome, code, "the provider gave no answer that can be trusted")
}

const mockPrefix = "pm_mock_"

// mishapOf returns the mishap that a payment method causes for an action, or the zero
// mishap.
func mishapOf(method string, a payment.Action) mishap {
	name, ok := strings.CutPrefix(method, mockPrefix)
	if ok && a != payment.Create && a != payment.Confirm {
		name, ok = strings.CutPrefix(name, string(a)+"_")
	}
	if !ok {
		return mishap{}
	}
	return mishaps[name]
}

// cardOf returns the card of a payment method. It returns Invalid if there is none of that
// name.
func cardOf(method string) (card, error) {
	if name, ok := strings.CutPrefix(method, "pm_card_"); ok {
		if c, ok := cards[name]; ok {
			return c, nil
		}
		if c, ok := cards[strings.TrimPrefix(name, "visa_")]; ok {
			return c, nil
		}
	}
	if c, ok := decided[method]; ok {
		return c, nil
	}
	for _, a := range []payment.Action{payment.Create, payment.Capture, payment.Cancel, payment.Refund} {
		if mishapOf(method, a) != (mishap{}) {
			return card{}, nil
		}
	}
	return card{}, fault.InvalidParam("paymentMethod", "resource_missing", "no such payment method")
}
