package checkout_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// The refund was tried again between. The second delivery says nothing of that try.
func TestAVerdictThatIsDeliveredTwiceCountsOnce(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		verdict := checkout.SettleRequest{Verdict: checkout.NotExecuted, Note: "not in the dashboard", By: "ada"}
		if _, err := r.Settle(t.Context(), tenant, id, verdict); err != nil {
			t.Fatal(err)
		}
		// The repeat is executed, and its answer lost.
		r.provider.failBefore(nil)
		r.provider.failAfter(func(context.Context, payment.Action, int) error {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		if again, err := r.Refund(t.Context(), tenant, id, 250, opKey("refund", "r")); err != nil || !again.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", again.Operation, err)
		}
		<-time.After(time.Second)
		_, err := r.Settle(t.Context(), tenant, id, verdict) // the same request once more
		t.Logf("the same verdict once more: %v", err)
		r.provider.failAfter(nil)
		r.provider.cannotLook(nil)
		if _, err := r.Refund(t.Context(), tenant, id, 250, opKey("refund", "r")); err != nil {
			t.Log(err)
		}
		<-time.After(2 * time.Hour)
		if n := len(r.provider.refunds); n != 1 {
			t.Errorf("%d refunds of one key", n)
		}
	})
}

// Who only takes note of what is unknown is asked again a month later.
func TestAnUnknownOutcomeThatWasNotedIsReviewedAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		r.age(t, id, 6*24*time.Hour)
		<-time.After(2 * time.Minute)
		if p := r.status(t, id); !p.NeedsReview {
			t.Fatalf("%+v", p.Reviews)
		}
		if _, err := r.Settle(t.Context(), tenant, id, checkout.SettleRequest{Verdict: checkout.Noted, By: "ada"}); err != nil {
			t.Fatal(err)
		}
		r.age(t, id, 31*24*time.Hour)
		<-time.After(2 * time.Minute)
		if p := r.status(t, id); p.Open() != nil && !p.NeedsReview {
			t.Errorf("two months later it is %s, and no person is asked", p.Open().Outcome)
		}
	})
}

// It is known again when the payment is read.
func TestAVerdictIsTakenThoughTheAnswerOfTheJournalIsLost(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		r.failNth("saved", 1, fault.UnknownOutcome)
		_, err := r.Settle(t.Context(), tenant, id, checkout.SettleRequest{Verdict: checkout.NotExecuted, By: "ada"})
		if p := r.status(t, id); err != nil && p.Open() == nil {
			t.Errorf("taken (%+v), and answered %v", p.Reviews, err)
		}
	})
}
