package paymenttest_test

import (
	"testing"

	"patchbay/adapters/httpclient"
	"patchbay/core/payment"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/orderpay"
)

// The test file of an adapter calls the suite from TestContract.
func Example() {
	methods := paymenttest.Methods{
		Pays: orderpay.Pays, NeedsBuyer: orderpay.NeedsBuyer,
		Declines: []paymenttest.Decline{{Name: "a decline", Method: orderpay.Declined, Code: "declined"}},
	}
	testContract := func(t *testing.T) {
		t.Parallel()
		t.Run("payments", func(t *testing.T) {
			t.Parallel()
			paymenttest.Run(t, methods, func(t *testing.T) paymenttest.Harness {
				sim := orderpay.Start(t, orderpay.Options{})
				g, err := orderpay.NewGateway(orderpay.GatewayOptions{
					Name: "orders", Key: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL()},
				})
				if err != nil {
					t.Fatal(err)
				}
				return paymenttest.Harness{
					Gateway: g, Account: sim.Merchant(), Secrets: []string{sim.Key()}, Log: func() string { return "" },
					Book:   func(*testing.T) []payment.BookEntry { return sim.Book() },
					Settle: func(*testing.T) { sim.Settle() },
					Fail: func(_ *testing.T, a payment.Action, f paymenttest.Fault) string {
						sim.Befall(a, f)
						return orderpay.Pays
					},
				}
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
