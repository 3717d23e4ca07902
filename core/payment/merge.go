package payment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/money"
)

// final are the statuses that an event may set without asking the provider: a payment does
// not go back from them to one of the others, but from RequiresCapture to Processing while a
// capture is pending. The others are not taken from an event, since
// webhooks come late and out of order, and their `created` has whole seconds only.
var final = map[Status]bool{RequiresCapture: true, Succeeded: true, Canceled: true}

// Terminal reports whether the status can no longer change.
func (s Status) Terminal() bool { return s == Succeeded || s == Canceled }

// Merge merges an intent that the provider has reported, from any source and however late.
// Merging the same intent twice changes nothing. Merge reports whether the intent may be
// stale or incomplete. Then only the provider's present state shows which it is, and that is for Replace.
func (p *Payment) Merge(i Intent) (stale bool) {
	i = p.accept(i)
	switch {
	case p.Status == Canceled:
		if stale = i.Status == RequiresCapture; stale { // or it was in this status before it was canceled
			p.AmountCapturable = i.AmountCapturable
		}
	case i.Status == "" || p.Status.Terminal():
	case p.statusOperation() != nil:
		stale = !final[i.Status] && i.Key != p.statusOperation().ProviderKey
		p.setState(i)
	case i.Status == p.Status:
		stale = p.differs(i)
	case i.Status == RequiresCapture && p.pendingCapture() != nil: // from before the capture, or it has failed
		stale = true
	case final[i.Status]:
		p.setState(i)
	default:
		stale = true
	}
	stale = p.mergeEventRefunds(i) || stale
	for _, d := range i.Disputes {
		stale = p.mergeDispute(d) || stale
	}
	p.close(i, fromEvent)
	p.keepProcessing()
	return stale
}

// mergeEventRefunds merges the refunds of an event. A refund that is not ours may be the release
// of an authorisation after a capture, and a total may be stale.
func (p *Payment) mergeEventRefunds(i Intent) (stale bool) {
	for _, r := range i.Refunds {
		if p.refundOf(r) != nil || p.FindRefund(r.Reference) != nil {
			p.MergeRefund(r)
		} else {
			stale = true
		}
	}
	if i.AmountRefunded == 0 || i.AmountRefunded == p.AmountRefunded && p.RefundsComplete() {
		return stale
	}
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	return true
}

// Replace applies the provider's present state. That state must have been read after p, and
// no call for the open operation may be in progress. Only a terminal status is kept.
func (p *Payment) Replace(i Intent) { p.replace(i, current) }

// ReplaceDuringCall is like Replace while a call for the open operation may be in progress: the intent
// may not show the effect of that call yet.
func (p *Payment) ReplaceDuringCall(i Intent) { p.replace(i, duringCall) }

func (p *Payment) replace(i Intent, by evidence) {
	i = p.accept(i)
	p.AmountRefunded = i.AmountRefunded
	switch {
	case !p.Status.Terminal():
		p.setState(i)
	case p.Status == Canceled:
		p.AmountCapturable = i.AmountCapturable
		if i.Status == RequiresCapture {
			p.Review(ReviewPaid, i.Reference, time.Time{})
		}
	}
	p.close(i, by)
	p.keepProcessing()
}

// Answer ends an operation with the provider's answer to it. If a webhook has ended the
// operation before, the answer is merged like an event.
func (p *Payment) Answer(op *Operation, outcome Outcome, i Intent) {
	if !op.Outcome.Open() {
		p.Merge(i)
		return
	}
	op.Outcome = outcome
	i = p.accept(i)
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	if !p.Status.Terminal() && i.Status != "" {
		p.setState(i)
	}
}

