package payment

import (
	"fmt"
	"slices"
	"time"

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
// stale or incomplete. Then only the provider's present state can tell, which is for Replace.
func (p *Payment) Merge(i Intent) (stale bool) {
	i = p.admit(i)
	p.identify(i)
	p.compare(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	switch {
	case p.Status == Canceled:
		if stale = i.Status == RequiresCapture; stale { // or it was in this status before it was canceled
			p.AmountCapturable = i.AmountCapturable
		}
	case i.Status == "" || p.Status.Terminal():
	case p.awaited() != nil:
		stale = !final[i.Status] && i.Key != p.awaited().ProviderKey
		p.follow(i)
	case i.Status == p.Status:
		stale = p.differs(i)
	case i.Status == RequiresCapture && p.pendingCapture() != nil: // from before the capture, or it has failed
		stale = true
	case final[i.Status]:
		p.follow(i)
	default:
		stale = true
	}
	stale = p.mergeRefunds(i) || stale
	for _, d := range i.Disputes {
		stale = p.takeDispute(d) || stale
	}
	p.close(i, heard)
	p.hold()
	return stale
}

// mergeRefunds merges the refunds of an event. A refund that is not ours may be the release
// of an authorisation after a capture, and a total may be stale.
func (p *Payment) mergeRefunds(i Intent) (stale bool) {
	for _, r := range i.Refunds {
		if p.refundOf(r) != nil || p.refund(r.Reference) != nil {
			p.TakeRefund(r)
		} else {
			stale = true
		}
	}
	if i.AmountRefunded == 0 || i.AmountRefunded == p.AmountRefunded && p.Listed() {
		return stale
	}
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	return true
}

// Replace applies the provider's present state. That state must have been read after p, and
// no call for the open operation may be in progress. Only a terminal status is kept.
func (p *Payment) Replace(i Intent) { p.replace(i, sight) }

// Glimpse is like Replace while a call for the open operation may be in progress: the intent
// may not show the effect of that call yet.
func (p *Payment) Glimpse(i Intent) { p.replace(i, glimpse) }

func (p *Payment) replace(i Intent, by evidence) {
	i = p.admit(i)
	p.identify(i)
	p.compare(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	p.AmountRefunded = i.AmountRefunded
	switch {
	case !p.Status.Terminal():
		p.follow(i)
	case p.Status == Canceled:
		p.AmountCapturable = i.AmountCapturable
		if i.Status == RequiresCapture {
			p.Review(ReviewPaid, i.Reference, time.Time{})
		}
	}
	p.close(i, by)
	p.hold()
}

// Answer ends an operation with the provider's answer to it. If a webhook has ended the
// operation before, the answer is merged like an event.
func (p *Payment) Answer(op *Operation, outcome Outcome, i Intent) {
	i = p.admit(i)
	if !op.Outcome.Open() {
		p.Merge(i)
		return
	}
	op.Outcome = outcome
	p.identify(i)
	p.compare(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	if !p.Status.Terminal() && i.Status != "" {
		p.follow(i)
	}
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
	if p.ProviderReference == "" {
		p.ProviderReference = i.Reference
	}
	if i.ClientSecret != "" {
		p.ClientSecret = i.ClientSecret
	}
	if i.PublishableKey != "" {
		p.PublishableKey = i.PublishableKey
	}
	for _, o := range i.Objects {
		if !slices.Contains(p.Objects, o) {
			p.Objects = append(slices.Clip(p.Objects), o)
		}
	}
}

func (p *Payment) follow(i Intent) {
	p.Status, p.NextAction, p.AmountCapturable, p.Error = i.Status, i.NextAction, i.AmountCapturable, i.Failure
	if i.Status != RequiresPaymentMethod {
		p.Error = nil
	}
}

// awaited returns the open operation on which the status depends, nil if there is none.
func (p *Payment) awaited() *Operation {
	if open := p.Open(); open != nil && (open.Action == Create || open.Action == Confirm) {
		return open
	}
	return nil
}

// hold keeps the status at processing while it depends on an open operation.
func (p *Payment) hold() {
	if p.awaited() != nil && !p.Status.Terminal() {
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
	for i := range p.Operations {
		if p.Operations[i].Outcome.Open() {
			return &p.Operations[i]
		}
	}
	return nil
}

// Operation returns the operation with this ID, nil if there is none.
func (p *Payment) Operation(id string) *Operation {
	for i := range p.Operations {
		if p.Operations[i].ID == id {
			return &p.Operations[i]
		}
	}
	return nil
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
	if key == "" {
		return true
	}
	for i := range p.Operations {
		if p.Operations[i].ProviderKey == key {
			return true
		}
	}
	return false
}

// Same reports whether the intent has this amount and currency.
func (i Intent) Same(amount int64, c money.Currency) bool {
	return i.Amount == amount && i.Currency == c
}
