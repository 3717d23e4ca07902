package payments

import (
	"cmp"
	"context"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
)

// codeTooLarge is the code of an amount that exceeds what is left.
const codeTooLarge = "amount_too_large"

// Refund refunds a payment; amount 0 means all that is left. The Operation of the Result is
// the refund.
func (s *Service) Refund(ctx context.Context, tenant, id string, amount int64, key idempotency.Key) (Result, error) {
	return s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		wanted := amount
		if amount == 0 {
			wanted = p.Refundable()
		}
		if err := refundable(p, amount); err != nil {
			begun := payment.Operation{Key: key.Scoped, StartedAt: s.Clock.Now()}
			if p.AmountCaptured == 0 || !s.knownBefore(p, begun) {
				return err
			}
			wanted = cmp.Or(max(wanted, 0), p.AmountCaptured) // the provider may have done this very refund: the call looks for it
		}
		if err := s.begin(p, payment.Refund, wanted, key, payment.Request{Reference: p.ProviderReference}); err != nil {
			return err
		}
		p.Open().All = amount == 0
		return nil
	})
}

// beyond reports whether the provider has refused a refund because less is left than the
// amount, or nothing.
func beyond(op *payment.Operation) bool {
	if op.Action != payment.Refund || op.Outcome != payment.NotExecuted || op.Reference != "" || op.Error == nil {
		return false
	}
	kind, code := fault.ParseKind(op.Kind), op.Error.Code
	return kind == fault.Invalid && code == codeTooLarge || kind == fault.Conflict && code == codeState
}

// readjust asks the provider what is left after it has refused a refund: somebody may have
// made a refund there that the store does not know. If the caller asked for all that is
// left, readjust begins a further try with that amount and returns true.
func (s *Service) readjust(ctx context.Context, st *stored, refused payment.Operation) bool {
	if _, err := s.Sync(ctx, st.payment.Tenant, st.payment.ID); err != nil {
		return false
	}
	fresh, err := s.load(ctx, st.payment.Tenant, st.payment.ID)
	if err != nil {
		return false
	}
	*st = fresh
	var began mark
	err = s.update(ctx, st, func(st *stored) error {
		if began.in(&st.payment) {
			return nil
		}
		op := st.payment.Operation(refused.ID)
		again := op != nil && op.All && beyond(op) && op.Tries == refused.Tries && st.payment.Open() == nil &&
			st.payment.Refundable() > 0 && st.payment.Refundable() < op.Amount
		if !again {
			return errKept
		}
		accepted := op.AcceptedAt
		op.Amount, op.Absent = st.payment.Refundable(), true // the refused key can have no further effect
		if err := s.try(&st.payment, op); err != nil {
			return err
		}
		op.AcceptedAt = accepted
		began = markOf(op)
		s.hold(st)
		return nil
	})
	return err == nil
}

// errKept reports that a refusal stands.
var errKept = fault.New(fault.Conflict, codeState, "nothing else is left")
