package mockpay_test

import (
	"context"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/memjournal"
)

// limited is a provider that can only take euros and dollars, at once and on the server, and whose
// payments cannot be found.
type limited struct{ ports.PaymentGateway }

var errUnsupported = fault.New(fault.Unsupported, "unsupported", "this provider cannot do that")

func (l limited) Capabilities() payment.Capabilities {
	all := l.PaymentGateway.Capabilities()
	return payment.Capabilities{
		Currencies: []money.Currency{"eur", "usd"}, Redirect: true, Keys: all.Keys, Metadata: all.Metadata,
	}
}

func (l limited) Create(ctx context.Context, r payment.CreateRequest) (payment.Intent, error) {
	switch {
	case r.CaptureMethod == payment.CaptureManual, r.Confirmation == payment.ConfirmClient:
		return payment.Intent{}, errUnsupported
	case !l.Capabilities().SupportsCurrency(r.Currency):
		return payment.Intent{}, fault.New(fault.Unsupported, "currency_unsupported", "this provider does not take that currency")
	}
	i, err := l.PaymentGateway.Create(ctx, r)
	i.ClientSecret = ""
	return i, err
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
	paymenttest.Run(t, methods, func(t *testing.T) paymenttest.Harness {
		g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
		return paymenttest.Harness{
			Gateway: limited{g}, Account: "mock:mock", Fail: token, Secrets: []string{secret},
			Log:  func() string { return "" },
			Book: func(t *testing.T) []payment.BookEntry { return book(t, g) },
		}
	})
}
