package payment

import "patchbay/core/fault"

// Judged returns an operation as the provider's present state proves it to have ended.
// It is still open where that proves nothing.
func (p Payment) Judged(op Operation, i Intent) Operation {
	p.Operations, p.Reviews, p.Refunds = []Operation{op}, nil, nil
	p.Replace(i)
	return p.Operations[0]
}

// evidence is how what a provider tells was come by.
type evidence int

const (
	heard   evidence = iota // an event: it was so at some time
	glimpse                 // the present state, while a call may be under way that is not in it yet
	sight                   // the present state, and nobody is calling
)

// close ends the open operation if the intent proves what became of it.
func (p *Payment) close(i Intent, by evidence) {
	open := p.Open()
	if open == nil || i.Status == "" {
		return
	}
	switch open.Action {
	case Create:
		open.closeCreate(i)
	case Confirm:
		open.closeConfirm(i, by)
	case Capture:
		p.closeCapture(open, i)
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

// closeCreate: the intent is there, so the create was executed; one that was to be
// confirmed has ended once it was.
func (op *Operation) closeCreate(i Intent) {
	switch {
	case i.Failure != nil && i.Status == RequiresPaymentMethod:
		op.decline(i.Failure)
	case !op.Request.Confirm || final[i.Status] || i.Status == RequiresAction || i.Status == Processing:
		op.end(Done, "", nil)
	}
}

// closeConfirm: an intent may be declined, or wait for its buyer, since before the
// confirm, or by what the buyer does in the browser meanwhile. So these prove something
// only where they are told to be its effect, or, once the call is over, where it was not
// so before: whoever is told of a decline must not be charged by the call all the same.
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

// closeCapture: the money may have been taken by somebody else, and not as much.
func (p *Payment) closeCapture(op *Operation, i Intent) {
	want := op.Amount
	if want == 0 {
		want = p.Amount
	}
	switch {
	case i.Status == Canceled:
		op.impossible(i.Status)
	case i.Status != Succeeded || i.AmountCaptured == 0:
	case want == 0 || i.AmountCaptured == want:
		op.end(Done, "", nil)
	default:
		op.impossible(i.Status)
	}
}

func (op *Operation) decline(f *Failure) { op.end(Declined, fault.Declined.String(), f) }

// impossible ends what the state of the payment at its provider does not allow.
func (op *Operation) impossible(s Status) {
	op.end(NotExecuted, fault.Conflict.String(), &Failure{
		Code: "unexpected_state", Message: "the payment is " + string(s) + " at its provider",
	})
}

// end says how an operation ended, with the kind of the error that its caller gets,
// the first and each that repeats it.
func (op *Operation) end(outcome Outcome, kind string, f *Failure) {
	op.Outcome, op.Kind, op.Error = outcome, kind, f
}
