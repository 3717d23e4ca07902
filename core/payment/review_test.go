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
	if !p.Review(payment.ReviewSecondIntent, "pi_2", noon) || !p.NeedsReview {
		t.Fatalf("the first is not taken: %+v", p)
	}
	if p.Review(payment.ReviewSecondIntent, "pi_2", noon.Add(time.Hour)) || len(p.Reviews) != 1 {
		t.Errorf("told twice: %+v", p.Reviews)
	}
	if !p.Review(payment.ReviewSecondIntent, "pi_3", noon) || len(p.Reviews) != 2 {
		t.Errorf("another detail is another review: %+v", p.Reviews)
	}
}

func TestSettleClosesAllOpenReviews(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon)
	p.Settle("refunded", "gave back 9,000 at the dashboard", "anna", noon.Add(time.Hour))
	if r := p.Reviews[0]; p.NeedsReview || r.Open() || r.Verdict != "refunded" || r.Note == "" || r.By != "anna" {
		t.Errorf("%+v", p)
	}
	if p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon.Add(2*time.Hour)) || p.NeedsReview {
		t.Error("what was settled is brought up again by the same news")
	}
}

func TestSettledAsHoldsUntilTheNextReview(t *testing.T) {
	t.Parallel()
	var p payment.Payment
	if p.SettledAs("noted", "") {
		t.Error("nobody has settled anything")
	}
	p.Review(payment.ReviewAmount, "captured 10000 of 1000", noon)
	p.Settle("noted", "given back", "anna", noon)
	if !p.SettledAs("noted", "given back") || p.SettledAs("executed", "given back") || p.SettledAs("noted", "") {
		t.Errorf("%+v", p)
	}
	p.Review(payment.ReviewSecondIntent, "pi_2", noon)
	if p.SettledAs("noted", "given back") {
		t.Error("a review that is open counts as settled")
	}
}

func TestRetriedOperationIsReviewedAgain(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown, StartedAt: noon.Add(-time.Hour)}}}
	p.Review(payment.ReviewUnknown, "op_1", noon)
	p.Settle("not_executed", "", "anna", noon)
	if p.Review(payment.ReviewUnknown, "op_1", noon.Add(time.Minute)) {
		t.Error("the same try is brought up again")
	}
	p.Operations[0].TriedAt = noon.Add(time.Hour)
	if !p.Review(payment.ReviewUnknown, "op_1", noon.Add(2*time.Hour)) || !p.NeedsReview {
		t.Error("nobody is told of the next try")
	}
	if p.Review(payment.ReviewUnknown, "op_1", noon.Add(3*time.Hour)) || len(p.Reviews) != 2 {
		t.Errorf("told twice: %+v", p.Reviews)
	}
}

func TestAReviewWithoutAReasonIsSettledToo(t *testing.T) {
	t.Parallel()
	p := payment.Payment{NeedsReview: true} // as the version before had it
	p.Settle("succeeded", "", "anna", noon)
	if p.NeedsReview || len(p.Reviews) != 1 || p.Reviews[0].Verdict != "succeeded" {
		t.Errorf("%+v", p)
	}
}

func TestAuditClosesUnknownReviewsOnceNothingIsOpen(t *testing.T) {
	t.Parallel()
	p := payment.Payment{Status: payment.Succeeded, Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown}}}
	p.Review(payment.ReviewUnknown, "op_1", noon)
	if p.Audit(noon); !p.NeedsReview {
		t.Error("answered while the operation is still unknown")
	}
	p.Operations[0].Outcome = payment.Done
	if p.Audit(noon); p.NeedsReview || p.Reviews[0].By != "provider" {
		t.Errorf("%+v", p)
	}
	p.Review(payment.ReviewSecondIntent, "pi_2", noon)
	if p.Audit(noon); !p.NeedsReview {
		t.Error("a second intent is for a person")
	}
}

func TestAuditGivesReasonToReviewOfEarlierVersion(t *testing.T) {
	t.Parallel()
	p := payment.Payment{NeedsReview: true, Operations: []payment.Operation{{ID: "op_1", Outcome: payment.Unknown}}}
	p.Audit(noon)
	p.Operations[0].Outcome = payment.Done
	if p.Audit(noon); p.NeedsReview || len(p.Reviews) != 1 || p.Reviews[0].Detail != "op_1" {
		t.Errorf("%+v", p)
	}
}

func TestWhatWasPaidThoughItIsCanceledHereNeedsReview(t *testing.T) {
	t.Parallel()
	event, present := (*payment.Payment).Merge, func(p *payment.Payment, i payment.Intent) bool {
		p.Replace(i)
		return false
	}
	captured := payment.Intent{Reference: "pi_1", AmountCaptured: 500} // as the event of a charge tells it
	tests := []struct {
		name     string
		take     func(*payment.Payment, payment.Intent) bool
		i        payment.Intent
		reviewed bool
		asks     bool
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
				if asks := tt.take(&p, tt.i); asks != tt.asks {
					t.Errorf("the provider is asked: %v", asks)
				}
			}
			if p.Status != payment.Canceled || p.AmountCaptured != tt.i.AmountCaptured || p.AmountCapturable != tt.i.AmountCapturable {
				t.Errorf("%s, %d captured, %d capturable", p.Status, p.AmountCaptured, p.AmountCapturable)
			}
			if p.NeedsReview != tt.reviewed || tt.reviewed && (len(p.Reviews) != 1 || p.Reviews[0].Reason != payment.ReviewPaid || p.Reviews[0].Detail != "pi_1") {
				t.Errorf("%+v", p.Reviews)
			}
		})
	}
}
