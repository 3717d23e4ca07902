package resilience_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/payments/mockpay"
	"patchbay/adapters/resilience"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/contract/mailtest"
	"patchbay/tests/contract/paymenttest"
	"patchbay/tests/contract/usertest"
	"patchbay/tests/defaultpolicy"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

const secret = "whsec_mock_contract"

// once is the default policy without retries: the suite makes one call fail and must see its
// error.
func once() resilience.Options {
	policy := defaultpolicy.Provider()
	policy.Attempts = 1
	return resilience.Options{Policy: policy}
}

// faults maps the suite's faults to the mock's names.
var faults = map[paymenttest.Fault]string{
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
		return "pm_mock_" + faults[f]
	}
	return "pm_mock_" + string(a) + "_" + faults[f]
}

// sqlite is a store within the policy of stores.
func sqlite(path string, clock ports.Clock) *resilience.Storage {
	return resilience.NewStorage("local", func(ctx context.Context) (resilience.Store, error) {
		store, err := sqlitestore.Open(ctx, sqlitestore.Options{Path: path, Clock: clock, IDs: ids.UUIDs{}})
		if err != nil {
			return resilience.Store{}, err
		}
		return resilience.Store{Journal: store, Users: store.Users(), Close: store.Close}, nil
	}, resilience.Options{Policy: defaultpolicy.Store()})
}

func place(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "store.db")
}

func TestMain(m *testing.M) {
	journaltest.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
		s := sqlite(place, clock)
		return s, s.Open(ctx)
	})
}

func onSQLite(t *testing.T) *resilience.Storage {
	t.Helper()
	s := sqlite(place(t), clock.System{})
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

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

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("payments", func(t *testing.T) {
		t.Parallel()
		paymenttest.Run(t, methods, func(t *testing.T) paymenttest.Harness {
			var log testlog.Buffer
			mock, err := mockpay.New(mockpay.Options{
				Name: "mock", IDs: ids.UUIDs{}, Clock: clock.System{}, Journal: memjournal.New(clock.System{}),
				Endpoint: func() string { return "" }, WebhookSecret: secret, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			return paymenttest.Harness{
				Gateway: resilience.NewGateway(mock, once()), Account: "mock:mock", Fail: token, Secrets: []string{secret}, Log: log.String,
				Book: func(t *testing.T) []payment.BookEntry {
					page, err := mock.Book(t.Context(), "", 100)
					if err != nil || page.Next != "" {
						t.Fatalf("%v, more: got %q, want no next", err, page.Next)
					}
					return page.Entries
				},
			}
		})
	})
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		journaltest.Run(t, journaltest.Processes{Make: place}, func(t *testing.T) journaltest.Harness {
			return journaltest.Harness{Journal: onSQLite(t)}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		usertest.Run(t, func(t *testing.T) usertest.Harness {
			s := onSQLite(t)
			return usertest.Harness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		mailtest.Run(t, func(t *testing.T) mailtest.Harness {
			dir := filepath.Join(t.TempDir(), "mail")
			catcher, err := catchermail.New(catchermail.Options{Name: "catcher", Path: dir, Keep: 1000})
			if err != nil {
				t.Fatal(err)
			}
			return mailtest.Harness{
				Mailer:    resilience.NewMailer(catcher, once()),
				Delivered: func(t *testing.T) [][]byte { return read(t, dir) },
			}
		})
	})
}

func read(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}
