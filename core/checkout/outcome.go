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
	fault.Refused:       payment.NotExecuted,
	fault.QuotaExceeded: payment.NotExecuted,
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

// codeMismatch is the code of a provider that knows the key for another request: there is
// nothing to repeat under it.
const codeMismatch = "idempotency_mismatch"

// codeNotExecuted is the code of what was accepted, and never done.
const codeNotExecuted = "not_executed"

// take applies an answer. What did nothing where it was asked for, and was perhaps made
// elsewhere since, is not over: it waits until that is known, and takes what is there.
func (s *Service) take(st *stored, op *payment.Operation, a answer, held bool) {
	was := op.Outcome
	s.apply(&st.payment, op, a, held)
	if !held || !was.Open() || !op.DidNothing() {
		return
	}
	if made, err := s.madeUnseen(&st.payment, op); made != nil || err != nil {
		if made != nil {
			op.Request.Made = made
		}
		if op.AcceptedAt.IsZero() {
			op.AcceptedAt = s.Clock.Now()
		}
		s.postpone(st, op)
	}
}

// apply takes a provider's answer into the payment. held tells that whoever brings it
// holds the claim.
//
// What the provider says of its own object is taken from anybody. A refusal only says
// that this one call did nothing: it ends the operation for whoever holds the claim, and
// only while no other try of it can have been executed.
func (s *Service) apply(p *payment.Payment, op *payment.Operation, a answer, held bool) {
	outcome := outcomeOf(a.err)
	if outcome == payment.Unknown && !a.looked {
		a.intent = payment.Intent{} // whatever came with it is nobody's word
	}
	switch {
	case s.strange(p, op, a):
		op.Outcome, op.Unsure = payment.Unknown, true
	case !op.Outcome.Open():
		s.hear(p, a)
	case a.absent:
		if held {
			s.end(p, op, fault.New(fault.Unavailable, codeNotExecuted, "the provider did not execute this operation"))
			op.Absent = true
		}
	case a.looked && !held && !op.Creates() && op.Action != payment.Refund: // whoever holds it may be calling
		p.Glimpse(a.intent)
	case a.err == nil:
		done(p, op, a)
	case a.proves() && outcome == payment.Declined:
		fail(p, op, outcome, a)
	case !held:
		s.hear(p, a)
	case outcome == payment.Unknown:
		op.Outcome, op.Unsure = payment.Unknown, true
		op.Stale = op.Stale || fault.From(a.err).Code == codeMismatch
	case op.Uncertain():
		if s.hear(p, a); op.Outcome.Open() {
			op.Outcome, op.Unsure = payment.Unknown, true
		}
	default:
		fail(p, op, outcome, a)
	}
}

// strange reports whether the answer carries an object that cannot be this operation's:
// one of another payment, or a second one. It is never taken for the payment's own.
func (s *Service) strange(p *payment.Payment, op *payment.Operation, a answer) bool {
	i := a.intent
	owner := i.Metadata[payment.MetaPayment]
	switch {
	case i.Reference == "":
		return false
	case owner != "" && owner != p.ID && op.Creates():
		p.Review(payment.ReviewForeign, i.Reference, s.Clock.Now())
	case p.ProviderReference != "" && p.ProviderReference != i.Reference:
		p.Review(payment.ReviewSecondIntent, i.Reference, s.Clock.Now())
	default:
		return false
	}
	return op.Outcome.Open()
}

// hear takes what an answer tells of the payment as news.
func (s *Service) hear(p *payment.Payment, a answer) {
	switch {
	case a.intent.Reference == "" || p.ProviderReference != "" && p.ProviderReference != a.intent.Reference:
	case fault.Is(a.err, fault.Conflict): // read after the refusal
		p.Glimpse(a.intent)
	default:
		p.Merge(a.intent)
	}
}

// done ends an operation that the provider has executed.
func done(p *payment.Payment, op *payment.Operation, a answer) {
	if op.Action == payment.Refund {
		if op.All && a.looked && a.refund.Amount > 0 {
			op.Amount = a.refund.Amount
		}
		if a.use.key != "" { // the next use is the one after it
			op.Generation, op.ProviderKey = a.use.generation, a.use.key
		}
		p.SettleRefund(op, a.refund)
		return
	}
	if a.looked && !op.Creates() { // somebody else may have done it, or something else
		p.Replace(a.intent)
		return
	}
	p.Answer(op, payment.Done, a.intent)
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

// end gives up an operation of which it is proved that nothing came, and that is not
// tried again by itself. A payment that has not reached its provider is over with it.
func (s *Service) end(p *payment.Payment, op *payment.Operation, why *fault.Error) {
	refuse(op, why)
	op.Outcome = payment.NotExecuted
	switch {
	case op.Creates() && !p.Status.Terminal():
		op.Kind = "" // the caller was answered 202; a repeat gets the payment as it is
		p.Status, p.NextAction = payment.Canceled, nil
		p.Error = &payment.Failure{Code: codeNotExecuted, Message: "no provider took this payment; no money moved"}
	case op.Action == payment.Confirm && p.Status == payment.Processing:
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
	switch {
	case op.Outcome == payment.Declined:
		p.Status = payment.RequiresPaymentMethod
	case op.Before != "":
		p.Status = op.Before
	case op.Request.PaymentMethod == "":
		p.Status = payment.RequiresPaymentMethod
	}
}
