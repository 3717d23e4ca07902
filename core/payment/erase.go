package payment

import "time"

// Erased stands where something was that a person had a right to see gone.
const Erased = "erased"

// Erase takes out of the payment what says something of a person. What remains is
// what the books need: amounts, dates, the provider and its references, and what
// was asked and how it ended. No operation may be open: it could not be repeated
// or looked up any more.
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

// erase leaves the codes; the text is the provider's, who may name anybody.
func (f *Failure) erase() *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: Erased}
}

// admit returns what the payment may take of an intent: all of it, unless it was
// erased or is final. No news brings back what was taken out.
func (p *Payment) admit(i Intent) Intent {
	if p.Status.Terminal() {
		i.ClientSecret, i.PublishableKey = "", ""
	}
	if !p.ErasedAt.IsZero() {
		i.ClientSecret, i.NextAction, i.Failure = "", nil, i.Failure.erase()
	}
	return i
}

// Concerns reports whether the payment is a person's: its customer, or a value of
// its metadata, names the person.
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
