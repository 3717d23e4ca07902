package payments

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/ports"
)

// askDeadline bounds all calls about one payment.
const askDeadline = 10 * time.Second

// Sync asks the provider for the present state of the payment, and returns the payment with
// it. A payment that has not reached its provider yet is returned as it is.
//
// NotFound; otherwise the errors of the journal and the provider.
func (s *Service) Sync(ctx context.Context, tenant, id string) (payment.Payment, error) {
	st, err := s.find(ctx, tenant, id)
	if err != nil {
		return st.payment, err
	}
	s.hasten(ctx, &st)
	err = s.update(ctx, &st, func(st *stored) error {
		if op := st.payment.Open(); op != nil {
			if _, err := s.asked(*op); err != nil {
				return err
			}
		}
		if st.payment.ProviderReference == "" {
			return record.ErrUnchanged
		}
		if err := s.ask(ctx, st); err != nil {
			return err
		}
		return st.changed()
	})
	return st.payment, err
}

// ask merges all that the provider knows of a payment into st. st was read before. It may be
// saved only if nobody has changed it in the meantime.
func (s *Service) ask(ctx context.Context, st *stored) error {
	p := &st.payment
	g, ok := s.gateway(p.Provider)
	if !ok {
		return fault.New(fault.Unavailable, "provider_not_configured", "the provider of this payment is not configured")
	}
	if err := s.sameAccount(p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), askDeadline)
	defer cancel()
	intent, err := g.Retrieve(ctx, p.ProviderReference)
	if err != nil {
		return err
	}
	if p.CreatedAt.IsZero() { // a new payment from attach
		fill(p, intent)
	}
	var refunds []payment.ProviderRefund
	listed := g.Capabilities().Refunds && (intent.AmountCaptured > 0 || len(p.Refunds) > 0)
	if listed {
		if refunds, err = g.Refunds(ctx, p.ProviderReference); err != nil {
			return err
		}
	}
	var disputes []payment.Dispute
	if intent.Disputed || len(p.Disputes) > 0 {
		disputes, err = g.Disputes(ctx, p.ProviderReference)
		if err != nil && !fault.Is(err, fault.Refused) { // a key that may not read disputes can still read the rest
			return err
		}
	}
	if st.record.Owner != "" {
		p.Glimpse(intent)
	} else {
		p.Replace(intent)
	}
	if listed {
		p.TakeRefunds(refunds, intent)
	}
	p.TakeDisputes(disputes)
	if at := s.restoredAt(); p.KnownSince.Before(at) {
		p.KnownSince = at
	}
	return nil
}