// accept takes from an intent, from any source and however late, what never changes or only
// grows. It returns the part of the intent that the payment may store.
func (p *Payment) accept(i Intent) Intent {
	i = p.storable(i)
	p.identify(i)
	p.compare(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	return i
}

// compare marks the payment for review if the provider's amounts, currency or status do not
// match the payment.
func (p *Payment) compare(i Intent) {
	if i.Currency != "" && p.Currency != "" && i.Currency != p.Currency {
		p.Review(ReviewCurrency, fmt.Sprintf("the provider has %s, not %s", i.Currency, p.Currency), time.Time{})
	}
	if p.Amount > 0 && i.Amount != 0 && i.Amount != p.Amount {
		p.Review(ReviewAmount, fmt.Sprintf("the provider has %d, not %d", i.Amount, p.Amount), time.Time{})
	}
	if p.Amount > 0 && i.AmountCaptured > p.Amount {
		p.Review(ReviewAmount, fmt.Sprintf("captured %d of %d", i.AmountCaptured, p.Amount), time.Time{})
	}
	if p.Status == Canceled && (i.AmountCaptured > 0 || i.Status == Succeeded) {
		p.Review(ReviewPaid, i.Reference, time.Time{})
	}
}

func (p *Payment) identify(i Intent) {
	p.ProviderReference = cmp.Or(p.ProviderReference, i.Reference)
	p.ClientSecret = cmp.Or(i.ClientSecret, p.ClientSecret)
	p.PublishableKey = cmp.Or(i.PublishableKey, p.PublishableKey)
	for _, o := range i.Objects {
		if !slices.Contains(p.Objects, o) {
			p.Objects = append(slices.Clip(p.Objects), o)
		}
	}
}

func (p *Payment) setState(i Intent) {
	p.Status, p.NextAction, p.AmountCapturable, p.Error = i.Status, i.NextAction, i.AmountCapturable, i.Failure
	if i.Status != RequiresPaymentMethod {
		p.Error = nil
	}
}

// statusOperation returns the open operation on which the status depends, nil if there is none.
func (p *Payment) statusOperation() *Operation {
	if open := p.Open(); open != nil && (open.Action == Create || open.Action == Confirm) {
		return open
	}
	return nil
}

// keepProcessing keeps the status at processing while it depends on an open operation.
func (p *Payment) keepProcessing() {
	if p.statusOperation() != nil && !p.Status.Terminal() {
		p.Status, p.NextAction = Processing, nil
	}
}

// differs reports whether an intent with the same status as the payment differs otherwise.
func (p *Payment) differs(i Intent) bool {
	action := p.NextAction == nil && i.NextAction == nil ||
		p.NextAction != nil && i.NextAction != nil && *p.NextAction == *i.NextAction
	failure := p.Status != RequiresPaymentMethod || p.Error == nil && i.Failure == nil ||
		p.Error != nil && i.Failure != nil && p.Error.Code == i.Failure.Code && p.Error.DeclineCode == i.Failure.DeclineCode
	return !action || !failure || p.AmountCapturable != i.AmountCapturable
}

// Open returns the operation whose outcome is open, nil if there is none.
// There is never more than one.
func (p *Payment) Open() *Operation {
	return find(p.Operations, func(op *Operation) bool { return op.Outcome.Open() })
}

// find returns the first item that fits, nil if there is none.
func find[T any](items []T, fits func(*T) bool) *T {
	for i := range items {
		if fits(&items[i]) {
			return &items[i]
		}
	}
	return nil
}

// Operation returns the operation with this ID, nil if there is none.
func (p *Payment) Operation(id string) *Operation {
	return find(p.Operations, func(op *Operation) bool { return op.ID == id })
}

// Under returns the operation that was last tried under a caller's key, nil if there is
// none. An open operation comes first, then one that had an effect.
func (p *Payment) Under(key string) (last *Operation) {
	for i := range p.Operations {
		op := &p.Operations[i]
		switch {
		case key == "" || op.Key != key:
		case op.Outcome.Open():
			return op
		case last == nil, last.DidNothing() && !op.DidNothing(), last.DidNothing() == op.DidNothing() && !last.After(op):
			last = op
		}
	}
	return last
}

// Made reports whether an intent may have been made by an operation of the payment: its
// metadata has the key of an operation, or no key at all.
func (p *Payment) Made(i Intent) bool {
	key := i.Metadata[MetaOperation]
	return key == "" || find(p.Operations, func(op *Operation) bool { return op.ProviderKey == key }) != nil
}

// Same reports whether the intent has this amount and currency.
func (i Intent) Same(amount int64, c money.Currency) bool {
	return i.Amount == amount && i.Currency == c
}

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
	fromEvent  evidence = iota // from an event: the payment was in this state at some time
	duringCall                 // the present state, while a call may be in progress that it does not show yet
	current                    // the present state, while no call is in progress
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
			open.endConflict(i.Status)
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
// informed of a decline must not be charged by the call after all.
func (op *Operation) closeConfirm(i Intent, by evidence) {
	own := i.Key != "" && i.Key == op.ProviderKey
	over := by == current && op.Outcome == Unknown
	changed := over && op.Before != "" && op.Before != RequiresAction && op.Before != i.Status
	switch i.Status {
	case Succeeded, RequiresCapture:
		op.end(Done, "", nil)
	case Canceled:
		op.endConflict(i.Status)
	case Processing:
		if own || by != fromEvent {
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
	want := cmp.Or(op.Amount, p.Amount)
	switch {
	case i.Status == Canceled:
		op.endConflict(i.Status)
	case by != fromEvent && op.Outcome == Pending && i.Status == RequiresCapture:
		op.end(NotExecuted, "", &Failure{Code: "capture_failed", Message: "the provider could not complete the capture"})
	case by != fromEvent && i.Status == Processing:
		op.end(Pending, "", nil)
	case i.Status != Succeeded || i.AmountCaptured == 0:
	case want == 0 || i.AmountCaptured == want:
		op.end(Done, "", nil)
	default:
		op.endConflict(i.Status)
	}
}

// pendingCapture returns the capture whose result the provider will report later, nil if there
// is none.
func (p *Payment) pendingCapture() *Operation {
	return find(p.Operations, func(op *Operation) bool { return op.Action == Capture && op.Outcome == Pending })
}

func (op *Operation) decline(f *Failure) { op.end(Declined, fault.Declined.String(), f) }

// CodeState is the code of an operation that the state of the payment does not allow.
const CodeState = "unexpected_state"

// endConflict ends an operation that the payment's state at its provider does not allow.
func (op *Operation) endConflict(s Status) {
	op.end(NotExecuted, fault.Conflict.String(), &Failure{
		Code: CodeState, Message: "the payment is " + string(s) + " at its provider",
	})
}

// end sets the outcome of an operation, and the kind of the error that the caller gets, for
// the first request and for each repeat.
func (op *Operation) end(outcome Outcome, kind string, f *Failure) {
	op.Outcome, op.Kind, op.Error = outcome, kind, f
}
