package payment

import "time"

// Erased replaces a text that was erased.
const Erased = "erased"

// Erase removes personal data from the payment. What remains is needed for the books:
// amounts, dates, the provider and its references, the operations and their outcomes. No
// operation may be open, since it could not be repeated or looked up any more.
func (p *Payment) Erase(now time.Time) {
	if !p.ErasedAt.IsZero() {
		return
	}
	p.ErasedAt = now
	p.CustomerID, p.Description, p.ReturnURL, p.ClientSecret = "", "", "", ""
	p.Metadata, p.NextAction, p.Past = nil, nil, nil
	p.Error = p.Error.erase()
	for i := range p.Reviews {
		p.Reviews[i].Note = ""
	}
	for i := range p.Operations {
		op := &p.Operations[i]
		op.Request = Request{Reference: op.Request.Reference, Confirm: op.Request.Confirm}
		op.Error = op.Error.erase()
		op.Unremember()
		op.Body, op.Erased = "", true
	}
}

// erase keeps the codes. The message is the provider's and may name anybody.
func (f *Failure) erase() *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: Erased}
}

// admit returns the part of an intent that the payment may store: all of it, unless the
// payment was erased or is final. So no later intent restores what was removed.
func (p *Payment) admit(i Intent) Intent {
	if p.Status.Terminal() {
		i.ClientSecret, i.PublishableKey = "", ""
	}
	if !p.ErasedAt.IsZero() {
		i.ClientSecret, i.NextAction, i.Failure = "", nil, i.Failure.erase()
	}
	return i
}

// Concerns reports whether the payment belongs to a person: its customer, or a value of its
// metadata, names the person.
func (p *Payment) Concerns(names func(value string) bool) bool {
	if names(p.CustomerID) {
		return true
	}
	for _, value := range p.Metadata {
		if names(value) {
			return true
		}
	}
	return false
}
