package checkout

import (
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// outcomes says how a call ended by the Kind of its error. A Kind that is not
// listed leaves it unknown.
var outcomes = map[fault.Kind]payment.Outcome{
	fault.Declined:      payment.Declined,
	fault.Invalid:       payment.NotExecuted,
	fault.NotFound:      payment.NotExecuted,
	fault.Conflict:      payment.NotExecuted,
	fault.Unauthorized:  payment.NotExecuted,
	fault.QuotaExceeded: payment.NotExecuted,
	fault.Refused:       payment.NotExecuted,
	fault.RateLimited:   payment.NotExecuted,
	fault.Unsupported:   payment.NotSent,
	fault.Internal:      payment.NotSent,
	fault.Unavailable:   payment.NotSent,
	fault.Overloaded:    payment.NotSent,
	fault.Canceled:      payment.NotSent,
}

func outcomeOf(err error) payment.Outcome {
	if err == nil {
		return payment.Done
	}
	if o, ok := outcomes[fault.KindOf(err)]; ok {
		return o
	}
	return payment.Unknown
}

// apply takes a provider's answer into the payment. Where somebody else has
// ended the operation meanwhile, the answer is only news.
func apply(p *payment.Payment, op *payment.Operation, a answer) {
	if !op.Outcome.Open() {
		if a.intent.Reference != "" {
			p.Merge(a.intent)
		}
		return
	}
	switch outcome := outcomeOf(a.err); {
	case outcome == payment.Unknown:
		op.Outcome = payment.Unknown
	case outcome == payment.Done && op.Action == payment.Refund:
		p.SettleRefund(op, a.refund)
	case outcome == payment.Done:
		p.Answer(op, payment.Done, a.intent)
		if op.Creates() && !a.intent.Same(p.Amount, p.Currency) {
			p.NeedsReview = true
		}
	default:
		fail(p, op, outcome, a)
	}
}

// fail ends an operation that did not do what was asked.
func fail(p *payment.Payment, op *payment.Operation, outcome payment.Outcome, a answer) {
	if outcome == payment.NotExecuted && a.intent.Reference != "" {
		p.Replace(a.intent) // what the provider knows may prove that it was done
		if !op.Outcome.Open() {
			return
		}
	}
	refuse(op, fault.From(a.err))
	p.Answer(op, outcome, a.intent)
	if p.Status == payment.Processing && (op.Action == payment.Create || op.Action == payment.Confirm) {
		unplaced(p, op)
	}
}

// refuse notes why an operation failed.
func refuse(op *payment.Operation, f *fault.Error) {
	op.Kind = f.Kind.String()
	op.Error = &payment.Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message}
	if op.Error.Code == "" {
		op.Error.Code = op.Kind
	}
}

// unplaced gives the status of a payment whose create or confirm did nothing.
func unplaced(p *payment.Payment, op *payment.Operation) {
	p.Status, p.Error = payment.RequiresConfirmation, op.Error
	if op.Outcome == payment.Declined || op.Request.PaymentMethod == "" {
		p.Status = payment.RequiresPaymentMethod
	}
}
