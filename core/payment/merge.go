package payment

import "patchbay/core/money"

// final are the statuses that news may set by itself: a payment does not come
// back from them to those before. Among all others news is not taken on trust:
// webhooks come late and out of order, and their `created` has whole seconds
// only.
var final = map[Status]bool{RequiresCapture: true, Succeeded: true, Canceled: true}

// Terminal reports whether no later news can change the status.
func (s Status) Terminal() bool { return s == Succeeded || s == Canceled }

// Merge takes in what the provider says of the payment, whoever brings it and
// however late. Taking in the same news twice changes nothing. It reports
// whether the news may be stale: then only the provider's present state can
// tell, and Replace takes that.
func (p *Payment) Merge(i Intent) (stale bool) {
	i = p.admit(i)
	p.identify(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	switch {
	case i.Status == "" || p.Status.Terminal():
	case final[i.Status] || i.Status == p.Status || p.awaited() != nil:
		p.follow(i)
	default:
		stale = true
	}
	p.close(i)
	p.hold()
	return stale
}

// Replace takes in the provider's present state, read after p was. Only a
// terminal status stays.
func (p *Payment) Replace(i Intent) {
	i = p.admit(i)
	p.identify(i)
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	p.AmountRefunded = i.AmountRefunded
	if !p.Status.Terminal() {
		p.follow(i)
	}
	p.close(i)
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
	p.AmountCaptured = max(p.AmountCaptured, i.AmountCaptured)
	p.AmountRefunded = max(p.AmountRefunded, i.AmountRefunded)
	if !p.Status.Terminal() && i.Status != "" {
		p.follow(i)
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

// close ends the open operation if the intent proves what became of it.
func (p *Payment) close(i Intent) {
	open := p.Open()
	if open == nil {
		return
	}
	switch open.Action {
	case Create, Confirm:
		wanted := open.Action == Confirm || open.Request.Confirm
		switch {
		case i.Status == "":
		case i.Failure != nil && i.Status == RequiresPaymentMethod:
			// The failure that a confirm finds may be that of an earlier try.
			if open.Action == Create {
				open.Outcome, open.Error = Declined, i.Failure
			}
		case !wanted || final[i.Status] || i.Status == RequiresAction || i.Status == Processing:
			open.Outcome = Done
		}
	case Capture:
		if i.Status == Succeeded {
			open.Outcome = Done
		}
	case Cancel:
		if i.Status == Canceled {
			open.Outcome = Done
		}
	case Refund: // an intent does not name its refunds; the resolver lists them
	}
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
// is none.
func (p *Payment) Under(key string) (last *Operation) {
	for i := range p.Operations {
		op := &p.Operations[i]
		switch {
		case key == "" || op.Key != key:
		case op.Outcome.Open():
			return op
		case last == nil || !op.LastTry().Before(last.LastTry()):
			last = op
		}
	}
	return last
}

// SettleRefund ends a refund with what the provider holds, and counts it.
func (p *Payment) SettleRefund(op *Operation, r ProviderRefund) {
	op.Reference = r.Reference
	switch r.Status {
	case "failed", "canceled":
		op.Outcome = NotExecuted
		op.Error = &Failure{Code: "refund_" + r.Status, Message: "the provider could not complete the refund"}
	case "succeeded":
		op.Outcome = Done
	default:
		op.Outcome = Pending
	}
	p.AmountRefunded = max(p.AmountRefunded, p.refunded())
}

func (p *Payment) refunded() (sum int64) {
	for _, op := range p.Operations {
		if op.Action == Refund && (op.Outcome == Done || op.Outcome == Pending) {
			sum += op.Amount
		}
	}
	return sum
}

// Refundable is what can still be given back.
func (p *Payment) Refundable() int64 { return p.AmountCaptured - p.AmountRefunded }

// Same reports whether an intent is for the amount that was asked.
func (i Intent) Same(amount int64, c money.Currency) bool {
	return i.Amount == amount && i.Currency == c
}
