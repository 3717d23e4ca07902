package orderpay_test

import (
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/resilience"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/defaultpolicy"
	"patchbay/tests/orderpay"
)

var methods = paymenttest.Methods{
	Pays: orderpay.Pays, NeedsBuyer: orderpay.NeedsBuyer,
	Declines: []paymenttest.Decline{
		{Name: "a decline", Method: orderpay.Declined, Code: "declined", DeclineCode: "issuer_declined"},
		{Name: "no funds", Method: orderpay.NoFunds, Code: "declined", DeclineCode: "insufficient_funds"},
	},
}

const lag = 50 * time.Millisecond

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("payments", func(t *testing.T) {
		t.Parallel()
		paymenttest.Run(t, methods, harness(func(g *orderpay.Gateway) ports.PaymentGateway { return g }))
	})
	t.Run("payments within a policy", func(t *testing.T) {
		t.Parallel()
		policy := defaultpolicy.Provider()
		policy.Attempts = 1 // the suite makes one call fail, and wants to see it
		paymenttest.Run(t, methods, harness(func(g *orderpay.Gateway) ports.PaymentGateway {
			return resilience.NewGateway(g, resilience.Options{Policy: policy})
		}))
	})
}

func harness(within func(*orderpay.Gateway) ports.PaymentGateway) func(t *testing.T) paymenttest.Harness {
	return func(t *testing.T) paymenttest.Harness {
		sim := orderpay.Start(t, orderpay.Options{Lag: lag})
		g, err := orderpay.NewGateway(orderpay.GatewayOptions{
			Name: "orders", Key: sim.Key(), Lag: lag, HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: 2 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		return paymenttest.Harness{
			Gateway: within(g), Account: sim.Merchant(), Secrets: []string{sim.Key()},
			Log:     func() string { return "" }, // the adapter does not log
			Book:    func(*testing.T) []payment.BookEntry { return sim.Book() },
			Settle:  func(*testing.T) { sim.Settle() },
			Approve: func(t *testing.T, reference string) { sim.Approve(t, reference) },
			Fail: func(_ *testing.T, a payment.Action, f paymenttest.Fault) string {
				sim.Befall(a, f)
				return orderpay.Pays
			},
		}
	}
}

// request is one for a payment.
func request() payment.CreateRequest {
	return payment.CreateRequest{Key: "key", Amount: 2000, Currency: "usd", PaymentMethod: orderpay.Pays, Confirm: true}
}
