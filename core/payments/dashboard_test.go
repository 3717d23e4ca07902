package payments_test

import (
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
)

func TestDeclineCountsFromAnySource(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	tl.sim.Inject(faultserver.Fault{Match: stripesim.On(payment.Create), After: true, Mishap: faultserver.Reset()})
	pay := func() (payments.Result, error) {
		return tl.Create(t.Context(), tenant, payments.CreateRequest{
			Amount: 1000, Currency: "usd", PaymentMethod: "pm_card_chargeDeclinedInsufficientFunds", Confirm: true,
		}, key("k", "a"))
	}
	res, err := pay()
	if err != nil || !res.Operation.Outcome.Open() {
		t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
	}
	tl.deliver(t)
	for range 2 {
		res, err = pay()
		if f := fault.From(err); f.Kind != fault.Declined || f.DeclineCode != "insufficient_funds" || res.Payment.Status != payment.RequiresPaymentMethod {
			t.Errorf("%s: %v; want a decline, as the first answer was", res.Payment.Status, err)
		}
	}
}

func TestRefundsAtTheDashboard(t *testing.T) {
	t.Parallel()
	give := func(t *testing.T, tl *atStripe, id string, amount int64) (payments.Result, error) {
		t.Helper()
		return tl.Refund(t.Context(), tenant, id, amount, opKey("refund", "r"))
	}
	t.Run("heard of, add to those made here", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		tl.sim.GiveBack(t, p.ProviderReference, 300)
		tl.deliver(t)
		if got := tl.now(t, p.ID); got.AmountRefunded != 300 || len(got.Refunds) != 1 {
			t.Fatalf("heard of %d: %+v", got.AmountRefunded, got.Refunds)
		}
		res, err := give(t, tl, p.ID, 200)
		if err != nil || res.Payment.AmountRefunded != 500 || len(res.Payment.Refunds) != 2 {
			t.Errorf("%d, %v: %+v", res.Payment.AmountRefunded, err, res.Payment.Refunds)
		}
		tl.deliver(t)
		if got := tl.now(t, p.ID); got.AmountRefunded != 500 || len(got.Refunds) != 2 {
			t.Errorf("once its events are here: %d: %+v", got.AmountRefunded, got.Refunds)
		}
	})
	t.Run("not heard of, are told with the answer", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		tl.sim.GiveBack(t, p.ProviderReference, 300)
		if res, err := give(t, tl, p.ID, 200); err != nil || res.Payment.AmountRefunded != 500 {
			t.Errorf("%d, %v; want 500", res.Payment.AmountRefunded, err)
		}
	})
	t.Run("not heard of, leave less of all that is left", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		tl.sim.GiveBack(t, p.ProviderReference, 300)
		for n := range 2 {
			res, err := give(t, tl, p.ID, 0)
			if err != nil || res.Operation.Amount != 700 || res.Operation.Outcome != payment.Done || res.Payment.AmountRefunded != 1000 || res.Replayed != (n == 1) {
				t.Errorf("%+v, %v: %d refunded", res.Operation, err, res.Payment.AmountRefunded)
			}
		}
		if e := tl.sim.Book()[0]; e.Refunded != 1000 || e.Refunds != 2 {
			t.Errorf("the provider's book: %+v", e)
		}
	})
	t.Run("of all, leave nothing", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		tl.sim.GiveBack(t, p.ProviderReference, 1000)
		if _, err := give(t, tl, p.ID, 0); !fault.Is(err, fault.Conflict) {
			t.Errorf("%v, want a conflict", err)
		}
		if got := tl.now(t, p.ID); got.AmountRefunded != 1000 {
			t.Errorf("%d refunded by the payment", got.AmountRefunded)
		}
	})
	t.Run("a part that is asked for is not made smaller", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		tl.sim.GiveBack(t, p.ProviderReference, 300)
		if _, err := give(t, tl, p.ID, 800); fault.From(err).Code != "amount_too_large" {
			t.Errorf("%v", err)
		}
		if got := tl.now(t, p.ID); got.AmountRefunded != 300 || tl.sim.Book()[0].Refunds != 1 {
			t.Errorf("%d refunded, %+v", got.AmountRefunded, tl.sim.Book()[0])
		}
	})
}

