package payments

import (
	"cmp"
	"slices"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// prefer assigns a value that a caller gave without naming a provider to the first provider.
func prefer(byProvider *map[string]string, first, value string) {
	if value == "" || (*byProvider)[first] != "" {
		return
	}
	if *byProvider == nil {
		*byProvider = make(map[string]string, 1)
	}
	(*byProvider)[first] = value
}

// place begins to create the payment's intent, at the first provider that is eligible and
// available. Those before it are recorded as not sent.
func (s *Service) place(p *payment.Payment, a payment.Action, key idempotency.Key, r payment.Request) (err error) {
	if err = s.adoptable(p, &r); err != nil {
		return err
	}
	able := s.eligible(p, r)
	if len(able) == 0 {
		if named := s.addressed(r); len(named) > 0 {
			return lacking(p, r, named[0].Capabilities())
		}
		return fault.InvalidParam("paymentMethods", "no_provider_eligible",
			"no provider has both a payment method and a customer here")
	}
	return s.placeAt(p, a, key, r, able)
}

// replace begins to create the intent of a payment that has none yet, for a confirm. If the
// outcome of a try was ever unknown, no other provider is called.
func (s *Service) replace(p *payment.Payment, key idempotency.Key, r payment.Request, method string) (err error) {
	if err = s.adoptable(p, &r); err != nil {
		return err
	}
	unsure := slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Unsure || op.Lookups > 0 })
	if g, ok := s.gateway(p.Provider); ok && unsure && r.Made == nil {
		prefer(&r.PaymentMethods, p.Provider, method)
		return s.placeAt(p, payment.Confirm, key, r, []ports.PaymentGateway{g})
	}
	if method != "" {
		r.PaymentMethods = nil // the new method replaces those before
		prefer(&r.PaymentMethods, s.Gateways[0].Name(), method)
	}
	return s.place(p, payment.Confirm, key, r)
}

// adoptable makes a request adopt the intent that exists already, if there is one.
func (s *Service) adoptable(p *payment.Payment, r *payment.Request) (err error) {
	if r.Made == nil {
		r.Made, err = s.madeBefore(p.ID)
	}
	return err
}

func (s *Service) placeAt(p *payment.Payment, a payment.Action, key idempotency.Key, r payment.Request, able []ports.PaymentGateway) error {
	for i, g := range able {
		p.Provider = g.Name()
		r.PaymentMethod, r.Customer = r.PaymentMethods[p.Provider], r.Customers[p.Provider]
		last := i == len(able)-1
		err := s.begin(p, a, 0, key, r)
		if err != nil && (last || !fault.Is(err, fault.Unsupported)) {
			return err
		}
		if err == nil {
			err = ports.Available(g)
		}
		if err == nil || last {
			return nil
		}
		op := p.Open()
		op.Outcome, op.EndedAt = payment.NotSent, op.LastTry()
		refuse(op, fault.From(err))
	}
	return nil
}

// lacking returns what a provider lacks to make a payment, nil if it lacks nothing.
func lacking(p *payment.Payment, r payment.Request, c payment.Capabilities) error {
	switch {
	case p.CaptureMethod == payment.CaptureManual && !c.ManualCapture:
		return cannot("captureMethod", "capture_method_unsupported", "no provider that may make this payment can capture it later")
	case !c.Counts(p.Currency):
		return cannot("currency", "currency_unsupported", "no provider that may make this payment takes its currency")
	case p.Confirmation == payment.ConfirmClient && !r.Confirm && !c.InBrowser && (!c.Redirect || r.ReturnURL == ""):
		return cannot("returnUrl", "confirmation_unsupported",
			"no provider that may make this payment lets a page of the caller confirm it; one that has a page of its own needs a returnUrl")
	case !c.Metadata.Takes(p.Metadata, ourMetadata):
		return cannot("metadata", "metadata_unsupported", "no provider that may make this payment takes as much metadata")
	}
	return nil
}

func cannot(param, code, message string) error {
	return &fault.Error{Kind: fault.Unsupported, Code: code, Param: param, Message: message}
}

// eligible lists the providers that may create the payment's intent and support it. A
// provider that does not support the request is skipped without a failure. If the payment is
// to be captured later, those that cannot capture a part of it come last: nobody knows yet
// how much it will be.
func (s *Service) eligible(p *payment.Payment, r payment.Request) []ports.PaymentGateway {
	able := s.addressed(r)
	if r.Made != nil {
		return able
	}
	able = slices.DeleteFunc(able, func(g ports.PaymentGateway) bool { return lacking(p, r, g.Capabilities()) != nil })
	if p.CaptureMethod == payment.CaptureManual {
		slices.SortStableFunc(able, func(a, b ports.PaymentGateway) int {
			return cmp.Compare(whole(a), whole(b))
		})
	}
	return able
}

// whole is 1 for a provider that can capture only the whole amount.
func whole(g ports.PaymentGateway) int {
	if g.Capabilities().PartialCapture {
		return 0
	}
	return 1
}

// addressed lists the providers that may create the intent. A provider needs a payment
// method of its own, unless the intent is created without one and confirmed later. It also
// needs a customer of its own, if the request has customers. A token of one provider means
// nothing to another.
func (s *Service) addressed(r payment.Request) (able []ports.PaymentGateway) {
	for i, g := range s.Gateways {
		name := g.Name()
		if r.Made != nil {
			if name == r.Made.Provider {
				able = append(able, g)
			}
			continue
		}
		method := r.PaymentMethods[name] != "" || len(r.PaymentMethods) == 0 && (i == 0 || !r.Confirm)
		customer := r.Customers[name] != "" || len(r.Customers) == 0
		if method && customer {
			able = append(able, g)
		}
	}
	return able
}

// itsOwn reports whether a provider did nothing for a reason that need not apply to another:
// its state, or what it does not support.
func itsOwn(err error) bool {
	return fault.KindOf(err).Rule().Failover || fault.Is(err, fault.Unsupported)
}

// moveOn begins the same operation at the next provider if it is proved that this provider
// did nothing for a reason of its own. It reports whether it has begun. It does not if the
// record, whose size is bytes, would become too large.
func (s *Service) moveOn(p *payment.Payment, op payment.Operation, bytes int, err error) bool {
	if err == nil || !op.DidNothing() || op.Unsure || p.ProviderReference != "" || !op.Creates() || op.Request.Made != nil || !itsOwn(err) {
		return false
	}
	able := s.eligible(p, op.Request)
	at := slices.IndexFunc(able, func(g ports.PaymentGateway) bool { return g.Name() == op.Provider })
	if at < 0 || at == len(able)-1 || len(p.Operations) >= maxOps || bytes+bulk(&op) > maxBytes {
		return false
	}
	before := *p
	p.Operations = slices.Clone(p.Operations)
	p.Status, p.Error = payment.Processing, nil
	if s.placeAt(p, op.Action, idempotency.Key{Scoped: op.Key, Fingerprint: op.Fingerprint}, op.Request, able[at+1:]) != nil {
		*p = before // the next provider cannot be called for this
		return false
	}
	return true
}
