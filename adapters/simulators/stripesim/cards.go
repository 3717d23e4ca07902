package stripesim

import (
	"net/http"
	"strings"

	"patchbay/core/payment"
)

// card is the behaviour of a payment method: docs.stripe.com/testing. The zero card pays.
type card struct {
	code, declineCode string // if either is set, the issuer declines
	authenticate      bool   // the buyer must approve first
	bank              bool   // the payment takes days, and its refunds have ids of another form
	refund            string // the first status of its refunds; succeeded if empty
	becomes           string // what their status is after Options.RefundTakes, if it changes

	// dispute is the status of the dispute that the buyer opens as soon as the payment is made, and
	// reason its reason.
	dispute, reason string
}

// cards are Stripe's test cards, without their prefix "pm_card_" and without the "visa_" that some
// have.
var cards = map[string]card{
	"visa": {}, "mastercard": {}, "amex": {},
	"chargeDeclined":                      {code: "card_declined", declineCode: "generic_decline"},
	"chargeCustomerFail":                  {code: "card_declined", declineCode: "generic_decline"},
	"chargeDeclinedInsufficientFunds":     {code: "card_declined", declineCode: "insufficient_funds"},
	"chargeDeclinedLostCard":              {code: "card_declined", declineCode: "lost_card"},
	"chargeDeclinedStolenCard":            {code: "card_declined", declineCode: "stolen_card"},
	"chargeDeclinedVelocityLimitExceeded": {code: "card_declined", declineCode: "card_velocity_exceeded"},
	"chargeDeclinedExpiredCard":           {code: "expired_card", declineCode: "expired_card"},
	"chargeDeclinedIncorrectCvc":          {code: "incorrect_cvc", declineCode: "incorrect_cvc"},
	"chargeDeclinedProcessingError":       {code: "processing_error", declineCode: "processing_error"},
	"authenticationRequired":              {authenticate: true},
	"threeDSecure2Required":               {authenticate: true},
	"pendingRefund":                       {refund: "pending", becomes: "succeeded"},
	"refundFail":                          {becomes: "failed"},
	"createDispute":                       {dispute: "needs_response", reason: "fraudulent"},
	"createDisputeProductNotReceived":     {dispute: "needs_response", reason: "product_not_received"},
	"createDisputeInquiry":                {dispute: "warning_needs_response", reason: "fraudulent"},
}

// others are payment methods that are not cards, and our own, which Stripe does not have.
var others = map[string]card{
	"pm_usBankAccount_success": {bank: true, refund: "pending"},
	"pm_mock_dispute_won":      {dispute: "won", reason: "fraudulent"},
	"pm_mock_dispute_lost":     {dispute: "lost", reason: "fraudulent"},
}

// cardOf finds the card of a payment method, such as pm_card_chargeDeclined or
// pm_card_visa_chargeDeclined.
func cardOf(method string) (card, bool) {
	if name, ok := strings.CutPrefix(method, "pm_card_"); ok {
		if c, known := cards[name]; known {
			return c, true
		}
		c, known := cards[strings.TrimPrefix(name, "visa_")]
		return c, known
	}
	if c, known := others[method]; known {
		return c, true
	}
	for _, a := range []payment.Action{payment.Create, payment.Capture, payment.Cancel, payment.Refund} {
		if mishapOf(method, a) != nil {
			return card{}, true
		}
	}
	return card{}, false
}

// mishap is what goes wrong with a request, or with its events.
type mishap struct {
	// lost is what becomes of the response, or of the request if it is not executed.
	lost lost
	// refuses is the response of a request that is not executed.
	refuses func() *Failure
	// executed means that the request is executed, and the fault occurs afterwards: a repeat under
	// the same key returns the result.
	executed bool
	// once means that only the first request under a key fails.
	once bool
	// saved means that the response is a server error, which is saved under the key.
	saved bool
	// twice sends the request's events twice, and backwards reverses their order.
	twice, backwards bool
}

// lost is the way in which a request or its response is lost.
type lost int

const (
	answers lost = iota // nothing is lost
	refused             // the connection is refused: the request does not arrive
	silent              // the connection ends without a response
	hangs               // there is no response until the client gives up, or for hangLimit
	garbled             // the response cannot be read
)

// mishaps are the faults by name. A payment method "pm_mock_<name>" causes one for the create or
// the confirm that carries it; "pm_mock_<action>_<name>", where the action is capture, cancel or
// refund, for each such request on the intent.
var mishaps = map[string]*mishap{
	"refused":              {lost: refused},
	"429":                  {refuses: func() *Failure { return rateLimited().after("1") }},
	"401":                  {refuses: func() *Failure { return unauthorized("sk_test_other") }},
	"403":                  {refuses: noPermission},
	"timeout_before":       {lost: silent, once: true},
	"timeout_after_commit": {lost: silent, executed: true},
	"500_committed":        {executed: true, saved: true},
	"reset":                {lost: silent, executed: true},
	"malformed":            {lost: garbled, executed: true},
	"hang":                 {lost: hangs, executed: true},
	"duplicate_webhook":    {executed: true, twice: true},
	"reordered_webhook":    {executed: true, backwards: true},
}

// none is the mishap of a request with which nothing goes wrong.
var none = &mishap{executed: true}

// mishapOf returns the mishap that a payment method causes for an action, or nil.
func mishapOf(method string, a payment.Action) *mishap {
	name, ok := strings.CutPrefix(method, "pm_mock_")
	if ok && a != payment.Create && a != payment.Confirm {
		name, ok = strings.CutPrefix(name, string(a)+"_")
	}
	if !ok {
		return nil
	}
	return mishaps[name]
}

// mishap returns what goes wrong with a request: what was asked for; else for a create or a confirm by
// its own payment method, otherwise by that of the intent.
func (s *Sim) mishap(q *request, r *Record) *mishap {
	m, asked := q.ctx.Value(befallen{}).(*mishap)
	switch {
	case asked:
	case q.action == payment.Create && s.always != nil:
		m = s.always
	case q.action == payment.Create, q.action == payment.Confirm:
		m = mishapOf(q.text("payment_method"), q.action)
	default:
		m = mishapOf(r.Intent.State.Method, q.action)
	}
	if m == nil {
		return none
	}
	return m
}

// broken is a response whose JSON is broken.
var broken = answered{status: http.StatusOK, body: []byte(`{"id":"pi_`)}
