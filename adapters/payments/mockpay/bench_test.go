package mockpay_test

import (
	"fmt"
	"log/slog"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// BenchmarkPaid makes payments that succeed, each of them composed, created and confirmed as the use
// case does.
func BenchmarkPaid(b *testing.B) {
	b.ReportAllocs()
	var g *mockpay.Gateway
	for n := 0; b.Loop(); n++ {
		if n%64 == 0 { // a journal in memory takes the longer, the more it holds
			b.StopTimer()
			var err error
			g, err = mockpay.New(mockpay.Options{
				Name: "mock", Journal: memjournal.New(clock.System{}), Clock: clock.System{}, IDs: ids.UUIDs{}, Log: slog.New(slog.DiscardHandler),
				Endpoint: func() string { return "" }, WebhookSecret: "whsec_bench",
			})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		r := payment.CreateRequest{
			Key: fmt.Sprintf("pb_%d", n), Amount: 1999, Currency: "usd", PaymentMethod: "pm_card_visa", Confirm: true, Description: "Order 7",
			CaptureMethod: payment.CaptureAutomatic, Confirmation: payment.ConfirmServer,
			Metadata: map[string]string{"order": "A-1", payment.MetaPayment: "pay_1", payment.MetaOperation: "op_1"},
		}
		var err error
		if r.Body, err = g.Compose(r); err != nil {
			b.Fatal(err)
		}
		if i, err := g.Create(b.Context(), r); err != nil || i.Status != payment.Succeeded {
			b.Fatal(i, err)
		}
	}
}
