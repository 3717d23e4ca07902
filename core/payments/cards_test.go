package payments_test

import (
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

// Whoever keeps card numbers answers for them under PCI DSS. A caller that takes
// paymentMethod for the card's number gets a refusal, and the number is nowhere.
func TestNoCardNumberIsKept(t *testing.T) {
	const card = "4242424242424242"
	onVirtualTime(t, func(t *testing.T, r *rig) {
		least := payments.CreateRequest{Amount: 900, Currency: "usd"}
		for param, write := range map[string]func(*payments.CreateRequest){
			"paymentMethod":       func(c *payments.CreateRequest) { c.PaymentMethod = card },
			"paymentMethods.acme": func(c *payments.CreateRequest) { c.PaymentMethods = map[string]string{"acme": card} },
			"customers.acme":      func(c *payments.CreateRequest) { c.Customers = map[string]string{"acme": card} },
			"customerId":          func(c *payments.CreateRequest) { c.CustomerID = card },
			"description":         func(c *payments.CreateRequest) { c.Description = card },
			"returnUrl":           func(c *payments.CreateRequest) { c.ReturnURL = "https://shop.example/?card=" + card },
			"metadata.card":       func(c *payments.CreateRequest) { c.Metadata = map[string]string{"card": card} },
		} {
			request := least
			write(&request)
			_, err := r.Create(t.Context(), tenant, request, idempotency.Key{})
			wantRefusedAt(t, err, param)
		}
		res, err := r.Create(t.Context(), tenant, least, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Confirm(t.Context(), tenant, res.Payment.ID, payments.ConfirmRequest{PaymentMethod: card}, idempotency.Key{})
		wantRefusedAt(t, err, "paymentMethod")
		_, err = r.Confirm(t.Context(), tenant, res.Payment.ID, payments.ConfirmRequest{ReturnURL: "javascript:alert(1)"}, idempotency.Key{})
		wantRefusedAt(t, err, "returnUrl")

		page, err := r.journal.List(t.Context(), tenant, "payment", ports.Filter{}, "", 100)
		if err != nil || len(page.Records) != 1 || strings.Contains(string(page.Records[0].Body), card) {
			t.Errorf("%d records (%v), want the one payment, without the number", len(page.Records), err)
		}
		if p := r.status(t, res.Payment.ID); p.Status != payment.RequiresPaymentMethod && p.Status != payment.RequiresConfirmation {
			t.Errorf("status %s after what was refused", p.Status)
		}
	})
}

func wantRefusedAt(t *testing.T, err error, param string) {
	t.Helper()
	if !fault.Is(err, fault.Invalid) || fault.From(err).Param != param {
		t.Errorf("%v, want invalid at %s", err, param)
	}
}
