package mockpay_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// A book keeps the fingerprints of what it was asked: a repeat must be worded as
// earlier versions did.
func TestHowARequestIsWorded(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	for want, change := range map[string]payment.Change{
		`{"Key":"k","Amount":7,"Currency":"usd","Customer":"cus_1","PaymentMethod":"pm_1","Description":"d","ReturnURL":"https://a.example",` +
			`"Confirm":true,"CaptureMethod":"manual","Metadata":{"a":"1","b":"2"}}`: payment.CreateRequest{
			Key: "k", Amount: 7, Currency: "usd", Customer: "cus_1", PaymentMethod: "pm_1", Description: "d", ReturnURL: "https://a.example",
			Confirm: true, CaptureMethod: payment.CaptureManual, Metadata: map[string]string{"b": "2", "a": "1"}, Body: "not in it",
		},
		`{"Key":"k","Amount":7,"Currency":"usd","Customer":"","PaymentMethod":"","Description":"","ReturnURL":"",` +
			`"Confirm":false,"CaptureMethod":"automatic","Confirmation":"client","Metadata":null}`: payment.CreateRequest{
			Key: "k", Amount: 7, Currency: "usd", CaptureMethod: payment.CaptureAutomatic, Confirmation: payment.ConfirmClient,
		},
		`{"Key":"k","Reference":"pi_1","PaymentMethod":"pm_1","ReturnURL":""}`: payment.ConfirmRequest{Key: "k", Reference: "pi_1", PaymentMethod: "pm_1"},
		`{"Key":"k","Reference":"pi_1","Amount":7}`:                            payment.CaptureRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd"},
		`{"Key":"k","Reference":"pi_1"}`:                                       payment.CancelRequest{Key: "k", Reference: "pi_1"},
		`{"Key":"k","Reference":"pi_1","Amount":7,"Metadata":null}`:            payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 7, Currency: "usd"},
	} {
		if got, err := g.Compose(change); err != nil || got != want {
			t.Errorf("%T: %s, %v\nwant %s", change, got, err, want)
		}
	}
}
