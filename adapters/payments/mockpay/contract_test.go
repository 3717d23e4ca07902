package mockpay_test

import (
	"log/slog"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/tests/contract"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

const secret = "whsec_mock_contract"

// tokens bring about the suite's faults. A capture, cancel or refund is named
// before the fault.
var tokens = map[contract.PaymentFault]string{
	contract.FaultRefused:       "refused",
	contract.FaultTimeoutBefore: "timeout_before",
	contract.FaultTimeoutAfter:  "timeout_after_commit",
	contract.FaultServerError:   "500_committed",
	contract.FaultReset:         "reset",
	contract.FaultMalformed:     "malformed",
	contract.FaultHang:          "hang",
	contract.FaultRateLimited:   "429",
	contract.FaultUnauthorized:  "401",
	contract.FaultForbidden:     "403",
	contract.FaultPage:          "malformed", // the mock has nobody in between
}

func token(_ *testing.T, a payment.Action, f contract.PaymentFault) string {
	if a == payment.Create || a == payment.Confirm {
		return "pm_mock_" + tokens[f]
	}
	return "pm_mock_" + string(a) + "_" + tokens[f]
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("payments", func(t *testing.T) {
		t.Parallel()
		contract.Payments(t, func(t *testing.T) contract.PaymentsHarness {
			var log testlog.Buffer
			g := open(t, mockpay.Options{
				Journal:  memjournal.New(clock.System{}),
				Endpoint: func() string { return "" }, WebhookSecret: secret,
				Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			return contract.PaymentsHarness{
				Gateway: g, Account: "mock:mock", Fail: token, Secrets: []string{secret}, Log: log.String,
				Book: func(t *testing.T) []payment.BookEntry { return book(t, g) },
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
