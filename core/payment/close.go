package payment

import "patchbay/core/fault"

// Judged returns the operation with the outcome that the provider's present state proves.
// The operation stays open if that state proves nothing.
func (p Payment) Judged(op Operation, i Intent) Operation {
	p.Operations, p.Reviews, p.Refunds = []Operation{op}, nil, nil
	p.Replace(i)
	return p.Operations[0]
}

// evidence is how an intent was obtained.
type evidence int

const (
	heard   evidence = iota // from an event: the payment was in this state at some time
	glimpse                 // the present state, while a call may be in progress that it does not show yet
	sight                   // the present state, while no call is in progress
)

// close ends the open operation, or a capture that is pending, if the intent proves what
// became of it.
func (p *Payment) close(i Intent, by evidence) {
	if i.Status == "" {
		return
	}
	if pending := p.pendingCapture(); pending != nil {
		p.closeCapture(pending, i, by)
	}
	open := p.Open()
	if open == nil {
		return
	}
	switch open.Action {
	case Create:
		open.closeCreate(i)
	case Confirm:
		open.closeConfirm(i, by)
	case Capture:
		p.closeCapture(open, i, by)
	case Cancel:
		switch i.Status {
		case Canceled:
			open.end(Done, "", nil)
		case Succeeded:
			open.impossible(i.Status)
		case RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture:
		}
	case Refund: // an intent does not name its refunds; the resolver lists them
	}
}

// closeCreate ends a create. The intent exists, so the create was executed. A create that
// was to confirm the payment ends only once that is done.
func (op *Operation) closeCreate(i Intent) {
	switch {
	case i.Failure != nil && i.Status == RequiresPaymentMethod:
		op.decline(i.Failure)
	case !op.Request.Confirm || final[i.Status] || i.Status == RequiresAction || i.Status == Processing:
		op.end(Done, "", nil)
	}
}

// closeConfirm ends a confirm. An intent may have been declined, or have waited for its
// buyer, before the confirm, or because of what the buyer does in the browser in the
// meantime. So these states prove something only if the provider names the confirm as their
// cause, or if the call has ended and the state was different before it. A caller that is
// told of a decline must not be charged by the call after all.
func (op *Operation) closeConfirm(i Intent, by evidence) {
	own := i.Key != "" && i.Key == op.ProviderKey
	over := by == sight && op.Outcome == Unknown
	changed := over && op.Before != "" && op.Before != RequiresAction && op.Before != i.Status
	switch i.Status {
	case Succeeded, RequiresCapture:
		op.end(Done, "", nil)
	case Canceled:
		op.impossible(i.Status)
	case Processing:
		if own || by != heard {
			op.end(Done, "", nil)
		}
	case RequiresAction:
		if own || changed || over && op.Before == "" {
			op.end(Done, "", nil)
		}
	case RequiresPaymentMethod:
		if i.Failure != nil && (own || changed) {
			op.decline(i.Failure)
		}
	case RequiresConfirmation:
	}
}

// closeCapture ends a capture. Somebody else may have captured, and another amount. A
// capture that the provider has accepted is pending while the intent is processing, and has
// failed if the intent awaits its capture again. Events do not show that, since they may be
// older than the capture.
func (p *Payment) closeCapture(op *Operation, i Intent, by evidence) {
	want := op.Amount
	if want == 0 {
		want = p.Amount
	}
	switch {
	case i.Status == Canceled:
		op.impossible(i.Status)
	case by != heard && op.Outcome == Pending && i.Status == RequiresCapture:
		op.end(NotExecuted, "", &Failure{Code: "capture_failed", Message: "the provider could not complete the capture"})
	case by != heard && i.Status == Processing:
		op.end(Pending, "", nil)
	case i.Status != Succeeded || i.AmountCaptured == 0:
	case want == 0 || i.AmountCaptured == want:
		op.end(Done, "", nil)
	default:
		op.impossible(i.Status)
	}
}

// pendingCapture returns the capture whose result the provider will tell later, nil if there
// is none.
func (p *Payment) pendingCapture() *Operation {
	for i := range p.Operations {
		if op := &p.Operations[i]; op.Action == Capture && op.Outcome == Pending {
			return op
		}
	}
	return nil
}

func (op *Operation) decline(f *Failure) { op.end(Declined, fault.Declined.String(), f) }

// impossible ends an operation that the payment's state at its provider does not allow.
func (op *Operation) impossible(s Status) {
	op.end(NotExecuted, fault.Conflict.String(), &Failure{
		Code: "unexpected_state", Message: "the payment is " + string(s) + " at its provider",
	})
}

// end sets the outcome of an operation, and the kind of the error that the caller gets, for
// the first request and for each repeat.
func (op *Operation) end(outcome Outcome, kind string, f *Failure) {
	op.Outcome, op.Kind, op.Error = outcome, kind, f
}