func TestARefundIsFollowed(t *testing.T) {
	t.Parallel()
	t.Run("that comes back: its amount is free again", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t)
		first, err := tl.Refund(t.Context(), tenant, p.ID, 800, opKey("refund", "a"))
		if err != nil {
			t.Fatal(err)
		}
		tl.sim.Conclude(t, first.Operation.Reference, "failed")
		tl.deliver(t)
		got := tl.now(t, p.ID)
		if op := got.Operation(first.Operation.ID); got.AmountRefunded != 0 || op.Outcome != payment.NotExecuted || op.Error.Code != "refund_failed" {
			t.Errorf("%d refunded: %+v", got.AmountRefunded, op)
		}
		if told := tl.told(t, p.ID); !slices.Contains(told, "refund_failed") {
			t.Errorf("the feed tells %v", told)
		}
		if res, err := tl.Refund(t.Context(), tenant, p.ID, 1000, opKey("refund", "b")); err != nil || res.Payment.AmountRefunded != 1000 {
			t.Errorf("again: %d, %v", res.Payment.AmountRefunded, err)
		}
		if again, err := tl.Refund(t.Context(), tenant, p.ID, 800, opKey("refund", "a")); err != nil || !again.Replayed || tl.sim.Book()[0].Refunds != 1 {
			t.Errorf("its key repeated gives back once more: %+v, %v", again.Operation, err)
		}
	})
	t.Run("of a bank's payment, which takes its time", func(t *testing.T) {
		t.Parallel()
		tl := openAtStripe(t)
		p := tl.sale(t, by("pm_usBankAccount_success"))
		tl.sim.Clear(t, p.ProviderReference)
		tl.deliver(t)
		res, err := tl.Refund(t.Context(), tenant, p.ID, 400, idempotency.Key{})
		if err != nil || !strings.HasPrefix(res.Operation.Reference, "pyr_") || res.Operation.Outcome != payment.Pending || res.Payment.AmountRefunded != 400 {
			t.Fatalf("%+v, %v", res.Operation, err)
		}
		tl.sim.Conclude(t, res.Operation.Reference, "succeeded")
		tl.deliver(t)
		if got := tl.now(t, p.ID); got.Operation(res.Operation.ID).Outcome != payment.Done || got.AmountRefunded != 400 || !slices.Contains(tl.told(t, p.ID), "refund_succeeded") {
			t.Errorf("%+v: %v", got.Operations, tl.told(t, p.ID))
		}
	})
}

// The events of what a capture has released are those of a refund.
func TestWhatACaptureReleasesIsNoRefund(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	p := tl.sale(t, manual)
	if _, err := tl.Capture(t.Context(), tenant, p.ID, 600, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	tl.deliver(t)
	if got := tl.now(t, p.ID); got.AmountRefunded != 0 || got.Refundable() != 600 || slices.Contains(tl.told(t, p.ID), "refunded") {
		t.Errorf("%d refunded, %d refundable: %v", got.AmountRefunded, got.Refundable(), tl.told(t, p.ID))
	}
	tl.sim.GiveBack(t, p.ProviderReference, 400) // as much as was released
	tl.deliver(t)
	if got := tl.now(t, p.ID); got.AmountRefunded != 400 || got.Refundable() != 200 {
		t.Errorf("%d refunded, %d refundable", got.AmountRefunded, got.Refundable())
	}
}

func TestACaptureOfAnotherAmountIsNotOurs(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	p := tl.sale(t, manual)
	tl.sim.Take(t, p.ProviderReference, 300)
	for range 2 {
		if _, err := tl.Capture(t.Context(), tenant, p.ID, 500, opKey("capture", "c")); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%v, want a conflict", err)
		}
	}
	if got := tl.now(t, p.ID); got.Status != payment.Succeeded || got.AmountCaptured != 300 {
		t.Errorf("%s, captured %d", got.Status, got.AmountCaptured)
	}
}

