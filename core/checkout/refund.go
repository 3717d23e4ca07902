package checkout

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
)

// codeTooLarge is the code of an amount that is more than what is left.
const codeTooLarge = "amount_too_large"

// Refund gives money back; amount 0 means all that is left. The Result's
// Operation is the refund.
//
// Somebody may have given back at the provider what nobody has told here. So after a
// refusal the provider is asked what is left; who has asked for all of it gets that.
func (s *Service) Refund(ctx context.Context, tenant, id string, amount int64, key idem.Key) (Result, error) {
	by := s.Clock.Now().Add(answerWithin)
	result, err := s.operate(ctx, tenant, id, key, func(p *payment.Payment) error {
		if err := refundable(p, amount); err != nil {
			return err
		}
		wanted := amount
		if amount == 0 {
			wanted = p.Refundable()
		}
		if err := s.begin(p, payment.Refund, wanted, key, payment.Request{Reference: p.ProviderReference}); err != nil {
			return err
		}
		p.Open().All = amount == 0
		return nil
	})
	op := result.Operation
	if !beyond(&op) {
		return result, err
	}
	p, unread := s.Sync(ctx, tenant, id)
	if unread != nil { // a repeat asks again
		return result, err
	}
	result.Payment = p
	if left := p.Refundable(); !op.All || left <= 0 || left >= op.Amount {
		return result, err
	}
	st, err := s.load(ctx, tenant, id)
	if err != nil {
		return result, err
	}
	return s.start(ctx, by, st, func(p *payment.Payment) error { return s.refundRest(p, op) })
}

// beyond reports whether the provider has refused a refund since less is left than was
// asked for, or nothing.
func beyond(op *payment.Operation) bool {
	if op.Action != payment.Refund || op.Outcome != payment.NotExecuted || op.Reference != "" || op.Error == nil {
		return false
	}
	kind, code := fault.ParseKind(op.Kind), op.Error.Code
	return kind == fault.Invalid && code == codeTooLarge || kind == fault.Conflict && code == codeState
}

// refundRest tries a refund of all that is left again, of what really is. Nothing can
// come any more of the key that was refused.
func (s *Service) refundRest(p *payment.Payment, refused payment.Operation) error {
	op := p.Operation(refused.ID)
	if op == nil || !beyond(op) || op.Tries != refused.Tries {
		return fault.New(fault.Conflict, idem.CodeInFlight, "another repeat of this key is under way")
	}
	if err := refundable(p, 0); err != nil {
		return err
	}
	op.Amount, op.Absent = p.Refundable(), true
	return s.try(p, op)
}
