package mockpay_test

import (
	"log/slog"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

const secret = "whsec_mock_contract"

// methods are Stripe's test cards, which the mock has, too: docs.stripe.com/testing. Stripe documents a decline code only
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

// tokens bring about the suite's faults. A capture, cancel or refund is named
// before the fault.
var tokens = map[paymenttest.Fault]string{
	paymenttest.FaultRefused:       "refused",
	paymenttest.FaultTimeoutBefore: "timeout_before",
	paymenttest.FaultTimeoutAfter:  "timeout_after_commit",
	paymenttest.FaultServerError:   "500_committed",
	paymenttest.FaultReset:         "reset",
	paymenttest.FaultMalformed:     "malformed",
	paymenttest.FaultHang:          "hang",
	paymenttest.FaultRateLimited:   "429",
	paymenttest.FaultUnauthorized:  "401",
	paymenttest.FaultForbidden:     "403",
	paymenttest.FaultPage:          "malformed", // the mock has nobody in between
}

func token(_ *testing.T, a payment.Action, f paymenttest.Fault) string {
	if a == payment.Create || a == payment.Confirm {
		return "pm_mock_" + tokens[f]
	}
	return "pm_mock_" + string(a) + "_" + tokens[f]
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("payments", func(t *testing.T) {
		t.Parallel()
		paymenttest.Run(t, methods, func(t *testing.T) paymenttest.Harness {
			var log testlog.Buffer
			g := open(t, mockpay.Options{
				Journal:  memjournal.New(clock.System{}),
				Endpoint: func() string { return "" }, WebhookSecret: secret,
				Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			return paymenttest.Harness{
				Gateway: g, Account: "mock:mock", Fail: token, Secrets: []string{secret}, Log: log.String,
				Book: func(t *testing.T) []payment.BookEntry { return book(t, g) },
				Approve: func(t *testing.T, reference string) {
					if err := g.Approve(t.Context(), reference, true); err != nil {
						t.Fatal(err)
					}
				},
			}
		})
	})
}

// open makes an account with what the options leave out.
func open(t *testing.T, o mockpay.Options) *mockpay.Gateway {
	t.Helper()
	o.Name, o.IDs = "mock", ids.UUIDs{}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g, err := mockpay.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return g
}

// book reads the whole book.
func book(t *testing.T, g *mockpay.Gateway) []payment.BookEntry {
	t.Helper()
	var entries []payment.BookEntry
	for cursor := ""; ; {
		page, err := g.Book(t.Context(), cursor, 100)
		if err != nil {
			t.Fatalf("Book: %v", err)
		}
		entries = append(entries, page.Entries...)
		if cursor = page.Next; cursor == "" {
			return entries
		}
	}
}
