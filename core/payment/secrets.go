package payment

// Conceal takes out of the payment what lets anybody go on with it in the buyer's place:
// the client secret, the key that serves with it alone, and the address to which the
// buyer is sent. That something is to be done stays.
func (p *Payment) Conceal() {
	p.ClientSecret, p.PublishableKey, p.NextAction = "", "", p.NextAction.conceal()
}

func (n *NextAction) conceal() *NextAction {
	if n == nil || n.URL == "" {
		return n
	}
	return &NextAction{Type: n.Type}
}

// Seal conceals it for good in a payment that is final: there is nothing to go on with.
// Nor do the answers that were given before show it any more.
func (p *Payment) Seal() {
	if !p.Status.Terminal() {
		return
	}
	p.Conceal()
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Then != nil && op.Then.NextAction != op.Then.NextAction.conceal() {
			then := *op.Then // others may read the one that is there
			then.NextAction = then.NextAction.conceal()
			op.Then = &then
		}
	}
}