func TestDisputesAreShown(t *testing.T) {
	t.Parallel()
	for status, funds := range map[string]bool{"won": false, "lost": true} {
		for name, backwards := range map[string]bool{"in order": false, "backwards": true} {
			t.Run(status+" "+name, func(t *testing.T) {
				t.Parallel()
				tl := openAtStripe(t)
				p := tl.sale(t)
				tl.deliver(t)
				id := tl.sim.Dispute(t, p.ProviderReference)
				if !backwards {
					tl.deliver(t)
					got := tl.now(t, p.ID).Disputes
					if len(got) != 1 || got[0].Reference != id || got[0].Amount != 1000 || got[0].Reason != "fraudulent" || got[0].DueBy.IsZero() || !got[0].FundsWithdrawn {
						t.Errorf("%+v", got)
					}
				}
				tl.sim.Decide(t, id, status)
				if backwards {
					for _, kind := range []string{"funds_reinstated", "closed", "funds_withdrawn", "created"} {
						tl.deliver(t, "charge.dispute."+kind)
					}
				}
				tl.deliver(t)
				if got := tl.now(t, p.ID).Disputes; len(got) != 1 || got[0].Status != status || got[0].FundsWithdrawn != funds {
					t.Errorf("%+v", got)
				}
				if told := tl.told(t, p.ID); !slices.Contains(told, "dispute_opened") || !slices.Contains(told, "dispute_closed") {
					t.Errorf("the feed tells %v", told)
				}
			})
		}
	}
}

func TestAfterADeclineAnotherMethodIsNeeded(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	res, _ := tl.Create(t.Context(), tenant, payments.CreateRequest{
		Amount: 1000, Currency: "usd", PaymentMethod: "pm_card_chargeDeclined", Confirm: true,
	}, idempotency.Key{})
	id := res.Payment.ID
	_, err := tl.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "c"))
	if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "payment_method_missing" || f.Param != "paymentMethod" {
		t.Errorf("%v", err)
	}
	if got := tl.now(t, id); got.Status != payment.RequiresPaymentMethod || len(got.Operations) != 1 {
		t.Errorf("%s after %d operations", got.Status, len(got.Operations))
	}
	if _, err := tl.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_nobodys"}, idempotency.Key{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	if got := tl.now(t, id); got.Status != payment.RequiresPaymentMethod {
		t.Errorf("%s after a method that there is not", got.Status)
	}
	if done, err := tl.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_card_visa"}, idempotency.Key{}); err != nil || done.Payment.Status != payment.Succeeded {
		t.Errorf("status = %q, error %v; want %q", done.Payment.Status, err, payment.Succeeded)
	}
}

func TestSyncShowsWhatNoEventReported(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	p := tl.sale(t, by("pm_card_authenticationRequired"))
	tl.sim.Pay(t, p.ProviderReference, "pm_card_visa")
	tl.sim.GiveBack(t, p.ProviderReference, 100)
	id := tl.sim.Dispute(t, p.ProviderReference)
	got, err := tl.Sync(t.Context(), tenant, p.ID)
	if err != nil || got.Status != payment.Succeeded || got.AmountRefunded != 100 || len(got.Refunds) != 1 || len(got.Disputes) != 1 || got.Disputes[0].Reference != id {
		t.Fatalf("%+v, %v", got, err)
	}
	if told := tl.told(t, p.ID); !slices.Contains(told, "succeeded") {
		t.Errorf("the feed tells %v", told)
	}
	again, err := tl.Sync(t.Context(), tenant, p.ID)
	if err != nil || !again.UpdatedAt.Equal(got.UpdatedAt) {
		t.Errorf("%v: nothing is new, and the payment was changed", err)
	}
	if _, err := tl.Sync(t.Context(), "other", p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}

// An intent that names a payment, and is not the one that it has, is never taken in.
func TestForeignIntentNeedsReview(t *testing.T) {
	t.Parallel()
	tl := openAtStripe(t)
	p := tl.sale(t)
	tl.deliver(t)
	var e stripesim.Event
	for _, one := range tl.sim.Events() {
		if one.Type == "payment_intent.succeeded" {
			e = one
		}
	}
	second := e
	second.Body = []byte(strings.ReplaceAll(string(e.Body), p.ProviderReference, "pi_second"))
	w := tl.event(t, second)
	other := tl.event(t, second)
	other.Provider = "other"
	for _, w := range []webhook.Event{w, w, other, other} {
		if _, err := tl.ApplyWebhook(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	got := tl.now(t, p.ID)
	if !got.NeedsReview || len(got.Reviews) != 2 || got.Reviews[0].Reason != payment.ReviewSecondIntent || got.Reviews[1].Reason != payment.ReviewOtherAccount || got.ProviderReference != p.ProviderReference {
		t.Errorf("%+v", got.Reviews)
	}
	if told := tl.told(t, p.ID); !slices.Contains(told, "needs_review") || !slices.Equal(tl.reviews, []string{"acme second_intent", "acme other_account"}) {
		t.Errorf("the feed tells %v, the metric %v", told, tl.reviews)
	}
}
