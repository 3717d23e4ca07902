package payments

import (
	"bytes"
	"cmp"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
)

// outcomes maps the Kind of a call's error to the outcome. The outcome of a Kind that is not
// listed is unknown.
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

// codeMismatch is the code of a provider that has the key for another request. A repeat
// under this key is of no use.
const codeMismatch = "idempotency_mismatch"

// codeNotExecuted is the code of an operation that was accepted and never executed.
const codeNotExecuted = "not_executed"

// applyAnswer applies an answer. If the operation did nothing, but after a restore a provider may
// hold an intent for its payment, the operation does not end: it waits until that is known,
// and then adopts the intent.
func (s *Service) applyAnswer(st *stored, op *payment.Operation, a answer, held bool) {
	was := op.Outcome
	s.mergeAnswer(&st.payment, op, a, held)
	if !held || !was.Open() || !op.DidNothing() {
		return
	}
	if made, err := s.unadoptedIntent(&st.payment, op); made != nil || err != nil {
		if made != nil {
			op.Request.Made = made
		}
		if op.AcceptedAt.IsZero() {
			op.AcceptedAt = s.Clock.Now()
		}
		s.postpone(st, op)
	}
}

// mergeAnswer applies a provider's answer to the payment. held means that the caller of apply
// holds the claim.
//
// What the provider says about its own object is applied whether or not the claim is held. A
// refusal only says that this one call did nothing. It ends the operation only if the claim
// is held, and only if no other try can have been executed.
func (s *Service) mergeAnswer(p *payment.Payment, op *payment.Operation, a answer, held bool) {
	outcome := outcomeOf(a.err)
	if outcome == payment.Unknown && !a.observed {
		a.intent = payment.Intent{} // an intent that came with such an error proves nothing
	}
	switch {
	case s.foreignAnswer(p, op, a):
		op.Outcome, op.Unsure = payment.Unknown, true
	case !op.Outcome.Open():
		s.mergeIntent(p, a)
	case a.absent:
		if held {
			refuse(op, fault.New(fault.Unavailable, codeNotExecuted, "the provider did not execute this operation"))
			end(p, op)
			op.Absent = true
		}
	case a.observed && !held && !op.Creates() && op.Action != payment.Refund: // the holder of the claim may be calling the provider now
		p.ReplaceDuringCall(a.intent)
	case a.err == nil:
		succeed(p, op, a)
	case a.proves() && outcome == payment.Declined:
		fail(p, op, outcome, a)
	case !held:
		s.mergeIntent(p, a)
	case outcome == payment.Unknown:
		op.Outcome, op.Unsure = payment.Unknown, true
		op.Stale = op.Stale || fault.From(a.err).Code == codeMismatch
	case op.Uncertain():
		if s.mergeIntent(p, a); op.Outcome.Open() {
			op.Outcome, op.Unsure = payment.Unknown, true
		}
	default:
		fail(p, op, outcome, a)
	}
}

