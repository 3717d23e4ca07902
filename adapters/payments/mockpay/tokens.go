package mockpay

import (
	"strings"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// card is how the issuer of a test card answers. The zero card pays.
type card struct {
	code, declineCode string // with either, the issuer refuses
	authenticate      bool   // the buyer must act first

	// Afterwards: how its refunds end, after a while, where not at once; the status and
	// the reason of the dispute that its buyer opens.
	refund          string
	dispute, reason string
}

// cards are Stripe's test payment methods without their prefix "pm_card_", and
// without the "visa_" that some have.
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

// decided are tokens of our own for disputes that are decided at once.
var decided = map[string]card{
	"pm_mock_dispute_won":  {dispute: "won", reason: "fraudulent"},
	"pm_mock_dispute_lost": {dispute: "lost", reason: "fraudulent"},
}

// mishap is what goes wrong with a request or with its webhooks.
type mishap struct {
	err *fault.Error // nil: the request itself goes well
	// committed: it goes wrong after everything was done and stored, so that a
	// repeat under the same key has the result.
	committed bool
	// once: only the first request under a key meets it.
	once bool
	// kept: a repeat under the same key meets it again, as Stripe's repeats do
	// whatever was answered first.
	kept bool
	// hang: there is no answer before the caller gives up.
	hang bool
	// twice and backwards are what becomes of the request's webhooks.
	twice, backwards bool
}

// mishaps are by the name that the configuration uses. A payment method
// "pm_mock_<name>" brings one upon the create or confirm that carries it;
// "pm_mock_<action>_<name>", where the action is capture, cancel or refund,
// upon each such request on the intent.
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

// mishapOf returns what a payment method brings upon an action, the zero mishap
// where nothing.
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

// cardOf resolves a payment method. Invalid where there is none of that name.
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
