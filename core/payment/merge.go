package payment

import (
	"fmt"
	"time"

	"patchbay/core/money"
)

// final are the statuses that news may set by itself: a payment does not come
// back from them to those before. Among all others news is not taken on trust:
// webhooks come late and out of order, and their `created` has whole seconds
// only.
var final = map[Status]bool{RequiresCapture: true, Succeeded: true, Canceled: true}

// Terminal reports whether no later news can change the status.
func (s Status) Terminal() bool { return s == Succeeded || s == Canceled }

// Merge takes in what the provider says of the payment, whoever brings it and
// however late. Taking in the same news twice changes nothing. It reports
// whether the news may be stale, or is not all there is to know: then only the
// provider's present state can tell, and Replace takes that.
func (p *Payment) Merge(i Intent) (stale bool) {
	i = p.admit(i)
	p.identify(i)
	p.compare(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	switch {
	case p.Status == Canceled:
		if stale = i.Status == RequiresCapture; stale { // or it was so before it was canceled
			p.AmountCapturable = i.AmountCapturable
		}
	case i.Status == "" || p.Status.Terminal():
	case p.awaited() != nil:
		stale = !final[i.Status] && i.Key != p.awaited().ProviderKey
		p.follow(i)
	case i.Status == p.Status:
		stale = p.differs(i)
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

// mergeRefunds takes in what an event tells of refunds. A refund that somebody else
// made may be what a capture has released, and a total may be an older one.
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

// Replace takes in the provider's present state, read after p was, while nobody is at the
// open operation. Only a terminal status stays.
func (p *Payment) Replace(i Intent) { p.replace(i, sight) }

// Glimpse is Replace while somebody may be calling the provider for the open operation:
// what it has come to may not be in the intent yet.
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

// Answer ends an operation with the provider's own answer to it. Where a
// webhook was quicker, the answer is news like any other.
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

// compare marks the payment for review where what the provider holds is not what was
// asked for.
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
}

func (p *Payment) follow(i Intent) {
	p.Status, p.NextAction, p.AmountCapturable, p.Error = i.Status, i.NextAction, i.AmountCapturable, i.Failure
	if i.Status != RequiresPaymentMethod {
		p.Error = nil
	}
}

// awaited returns the open operation on which the status depends, nil if there
// is none.
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

// differs reports whether an intent of the payment's own status says something else.
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

// Operation returns the operation with this id, nil if there is none.
func (p *Payment) Operation(id string) *Operation {
	for i := range p.Operations {
		if p.Operations[i].ID == id {
			return &p.Operations[i]
		}
	}
	return nil
}

// Under returns the operation that was last tried under a caller's key, nil if there
// is none: the one that is open, or else one that has come to something.
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

// Made reports whether an intent may be the one that an operation of the payment has
// made: it bears the operation's key, or no key at all.
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

// Same reports whether an intent is for the amount that was asked.
func (i Intent) Same(amount int64, c money.Currency) bool {
	return i.Amount == amount && i.Currency == c
}