// foreignAnswer reports whether the answer carries an object that cannot be this operation's: one
// of another payment, or a second one. Such an object is never merged into the payment.
func (s *Service) foreignAnswer(p *payment.Payment, op *payment.Operation, a answer) bool {
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

// mergeIntent merges the intent of an answer into the payment, as a webhook would.
func (s *Service) mergeIntent(p *payment.Payment, a answer) {
	switch {
	case a.intent.Reference == "" || p.ProviderReference != "" && p.ProviderReference != a.intent.Reference:
	case fault.Is(a.err, fault.Conflict): // it was read after the refusal
		p.ReplaceDuringCall(a.intent)
	default:
		p.Merge(a.intent)
	}
}

// succeed ends an operation that the provider has executed.
func succeed(p *payment.Payment, op *payment.Operation, a answer) {
	if op.Action == payment.Refund {
		if op.All && a.observed && a.refund.Amount > 0 {
			op.Amount = a.refund.Amount
		}
		if a.use.key != "" { // the refund was made by a later use, so the next use follows that one
			op.Generation, op.ProviderKey = a.use.generation, a.use.key
		}
		p.EndRefund(op, a.refund)
		return
	}
	if a.observed && !op.Creates() { // another client may have done this, or something else
		p.Replace(a.intent)
		return
	}
	outcome := payment.Done
	if op.Action == payment.Capture && a.intent.Status == payment.Processing {
		outcome = payment.Pending
	}
	p.Answer(op, outcome, a.intent)
}

// fail ends an operation that did not do what was requested.
func fail(p *payment.Payment, op *payment.Operation, outcome payment.Outcome, a answer) {
	if outcome == payment.NotExecuted && a.intent.Reference != "" {
		p.Replace(a.intent) // the provider's state may prove that it was done
		if !op.Outcome.Open() {
			return
		}
	}
	refuse(op, fault.From(a.err))
	p.Answer(op, outcome, a.intent)
	if p.Status == payment.Processing && (op.Action == payment.Create || op.Action == payment.Confirm) {
		resetStatus(p, op)
	}
}

// end ends an operation that is proved to have done nothing and is not tried again
// automatically. A payment that has not reached its provider is canceled.
func end(p *payment.Payment, op *payment.Operation) {
	op.Outcome = payment.NotExecuted
	switch {
	case op.Creates() && !p.Status.Terminal():
		op.Kind = "" // the caller was answered 202; a repeat gets the payment as it is
		p.Status, p.NextAction = payment.Canceled, nil
		p.Error = &payment.Failure{Code: codeNotExecuted, Message: "no provider took this payment; no money moved"}
	case op.Action == payment.Confirm && p.Status == payment.Processing:
		resetStatus(p, op)
	}
}

// refuse records why an operation failed.
func refuse(op *payment.Operation, f *fault.Error) {
	op.Kind = f.Kind.String()
	op.Error = &payment.Failure{Code: cmp.Or(f.Code, op.Kind), DeclineCode: f.DeclineCode, Message: f.Message}
}

// resetStatus sets the status of a payment whose create or confirm did nothing.
func resetStatus(p *payment.Payment, op *payment.Operation) {
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

// storeAnswers stores the answer for repeats of each key whose operation has ended: the payment
// as it was then. While nothing has changed since, that is the payment itself, so the
// answer is stored only when the payment is about to change. freeze also drops the request
// bodies that are not sent again.
func (st *stored) storeAnswers() error {
	p := &st.payment
	p.CompactPast()
	var before *payment.Payment // as stored
	for i := range p.Operations {
		op := &p.Operations[i]
		if !op.Outcome.Open() {
			if op.EndedAt.IsZero() {
				op.EndedAt = p.UpdatedAt
			}
			if !retryable(op) || op.Key == "" {
				op.Body = ""
			}
		}
		if op.Answer != nil {
			if err := convertAnswer(p, op); err != nil {
				return err
			}
		}
		if was := st.saved.Operation(op.ID); op.HasAnswer() || op.Key == "" || op.Erased || was == nil || !answeredByPayment(was) {
			continue
		}
		if before == nil {
			before = new(payment.Payment)
			if err := record.DecodeJSON("payment", st.record.Body, before); err != nil {
				return err
			}
		}
		op.Then = p.RecordAnswer(*before)
	}
	return nil
}

// answeredByPayment reports whether a repeat of the operation's key is answered with the payment
// as it is now.
func answeredByPayment(op *payment.Operation) bool {
	return op.Key != "" && !op.HasAnswer() && !op.Erased && !op.Outcome.Open() && !retryable(op)
}

// answerOf returns the payment as the operation was answered. That is the present payment
// if nothing has changed since, or if the operation is open.
func answerOf(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	switch {
	case op.Then != nil:
		return now.AsAnswered(op.Then), nil
	case op.Answer != nil:
		return decodeAnswer(now, op)
	}
	return now, nil
}

// decodeAnswer reads an answer that an earlier version has stored: the whole payment.
func decodeAnswer(now payment.Payment, op payment.Operation) (payment.Payment, error) {
	var then payment.Payment
	if err := record.DecodeJSON("answer of a payment", op.Answer, &then); err != nil {
		return payment.Payment{}, err
	}
	if now.Status.Terminal() {
		then.Conceal()
	}
	return then, nil
}

// convertAnswer converts an answer stored by an earlier version to the present form, which is
// much smaller. An answer that would not read exactly the same stays as it is.
func convertAnswer(p *payment.Payment, op *payment.Operation) error {
	then, err := decodeAnswer(*p, *op)
	if err != nil {
		return err
	}
	was := p.Past
	t := p.RecordAnswer(then)
	one, err := json.Marshal(then.Shown())
	other, oerr := json.Marshal(p.AsAnswered(t))
	if err != nil || oerr != nil || !bytes.Equal(one, other) {
		p.Past = was
		return nil
	}
	op.Then, op.Answer = t, nil
	return nil
}
