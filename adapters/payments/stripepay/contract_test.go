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
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract"
)

// patience is how long the gateways under test wait for an answer.
const patience = 2 * time.Second

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
		contract.Payments(t, harness(func(g *stripepay.Gateway) ports.PaymentGateway { return g }))
	})
	t.Run("payments within a policy", func(t *testing.T) {
		t.Parallel()
		policy := resilience.Default
		policy.Attempts = 1 // the suite makes one call fail, and wants to see it
		contract.Payments(t, harness(func(g *stripepay.Gateway) ports.PaymentGateway {
			return resilience.NewGateway(g, resilience.Options{Policy: policy})
		}))
	})
}

func harness(within func(*stripepay.Gateway) ports.PaymentGateway) func(t *testing.T) contract.PaymentsHarness {
	return func(t *testing.T) contract.PaymentsHarness {
		sim := stripesim.Start(t, stripesim.Options{})
		return contract.PaymentsHarness{
			Gateway: within(open(t, sim)), Account: sim.Account(), Secrets: []string{sim.Key()},
			Log:  func() string { return "" }, // neither the adapter nor the library logs
			Book: func(*testing.T) []payment.BookEntry { return sim.Book() }, CountsAsStripe: true,
			Fail: func(_ *testing.T, a payment.Action, f contract.PaymentFault) string {
				sim.Heal()
				fail(sim, a, f)
				return "pm_card_visa"
			},
		}
	}
}

// fail lets the fault befall the next request of the action.
func fail(sim *stripesim.Sim, a payment.Action, f contract.PaymentFault) {
	before := func(m faultserver.Mishap) {
		sim.Inject(faultserver.Fault{Match: stripesim.On(a), Mishap: m})
	}
	after := func(m faultserver.Mishap) {
		sim.Inject(faultserver.Fault{Match: stripesim.On(a), After: true, Mishap: m})
	}
	switch f {
	case contract.FaultRefused:
		sim.Refuse()
	case contract.FaultTimeoutBefore:
		before(faultserver.Hang())
	case contract.FaultTimeoutAfter, contract.FaultHang:
		after(faultserver.Hang())
	case contract.FaultServerError:
		sim.FailAfterCommit(a)
	case contract.FaultReset:
		after(faultserver.Reset())
	case contract.FaultMalformed:
		after(stripesim.Malformed())
	case contract.FaultRateLimited:
		before(stripesim.RateLimited(time.Second))
	case contract.FaultUnauthorized:
		before(stripesim.Unauthorized())
	case contract.FaultForbidden:
		before(stripesim.Forbidden())
	case contract.FaultPage:
		after(faultserver.Page(http.StatusForbidden))
	}
}
