package payment_test

import (
	"testing"
	"time"

	"patchbay/core/payment"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestReviewIsOpenedOnceForEachDetail(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	equal(t, "the first is new", p.Review(payment.ReviewSecondIntent, "pi_2", noon), true)
	equal(t, "needs review", p.NeedsReview, true)
	equal(t, "the same detail is new", p.Review(payment.ReviewSecondIntent, "pi_2", noon.Add(time.Hour)), false)
	equal(t, "number of reviews", len(p.Reviews), 1)
	equal(t, "another detail is new", p.Review(payment.ReviewSecondIntent, "pi_3", noon), true)
	equal(t, "number of reviews", len(p.Reviews), 2)
}

func TestSettleClosesAllOpenReviews(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon)
	p.Settle("refunded", "gave back 9,000 at the dashboard", "anna", noon.Add(time.Hour))
	r := p.Reviews[0]
	equal(t, "needs review", p.NeedsReview, false)
	equal(t, "the review is open", r.Open(), false)
	equal(t, "verdict", r.Verdict, "refunded")
	equal(t, "note", r.Note, "gave back 9,000 at the dashboard")
	equal(t, "by", r.By, "anna")
	equal(t, "the same report is a new review", p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon.Add(2*time.Hour)), false)
	equal(t, "needs review after the same report", p.NeedsReview, false)
}

func TestSettledAsHoldsUntilTheNextReview(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	equal(t, "settled before any review", p.SettledAs("noted", ""), false)
	p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon)
	p.Settle("noted", "given back", "anna", noon)
	equal(t, "settled with the same verdict and note", p.SettledAs("noted", "given back"), true)
	equal(t, "settled with another verdict", p.SettledAs("executed", "given back"), false)
	equal(t, "settled with another note", p.SettledAs("noted", ""), false)
	p.Review(payment.ReviewSecondIntent, "pi_2", noon)
	equal(t, "settled while a review is open", p.SettledAs("noted", "given back"), false)
}

func TestRetriedOperationIsReviewedAgain(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown, StartedAt: noon.Add(-time.Hour)}}}
	p.Review(payment.ReviewUnknown, "op_1", noon)
	p.Settle("not_executed", "", "anna", noon)
	equal(t, "the same try is a new review", p.Review(payment.ReviewUnknown, "op_1", noon.Add(time.Minute)), false)
	p.Operations[0].TriedAt = noon.Add(time.Hour)
	equal(t, "the next try is a new review", p.Review(payment.ReviewUnknown, "op_1", noon.Add(2*time.Hour)), true)
	equal(t, "needs review", p.NeedsReview, true)
	equal(t, "the next try is a new review once more", p.Review(payment.ReviewUnknown, "op_1", noon.Add(3*time.Hour)), false)
	equal(t, "number of reviews", len(p.Reviews), 2)
}

func TestAReviewWithoutAReasonIsSettledToo(t *testing.T) {
	t.Parallel()
	p := payment.Payment{NeedsReview: true} // as the version before had it
	p.Settle("succeeded", "", "anna", noon)
	equal(t, "needs review", p.NeedsReview, false)
	if len(p.Reviews) != 1 {
		t.Fatalf("reviews = %+v, want one", p.Reviews)
	}
	equal(t, "verdict", p.Reviews[0].Verdict, "succeeded")
}

func TestAuditClosesUnknownReviewsOnceNothingIsOpen(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Status: payment.Succeeded, Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown}}}
	p.Review(payment.ReviewUnknown, "op_1", noon)
	p.Audit(noon)
	equal(t, "needs review while the operation is unknown", p.NeedsReview, true)
	p.Operations[0].Outcome = payment.Done
	p.Audit(noon)
	equal(t, "needs review after the operation has ended", p.NeedsReview, false)
	equal(t, "by", p.Reviews[0].By, "provider")
	p.Review(payment.ReviewSecondIntent, "pi_2", noon)
	p.Audit(noon)
	equal(t, "needs review because of a second intent", p.NeedsReview, true)
}

func TestAuditGivesReasonToReviewOfEarlierVersion(t *testing.T) {
	t.Parallel()
	p := payment.Payment{NeedsReview: true, Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown}}}
	p.Audit(noon)
	p.Operations[0].Outcome = payment.Done
	p.Audit(noon)
	equal(t, "needs review", p.NeedsReview, false)
	if len(p.Reviews) != 1 {
		t.Fatalf("reviews = %+v, want one", p.Reviews)
	}
	equal(t, "detail", p.Reviews[0].Detail, "op_1")
}

func TestWhatWasPaidThoughItIsCanceledHereNeedsReview(t *testing.T) {
	t.Parallel()
	event, present := (*payment.Payment).Merge, func(p *payment.Payment, i payment.Intent) bool {
		p.Replace(i)
		return false
	}
	captured := payment.Intent{Reference: "pi_1", AmountCaptured: 500} // as the event of a charge reports it
	tests := []struct {
		name     string
		merge    func(*payment.Payment, payment.Intent) bool
		i        payment.Intent
		reviewed bool
		stale    bool
	}{
		{"an event that it has succeeded", event, intent(payment.Succeeded), true, false},
		{"an event of its charge", event, captured, true, false},
		{"the present state: it has succeeded", present, intent(payment.Succeeded), true, false},
		{"the present state: the money is reserved", present, intent(payment.RequiresCapture), true, false},
		{"an event that the money is reserved, which may be late", event, intent(payment.RequiresCapture), false, true},
		{"an event that it is canceled", event, intent(payment.Canceled), false, false},
		{"the present state: it is canceled", present, intent(payment.Canceled), false, false},
		{"a late event of a decline", event, intent(payment.RequiresPaymentMethod), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := payment.Payment{Amount: 500, Currency: "usd", Status: payment.Canceled}
			for range 2 {
				equal(t, "the report may be stale", tt.merge(&p, tt.i), tt.stale)
			}
			equal(t, "status", p.Status, payment.Canceled)
			equal(t, "amount captured", p.AmountCaptured, tt.i.AmountCaptured)
			equal(t, "amount capturable", p.AmountCapturable, tt.i.AmountCapturable)
			equal(t, "needs review", p.NeedsReview, tt.reviewed)
			if !tt.reviewed {
				return
			}
			if len(p.Reviews) != 1 {
				t.Fatalf("reviews = %+v, want one", p.Reviews)
			}
			equal(t, "reason", p.Reviews[0].Reason, payment.ReviewPaid)
			equal(t, "detail", p.Reviews[0].Detail, "pi_1")
		})
	}
}
