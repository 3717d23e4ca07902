package mockpay_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

func paid(key, method string) payment.CreateRequest {
	return payment.CreateRequest{Key: key, Amount: 1000, Currency: "usd", PaymentMethod: method, Confirm: true}
}

func TestTestCards(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	for n, row := range []struct{ method, want string }{
		{"pm_card_visa", "succeeded"},
		{"pm_card_mastercard", "succeeded"},
		{"pm_card_amex", "succeeded"},
		{"pm_card_visa_chargeDeclined", "generic_decline"},
		{"pm_card_chargeDeclined", "generic_decline"},
		{"pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"},
		{"pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"},
		{"pm_card_visa_chargeDeclinedLostCard", "lost_card"},
		{"pm_card_chargeDeclinedLostCard", "lost_card"},
		{"pm_card_visa_chargeDeclinedStolenCard", "stolen_card"},
		{"pm_card_chargeDeclinedStolenCard", "stolen_card"},
		{"pm_card_chargeDeclinedExpiredCard", "expired_card"},
		{"pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"},
		{"pm_card_chargeDeclinedProcessingError", "processing_error"},
		{"pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded"},
		{"pm_card_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded"},
		{"pm_card_chargeCustomerFail", "generic_decline"},
		{"pm_card_authenticationRequired", "requires_action"},
		{"pm_card_threeDSecure2Required", "requires_action"},
		{"pm_card_unheard_of", "resource_missing"},
		{"pm_mock_unheard_of", "resource_missing"},
		{"4242424242424242", "resource_missing"},
	} {
		t.Run(row.method, func(t *testing.T) {
			t.Parallel()
			i, err := g.Create(t.Context(), paid(strconv.Itoa(n), row.method))
			got := string(i.Status)
			if err != nil {
				e := fault.From(err)
				got = e.Code
				if e.Kind == fault.Declined {
					got = e.DeclineCode
				}
			}
			if got != row.want {
				t.Errorf("%s (%v), want %s", got, err, row.want)
			}
		})
	}
}

func TestRefusedCreatesLeaveNothing(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	many := map[string]string{}
	for n := range 51 {
		many[strconv.Itoa(n)] = "x"
	}
	for _, row := range []struct {
		name, code string
		change     func(r *payment.CreateRequest)
	}{
		{"no key", "idempotency_key_invalid", func(r *payment.CreateRequest) { r.Key = "" }},
		{"a key of 256", "idempotency_key_invalid", func(r *payment.CreateRequest) { r.Key = strings.Repeat("k", 256) }},
		{"an unknown currency", "currency_not_supported", func(r *payment.CreateRequest) { r.Currency = "xxx" }},
		{"amount 0", "parameter_invalid_integer", func(r *payment.CreateRequest) { r.Amount = 0 }},
		{"49 cents", "amount_too_small", func(r *payment.CreateRequest) { r.Amount = 49 }},
		{"nine digits", "amount_too_large", func(r *payment.CreateRequest) { r.Amount = 100_000_000 }},
		{"a fils, which there is not at Stripe", "amount_too_precise", func(r *payment.CreateRequest) { r.Amount, r.Currency = 35_201, "kwd" }},
		{"a million krónur", "amount_too_large", func(r *payment.CreateRequest) { r.Amount, r.Currency = 1_000_000, "isk" }},
		{"a confirm that may send the buyer away, to nowhere", "invalid_request", func(r *payment.CreateRequest) {
			r.Confirmation = payment.ConfirmClient
		}},
		{"51 keys of metadata", "invalid_request", func(r *payment.CreateRequest) { r.Metadata = many }},
		{"a long metadata value", "invalid_request", func(r *payment.CreateRequest) {
			r.Metadata = map[string]string{"a": strings.Repeat("x", 501)}
		}},
		{"confirming without a payment method", "payment_method_missing", func(r *payment.CreateRequest) { r.PaymentMethod = "" }},
	} {
		r := paid("refused", "pm_card_visa")
		row.change(&r)
		if _, err := g.Create(t.Context(), r); !fault.Is(err, fault.Invalid) || fault.From(err).Code != row.code {
			t.Errorf("%s: %v, want invalid (%s)", row.name, err, row.code)
		}
	}
	r := paid("refused", "pm_card_visa")
	r.CaptureMethod = "later"
	if _, err := g.Create(t.Context(), r); !fault.Is(err, fault.Unsupported) || fault.From(err).Code != "capture_method_unsupported" {
		t.Errorf("a capture method of no kind: %v, want unsupported (capture_method_unsupported)", err)
	}
	if entries := book(t, g); len(entries) != 0 {
		t.Errorf("book %+v, want it empty", entries)
	}
}

func TestTheBookOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	first, err := open(t, mockpay.Options{Journal: journal}).Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	again := open(t, mockpay.Options{Journal: journal})
	second, err := again.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	if second.Reference != first.Reference || second.ClientSecret != first.ClientSecret {
		t.Errorf("after a restart the key gave %s, want %s", second.Reference, first.Reference)
	}
	if got := len(book(t, again)); got != 1 {
		t.Errorf("%d charges, want 1", got)
	}
}

