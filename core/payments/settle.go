package payments

import (
	"cmp"
	"context"
	"slices"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Verdict is what a person has found at the provider.
type Verdict string

// The verdicts.
const (
	Executed    Verdict = "executed"     // the provider did what was asked
	NotExecuted Verdict = "not_executed" // it never did, and never will
	Noted       Verdict = "noted"        // nothing is unknown; the review was read
)

// SettleRequest settles the reviews of a payment. Reference is the provider's object, if the
// operation made one: pi_… or re_…
type SettleRequest struct {
	Verdict   Verdict
	Reference string
	Note      string
	By        string
}

const maxNote = 1000

// Settle closes the reviews of a payment and ends its unknown operation. If the verdict is
// executed, the result is read at the provider. If it is not_executed, the person's word
// counts. The payment records who gave the verdict. Repeating the same verdict changes
// nothing.
//
// NotFound; Invalid; Conflict with code operation_in_progress while a call is under way, or
// with nothing_unknown, nothing_to_review, still_unknown, not_this_operation or
// verdict_given; the errors of the provider's Retrieve.
func (s *Service) Settle(ctx context.Context, tenant, id string, r SettleRequest) (payment.Payment, error) {
	switch {
	case r.Verdict != Executed && r.Verdict != NotExecuted && r.Verdict != Noted:
		return payment.Payment{}, fault.InvalidParam("verdict", "invalid_verdict", "verdict must be executed, not_executed or noted")
	case len(r.Note) > maxNote || payment.HasCardNumber(r.Note):
		return payment.Payment{}, fault.InvalidParam("note", "invalid_note", "note takes at most 1000 bytes and no card number")
	}
	st, err := s.find(ctx, tenant, id)
	if err != nil {
		return payment.Payment{}, err
	}
	op := st.payment.Open()
	switch given := st.payment.SettledAs(string(r.Verdict), r.Note); {
	case given && op == nil:
		return st.payment, nil
	case given:
		return st.payment, fault.New(fault.Conflict, "verdict_given",
			"this verdict was given before the operation was tried again; say in the note what was seen since")
	}
	a, err := s.testimony(ctx, &st, r)
	if err != nil {
		return st.payment, err
	}
	err = s.records.Update(ctx, &st, func(st *stored) error {
		p := &st.payment
		if op != nil && r.Verdict != Noted {
			now := p.Operation(op.ID)
			if now != nil && !now.Outcome.Open() && now.Tries == op.Tries && p.SettledAs(string(r.Verdict), r.Note) {
				return nil // it was saved, and only the answer was lost
			}
			if now == nil || now.Tries != op.Tries || !needsVerdict(st, now) {
				return errUnderWay
			}
			if now.Outcome == payment.Waiting { // the intent that was made for it cannot be read
				now.Outcome, now.Request.Made = payment.Unknown, nil
			}
			if made, err := s.unadoptedIntent(p, now); err != nil {
				return err
			} else if made != nil {
				return errUnderWay // the next try adopts the intent
			}
			s.applyAnswer(st, now, a, true)
			if now.Outcome == payment.Unknown {
				return fault.New(fault.Conflict, "not_this_operation", "what the provider has does not show that this operation was done")
			}
			p.Review(payment.ReviewUnknown, op.ID, s.Clock.Now()) // the verdict may come before any review was opened
		}
		p.Settle(string(r.Verdict), r.Note, r.By, s.Clock.Now())
		return nil
	})
	return st.payment, err
}

var errUnderWay = fault.New(fault.Conflict, codeInProgress, "a call is under way; ask again in a minute")

// needsVerdict reports whether a person may say what became of an operation. The record must
// not be claimed. The operation is unknown, or it has waited too long for its intent at a
// provider that does not answer.
func needsVerdict(st *stored, op *payment.Operation) bool {
	waits := op.Outcome == payment.Waiting && op.Request.Made != nil && st.payment.NeedsReview
	return st.record.Owner == "" && (waits || op.Outcome == payment.Unknown)
}

// testimony returns the answer to the open operation that a verdict stands for.
func (s *Service) testimony(ctx context.Context, st *stored, r SettleRequest) (answer, error) {
	op := st.payment.Open()
	switch {
	case r.Verdict == Noted && op != nil:
		return answer{}, fault.New(fault.Conflict, "still_unknown", "an operation of this payment is not known to have ended: the verdict is executed or not_executed")
	case r.Verdict == Noted && !st.payment.NeedsReview:
		return answer{}, fault.New(fault.Conflict, "nothing_to_review", "this payment needs no review")
	case r.Verdict == Noted:
		return answer{}, nil
	case op == nil:
		return answer{}, fault.New(fault.Conflict, "nothing_unknown", "no operation of this payment is unknown; the verdict noted closes its review")
	case !needsVerdict(st, op):
		return answer{}, errUnderWay
	case r.Verdict == NotExecuted:
		return answer{absent: true, observed: true}, nil
	}
	g, err := s.gatewayFor(*op)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if op.Action == payment.Refund {
		return s.refundSeen(ctx, g, op, r.Reference)
	}
	reference := cmp.Or(op.Request.Reference, r.Reference)
	if reference == "" {
		return answer{}, fault.InvalidParam("reference", "reference_required", "reference must be the provider's id of the payment")
	}
	i, err := g.Retrieve(ctx, reference)
	if fault.Is(err, fault.NotFound) {
		return answer{}, fault.InvalidParam("reference", "no_such_object", "the provider has no payment of this id")
	}
	if err != nil {
		return answer{}, err
	}
	return declinedIn(answer{intent: i, observed: true}, *op), nil
}

// refundSeen reads the refund that a person names.
func (s *Service) refundSeen(ctx context.Context, g ports.PaymentGateway, op *payment.Operation, reference string) (answer, error) {
	refunds, err := g.Refunds(ctx, op.Request.Reference)
	if err != nil {
		return answer{}, err
	}
	i := slices.IndexFunc(refunds, func(r payment.ProviderRefund) bool { return r.Reference == reference && r.Amount == op.Amount })
	if i >= 0 {
		return answer{refund: refunds[i], observed: true}, nil
	}
	return answer{}, fault.InvalidParam("reference", "no_such_refund", "reference must be a refund of this payment, of the same amount")
}

// InReview calls found for each of the tenant's payments that needs a review, newest first.
// It reads all payments of the tenant, and calls progress with how many it has read.
func (s *Service) InReview(ctx context.Context, tenant string, progress func(int) error, found func(payment.Payment) error) error {
	return s.records.Walk(ctx, tenant, ports.Filter{}, progress, func(st stored) error {
		if !st.payment.NeedsReview {
			return nil
		}
		return found(st.payment)
	})
}
