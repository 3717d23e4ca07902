package checkout

import (
	"slices"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// prefer adds what a caller gave without naming a provider: it is the first's.
func prefer(byProvider *map[string]string, first, value string) {
	if value == "" || (*byProvider)[first] != "" {
		return
	}
	if *byProvider == nil {
		*byProvider = make(map[string]string, 1)
	}
	(*byProvider)[first] = value
}

// place begins to make the payment's intent, at the first provider that may have
// it and says that it would. Those before it are noted as left out.
func (s *Service) place(p *payment.Payment, a payment.Action, key idem.Key, r payment.Request) error {
	able := s.eligible(r)
	if len(able) == 0 {
		return fault.InvalidParam("paymentMethods", "no_provider_eligible",
			"no provider has both a payment method and a customer here")
	}
	s.placeAt(p, a, key, r, able)
	return nil
}

// replace begins to make the intent of a payment that has none yet, for a
// confirm. Where the outcome of a try was ever unknown, no other provider is
// asked.
func (s *Service) replace(p *payment.Payment, key idem.Key, r payment.Request, method string) error {
	unsure := slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Lookups > 0 })
	if g, ok := s.gateway(p.Provider); ok && unsure {
		prefer(&r.PaymentMethods, p.Provider, method)
		s.placeAt(p, payment.Confirm, key, r, []ports.PaymentGateway{g})
		return nil
	}
	if method != "" {
		r.PaymentMethods = nil // the new one takes the place of those before
		prefer(&r.PaymentMethods, s.Gateways[0].Name(), method)
	}
	return s.place(p, payment.Confirm, key, r)
}

func (s *Service) placeAt(p *payment.Payment, a payment.Action, key idem.Key, r payment.Request, able []ports.PaymentGateway) {
	for i, g := range able {
		p.Provider = g.Name()
		r.PaymentMethod, r.Customer = r.PaymentMethods[p.Provider], r.Customers[p.Provider]
		s.begin(p, a, 0, key, r)
		err := ports.Available(g)
		if err == nil || i == len(able)-1 {
			return
		}
		op := &p.Operations[len(p.Operations)-1]
		op.Outcome, op.EndedAt = payment.NotSent, op.StartedAt
		refuse(op, fault.From(err))
	}
}

// eligible lists the providers that may make the intent: those with a payment
// method of theirs, or any where it is made without one and confirmed later; and
// with a customer of theirs, where there is one. A token of one provider means
// nothing to another.
func (s *Service) eligible(r payment.Request) (able []ports.PaymentGateway) {
	for i, g := range s.Gateways {
		name := g.Name()
		method := r.PaymentMethods[name] != "" || len(r.PaymentMethods) == 0 && (i == 0 || !r.Confirm)
		customer := r.Customers[name] != "" || len(r.Customers) == 0
		if method && customer {
			able = append(able, g)
		}
	}
	return able
}

// moveOn begins the same at the next provider, if it is proved that this one did
// nothing for a reason that is its own. It reports whether there is a next.
func (s *Service) moveOn(p *payment.Payment, op payment.Operation, err error) bool {
	proved := op.Outcome == payment.NotSent || op.Outcome == payment.NotExecuted
	if err == nil || !proved || p.ProviderReference != "" || op.Lookups > 0 || !fault.KindOf(err).Rule().Failover {
		return false
	}
	able := s.eligible(op.Request)
	at := slices.IndexFunc(able, func(g ports.PaymentGateway) bool { return g.Name() == op.Provider })
	if at < 0 || at == len(able)-1 || len(p.Operations) >= maxOps {
		return false
	}
	p.Status, p.Error = payment.Processing, nil
	s.placeAt(p, op.Action, idem.Key{Scoped: op.Key, Fingerprint: op.Fingerprint}, op.Request, able[at+1:])
	return true
}
