package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// The refund was tried again between. The second delivery says nothing of that try.
func TestAVerdictThatIsDeliveredTwiceCountsOnce(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		verdict := payments.SettleRequest{Verdict: payments.NotExecuted, Note: "not in the dashboard", By: "ada"}
		if _, err := r.Settle(t.Context(), tenant, id, verdict); err != nil {
			t.Fatal(err)
		}
		// The repeat is executed, and its answer lost.
		r.provider.failBefore(nil)
		r.provider.failAfter(func(context.Context, payment.Action, int) error {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		if again, err := r.Refund(t.Context(), tenant, id, 250, opKey("refund", "r")); err != nil || !again.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", again.Operation.Outcome, err)
		}
		<-time.After(time.Second)
		if _, err := r.Settle(t.Context(), tenant, id, verdict); fault.From(err).Code != "verdict_given" { // the same request once more
			t.Errorf("got %v, want verdict_given", err)
		}
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

// Nobody can put away what is still unknown by taking note of it.
func TestAnUnknownOutcomeCannotBeNoted(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		r.age(t, id, 6*24*time.Hour)
		<-time.After(2 * time.Minute)
		for range 2 {
			if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.Noted, Note: "seen"}); fault.From(err).Code != "still_unknown" {
				t.Errorf("%v", err)
			}
		}
		if p := r.status(t, id); !p.NeedsReview {
			t.Errorf("%+v", p.Reviews)
		}
	})
}

func TestANoteIsKeptOrRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		if _, err := r.Settle(t.Context(), tenant, res.Payment.ID, payments.SettleRequest{Verdict: payments.Noted, Note: "seen"}); fault.From(err).Code != "nothing_to_review" {
			t.Errorf("%v", err)
		}
	})
}

// It is known again when the payment is read.
func TestVerdictIsSavedThoughTheJournalsAnswerIsLost(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		r.failNth("saved", 1, fault.UnknownOutcome)
		_, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.NotExecuted, By: "ada"})
		if p := r.status(t, id); err != nil && p.Open() == nil {
			t.Errorf("taken (%+v), and answered %v", p.Reviews, err)
		}
	})
}

// Two people give their verdicts at once. The second finds that there is nothing left to say.
func TestAVerdictOnWhatHasEndedMeanwhileIsRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		id := r.unknown(t)
		verdict := func(note string) error {
			_, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.NotExecuted, Note: note, By: note})
			return err
		}
		var first error
		asked := false
		r.journal.Fail = func(op string) error {
			if op == memjournal.Save && !asked {
				asked = true
				first = verdict("ada")
			}
			return nil
		}
		second := verdict("bob")
		if first != nil || !fault.Is(second, fault.Conflict) {
			t.Errorf("got %v and %v, want the first taken and a conflict", first, second)
		}
	})
}
