package payment

// Conceal removes from the payment what allows anybody to continue it in the buyer's place:
// the client secret, the publishable key, which is of use only with it, and the URL to which
// the buyer is redirected. The type of the next action stays.
func (p *Payment) Conceal() {
	p.ClientSecret, p.PublishableKey, p.NextAction = "", "", p.NextAction.conceal()
}

func (n *NextAction) conceal() *NextAction {
	if n == nil || n.URL == "" {
		return n
	}
	return &NextAction{Type: n.Type}
}

// Seal conceals a payment in a terminal status for good, since it cannot be continued. It
// conceals the stored answers, too.
func (p *Payment) Seal() {
	if !p.Status.Terminal() {
		return
	}
	p.Conceal()
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Then != nil && op.Then.NextAction != op.Then.NextAction.conceal() {
			then := *op.Then // others may be reading op.Then
			then.NextAction = then.NextAction.conceal()
			op.Then = &then
		}
	}
}