func TestTwoChargesForOnePaymentAreTwoEntries(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	for _, key := range []string{"a", "b"} {
		r := paid(key, "pm_card_visa")
		r.Metadata = map[string]string{payment.MetaPayment: "pay_1"}
		_, err := g.Create(t.Context(), r)
		must(t, err)
	}
	var keys []string
	for _, e := range book(t, g) {
		if e.Metadata[payment.MetaPayment] != "pay_1" || e.Captured != 1000 || e.Provider != "mock" {
			t.Errorf("entry %+v, want 1000 captured for pay_1 at mock", e)
		}
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys %v, want a and b", keys)
	}
}

func TestAConfiguredFaultBefallsEveryCreate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		fault   string
		kind    fault.Kind
		charges int
	}{
		{"refused", fault.Unavailable, 0},
		{"429", fault.RateLimited, 0},
		{"401", fault.Unauthorized, 0},
		{"403", fault.Refused, 0},
		{"timeout_before", fault.UnknownOutcome, 0},
		{"timeout_after_commit", fault.UnknownOutcome, 1},
		{"500_committed", fault.UnknownOutcome, 1},
		{"reset", fault.UnknownOutcome, 1},
		{"malformed", fault.UnknownOutcome, 1},
	} {
		t.Run(row.fault, func(t *testing.T) {
			t.Parallel()
			g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{}), Fault: row.fault})
			_, err := g.Create(t.Context(), paid("k", "pm_card_visa"))
			if !fault.Is(err, row.kind) {
				t.Errorf("Create: %v, want %v", err, row.kind)
			}
			if got := fault.From(err).Provider; got != "mock" {
				t.Errorf("provider %q in the error, want mock", got)
			}
			if got := len(book(t, g)); got != row.charges {
				t.Errorf("%d charges, want %d", got, row.charges)
			}
		})
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]mockpay.Options{
		"a fault of no such name":   {Fault: "refussed"},
		"webhooks without a secret": {Endpoint: func() string { return "" }},
	} {
		if _, err := mockpay.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What the journal could not do must never look like a charge that was not made.
func TestFailuresOfTheJournal(t *testing.T) {
	t.Parallel()
	down := fault.New(fault.Unavailable, "down", "the store is down")
	for _, row := range []struct {
		name string
		fail func(op string, nth int64) error
		want fault.Kind
	}{
		{"nothing was written: unavailable", func(op string, _ int64) error {
			if op == memjournal.Save {
				return down
			}
			return nil
		}, fault.Unavailable},
		{"the answer to the save was lost: unknown", func(op string, _ int64) error {
			if op == memjournal.Saved {
				return fault.New(fault.UnknownOutcome, "lost", "the answer was lost")
			}
			return nil
		}, fault.UnknownOutcome},
		{"the key was taken meanwhile, and cannot be read: unknown", func(op string, nth int64) error {
			switch {
			case op == memjournal.Save:
				return fault.New(fault.Conflict, "taken", "the key is taken")
			case op == memjournal.Find && nth > 1:
				return down
			}
			return nil
		}, fault.UnknownOutcome},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			journal := memjournal.New(clock.System{})
			var calls atomic.Int64
			journal.Fail = func(op string) error { return row.fail(op, calls.Add(1)) }
			_, err := open(t, mockpay.Options{Journal: journal}).Create(t.Context(), paid("k", "pm_card_visa"))
			if !fault.Is(err, row.want) {
				t.Errorf("Create: %v, want %v", err, row.want)
			}
		})
	}
}

func TestAnIntentThatAlwaysChangesIsGivenUp(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	var contended atomic.Bool
	journal.Fail = func(op string) error {
		if op == memjournal.Save && contended.Load() {
			return fault.New(fault.Conflict, "changed", "the record has changed")
		}
		return nil
	}
	g := open(t, mockpay.Options{Journal: journal})
	i, err := g.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	contended.Store(true)
	_, err = g.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: i.Reference, Amount: 1, Currency: "usd"})
	if !fault.Is(err, fault.RateLimited) || fault.From(err).RetryAfter <= 0 {
		t.Errorf("Refund: %v, want rate limited with a time to wait", err)
	}
}

func TestAnIntentTakesOnlySoManyRequests(t *testing.T) {
	t.Parallel()
	g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
	i, err := g.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	refund := func(n int) error {
		_, err := g.Refund(t.Context(), payment.RefundRequest{Key: strconv.Itoa(n), Reference: i.Reference, Amount: 1, Currency: "usd"})
		return err
	}
	for n := range 99 {
		must(t, refund(n))
	}
	if err := refund(99); !fault.Is(err, fault.Invalid) || fault.From(err).Code != "too_many_requests" {
		t.Errorf("the 101st request: %v, want invalid (too_many_requests)", err)
	}
	must(t, refund(0))
}

func TestHangEndsWithoutADeadlineToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, mockpay.Options{Journal: memjournal.New(clock.System{})})
		start := time.Now()
		_, err := g.Create(t.Context(), paid("k", "pm_mock_hang"))
		if !fault.Is(err, fault.UnknownOutcome) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v, want unknown after a minute", err, time.Since(start))
		}
	})
}

// The charge, the response saved under the key and the events are one commit.
func TestARequestIsOneCommit(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	var saves atomic.Int64
	journal.Fail = func(op string) error {
		if op == memjournal.Saved {
			saves.Add(1)
		}
		return nil
	}
	g := open(t, mockpay.Options{Journal: journal, Endpoint: func() string { return "" }, WebhookSecret: secret})
	commits := func(what string, want int64) {
		t.Helper()
		if got := saves.Swap(0); got != want {
			t.Errorf("%s: %d commits, want %d", what, got, want)
		}
	}
	i, err := g.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	commits("a payment", 1)
	_, err = g.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	commits("its repeat", 0)
	_, err = g.Refund(t.Context(), payment.RefundRequest{Key: "r", Reference: i.Reference, Amount: 400, Currency: "usd"})
	must(t, err)
	commits("a refund", 1)
}

// Gateways that share a store share the book.
func TestTwoGatewaysOnOneStore(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	gateways := []*mockpay.Gateway{open(t, mockpay.Options{Journal: journal}), open(t, mockpay.Options{Journal: journal})}
	i, err := gateways[0].Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	var all sync.WaitGroup
	var made atomic.Int64
	for n := range 20 {
		all.Go(func() {
			g := gateways[n%2]
			if again, err := g.Create(t.Context(), paid("k", "pm_card_visa")); err == nil && again.Reference != i.Reference {
				t.Errorf("the key made %s, want %s", again.Reference, i.Reference)
			}
			other, err := g.Create(t.Context(), paid("other", "pm_card_visa"))
			if err != nil && !fault.KindOf(err).Rule().Retry || err == nil && other.Reference == i.Reference {
				t.Errorf("another key: %+v, %v", other, err)
			}
			_, err = g.Refund(t.Context(), payment.RefundRequest{Key: "r" + strconv.Itoa(n), Reference: i.Reference, Amount: 300, Currency: "usd"})
			switch {
			case err == nil:
				made.Add(1)
			case !fault.Is(err, fault.Invalid) && !fault.KindOf(err).Rule().Retry:
				t.Errorf("Refund: %v", err)
			}
		})
	}
	all.Wait()
	entries := book(t, gateways[1])
	if len(entries) != 2 {
		t.Fatalf("%d payments, want two", len(entries))
	}
	for _, e := range entries {
		if e.Reference == i.Reference && (e.Refunds != 3 || made.Load() != 3 || e.Refunded != 900) {
			t.Errorf("%d refunds of %d, %d were answered, want 3 of 900", e.Refunds, e.Refunded, made.Load())
		}
	}
}

func TestABuyerApproves(t *testing.T) {
	t.Parallel()
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{
		Journal: journal, Approval: func(provider, reference string) string { return "http://console/" + provider + "/" + reference },
	})
	wait := func(key string, capture payment.CaptureMethod) payment.Intent {
		t.Helper()
		r := paid(key, "pm_card_authenticationRequired")
		r.ReturnURL, r.CaptureMethod = "https://shop.example.com/back", capture
		i, err := g.Create(t.Context(), r)
		if err != nil || i.Status != payment.RequiresAction || i.NextAction == nil || i.NextAction.URL != "http://console/mock/"+i.Reference {
			t.Fatalf("%+v, %v", i, err)
		}
		return i
	}
	for _, row := range []struct {
		key      string
		capture  payment.CaptureMethod
		approved bool
		want     payment.Status
		captured int64
	}{
		{"approved", payment.CaptureAutomatic, true, payment.Succeeded, 1000},
		{"approved, to be captured", payment.CaptureManual, true, payment.RequiresCapture, 0},
		{"not approved", payment.CaptureAutomatic, false, payment.RequiresPaymentMethod, 0},
	} {
		i := wait(row.key, row.capture)
		must(t, g.Approve(t.Context(), i.Reference, row.approved))
		i, err := g.Retrieve(t.Context(), i.Reference)
		if err != nil || i.Status != row.want || i.AmountCaptured != row.captured || i.NextAction != nil || (i.Failure == nil) != row.approved {
			t.Errorf("%s: %+v, %v", row.key, i, err)
		}
		if err := g.Approve(t.Context(), i.Reference, true); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s, and again: %v, want a conflict", row.key, err)
		}
	}
	if err := g.Approve(t.Context(), "pi_absent", true); !fault.Is(err, fault.NotFound) {
		t.Errorf("a payment that there is not: %v", err)
	}
}
