package stripepay_test

import (
	"net/http"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/defaultpolicy"
)

// patience is how long the gateways under test wait for an answer.
const patience = 2 * time.Second

// methods are Stripe's test cards: docs.stripe.com/testing. Stripe documents a decline code only
// for card_declined.
var methods = paymenttest.Methods{
	Pays: "pm_card_visa", NeedsBuyer: "pm_card_authenticationRequired",
	Declines: []paymenttest.Decline{
		{Name: "a decline", Method: "pm_card_visa_chargeDeclined", Code: "card_declined", DeclineCode: "generic_decline"},
		{Name: "an expired card", Method: "pm_card_chargeDeclinedExpiredCard", Code: "expired_card"},
		{Name: "a wrong CVC", Method: "pm_card_chargeDeclinedIncorrectCvc", Code: "incorrect_cvc"},
		{Name: "a processing error", Method: "pm_card_chargeDeclinedProcessingError", Code: "processing_error"},
		{Name: "insufficient funds", Method: "pm_card_visa_chargeDeclinedInsufficientFunds", Code: "card_declined", DeclineCode: "insufficient_funds"},
	},
}

func open(t *testing.T, sim *stripesim.Sim) *stripepay.Gateway {
	t.Helper()
	g, err := stripepay.New(stripepay.Options{
		Name: "stripe", SecretKey: sim.Key(), PublishableKey: "pk_test_1",
		HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("verifier", verifierContract)
	t.Run("payments", func(t *testing.T) {
		t.Parallel()
		paymenttest.Run(t, methods, harness(func(g *stripepay.Gateway) ports.PaymentGateway { return g }))
	})
	t.Run("payments within a policy", func(t *testing.T) {
		t.Parallel()
		policy := defaultpolicy.Provider()
		policy.Attempts = 1 // the suite makes one call fail, and wants to see it
		paymenttest.Run(t, methods, harness(func(g *stripepay.Gateway) ports.PaymentGateway {
			return resilience.NewGateway(g, resilience.Options{Policy: policy})
		}))
	})
}

func harness(within func(*stripepay.Gateway) ports.PaymentGateway) func(t *testing.T) paymenttest.Harness {
	return func(t *testing.T) paymenttest.Harness {
		sim := stripesim.Start(t, stripesim.Options{})
		return paymenttest.Harness{
			Gateway: within(open(t, sim)), Account: sim.Account(), Secrets: []string{sim.Key()},
			Log:  func() string { return "" }, // neither the adapter nor the library logs
			Book: func(*testing.T) []payment.BookEntry { return sim.Book() }, Counted: counted,
			Approve: func(t *testing.T, reference string) { sim.Pay(t, reference, "pm_card_visa") },
			Fail: func(_ *testing.T, a payment.Action, f paymenttest.Fault) string {
				sim.Heal()
				fail(sim, a, f)
				return "pm_card_visa"
			},
		}
	}
}

// counted returns an amount in Stripe's units, for the currencies whose units differ:
// docs.stripe.com/currencies.
func counted(amount int64, c money.Currency) int64 {
	switch c {
	case "isk", "ugx":
		return amount * 100
	case "mga":
		return amount / 100
	}
	return amount
}

// fail lets the fault befall the next request of the action.
func fail(sim *stripesim.Sim, a payment.Action, f paymenttest.Fault) {
	before := func(m faultserver.Mishap) {
		sim.Inject(faultserver.Fault{Match: stripesim.On(a), Mishap: m})
	}
	after := func(m faultserver.Mishap) {
		sim.Inject(faultserver.Fault{Match: stripesim.On(a), After: true, Mishap: m})
	}
	switch f {
	case paymenttest.FaultRefused:
		sim.Refuse()
	case paymenttest.FaultTimeoutBefore:
		before(faultserver.Hang())
	case paymenttest.FaultTimeoutAfter, paymenttest.FaultHang:
		after(faultserver.Hang())
	case paymenttest.FaultServerError:
		sim.FailAfterCommit(a)
	case paymenttest.FaultReset:
		after(faultserver.Reset())
	case paymenttest.FaultMalformed:
		after(stripesim.Malformed())
	case paymenttest.FaultRateLimited:
		before(stripesim.RateLimited(time.Second))
	case paymenttest.FaultUnauthorized:
		before(stripesim.Unauthorized())
	case paymenttest.FaultForbidden:
		before(stripesim.Forbidden())
	case paymenttest.FaultPage:
		after(faultserver.Page(http.StatusForbidden))
	}
}
