package mockpay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// pays makes an intent of 1000 that has succeeded.
func pays(t *testing.T, g *mockpay.Gateway, method string) payment.Intent {
	t.Helper()
	i, err := g.Create(t.Context(), payment.CreateRequest{Key: "k-" + method, Amount: 1000, Currency: "usd", PaymentMethod: method, Confirm: true})
	if err != nil || i.Status != payment.Succeeded {
		t.Fatalf("%+v, %v", i, err)
	}
	return i
}

func TestRefundsThatTakeTheirTime(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]struct {
		first, last string
		refunded    int64
	}{
		"pm_card_visa":          {"succeeded", "succeeded", 400},
		"pm_card_pendingRefund": {"pending", "succeeded", 400},
		"pm_card_refundFail":    {"succeeded", "failed", 0},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
				ref := pays(t, g, method).Reference
				made, err := g.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: ref, Amount: 400, Currency: "usd"})
				if err != nil || made.Status != want.first || made.Total != 400 {
					t.Fatalf("%+v, %v", made, err)
				}
				<-time.After(time.Minute)
				all, err := g.Refunds(t.Context(), ref)
				i, rerr := g.Retrieve(t.Context(), ref)
				if err != nil || rerr != nil || len(all) != 1 || all[0].Status != want.last || i.AmountRefunded != want.refunded {
					t.Errorf("%+v, refunded %d, %v, %v", all, i.AmountRefunded, err, rerr)
				}
			})
		})
	}
}

func TestDisputesThatBuyersOpen(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	for method, want := range map[string]payment.Dispute{
		"pm_card_createDispute":                   {Status: "needs_response", Reason: "fraudulent", FundsWithdrawn: true},
		"pm_card_createDisputeProductNotReceived": {Status: "needs_response", Reason: "product_not_received", FundsWithdrawn: true},
		"pm_card_createDisputeInquiry":            {Status: "warning_needs_response", Reason: "fraudulent"},
		"pm_mock_dispute_won":                     {Status: "won", Reason: "fraudulent"},
		"pm_mock_dispute_lost":                    {Status: "lost", Reason: "fraudulent", FundsWithdrawn: true},
	} {
		i := pays(t, g, method)
		all, err := g.Disputes(t.Context(), i.Reference)
		if err != nil || len(all) != 1 || !i.Disputed {
			t.Errorf("%s: %+v, %v", method, all, err)
			continue
		}
		d := all[0]
		if d.Status != want.Status || d.Reason != want.Reason || d.FundsWithdrawn != want.FundsWithdrawn || d.Amount != 1000 || d.DueBy.IsZero() {
			t.Errorf("%s: %+v", method, d)
		}
	}
}
