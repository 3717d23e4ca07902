package mockpay_test

import (
	"context"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/memjournal"
)

// limited is a provider that can only take money at once, and whose payments
// cannot be listed.
type limited struct{ ports.PaymentGateway }

var errUnsupported = fault.New(fault.Unsupported, "unsupported", "this provider cannot do that")

func (limited) Capabilities() payment.Capabilities { return payment.Capabilities{} }

func (l limited) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	if r.CaptureMethod == payment.CaptureManual {
		return payment.Intent{}, errUnsupported
	}
	return l.PaymentGateway.Create(ctx, r)
}

func (limited) Capture(context.Context, payment.CaptureRequest) (payment.Intent, error) {
	return payment.Intent{}, errUnsupported
}

func (limited) Refund(context.Context, payment.RefundRequest) (payment.ProviderRefund, error) {
	return payment.ProviderRefund{}, errUnsupported
}

func (limited) List(context.Context, payment.ListRequest) (payment.IntentPage, error) {
	return payment.IntentPage{}, errUnsupported
}

// The suite's other half: what is not declared must be refused.
func TestContractOfALimitedProvider(t *testing.T) {
	t.Parallel()
	contract.Payments(t, func(t *testing.T) contract.PaymentsHarness {
		g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
		return contract.PaymentsHarness{
			Gateway: limited{g}, Account: "mock:mock", Fail: token, Secrets: []string{secret},
			Log:  func() string { return "" },
			Book: func(t *testing.T) []payment.BookEntry { return book(t, g) },
		}
	})
}
