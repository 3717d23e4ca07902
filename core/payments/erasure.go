package payments

import (
	"context"
	"slices"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/ports"
)

var errErased = fault.New(fault.Conflict, "payment_erased", "what this payment said of a person was erased, and what was answered with it")

// Traces calls found for every payment whose customer is the person, or whose metadata
// names the person. It reads all payments of the tenant, and calls looked with how many
// it has read.
func (s *Service) Traces(ctx context.Context, p user.Person, looked func(int) error, found func(user.Trace) error) error {
	return s.records.Walk(ctx, p.Tenant, ports.Filter{}, looked, func(st stored) error {
		if !st.payment.Concerns(p.Is) {
			return nil
		}
		return found(s.trace(st))
	})
}

func (s *Service) trace(st stored) user.Trace {
	t := user.Trace{
		ID: st.payment.ID, View: shown(st.payment),
		Erase: func(ctx context.Context) error { return s.erase(ctx, st) },
	}
	if err := settledYet(&st.payment); err != nil {
		t.Pending = err.Message
	}
	return t
}

func (s *Service) erase(ctx context.Context, st stored) error {
	return s.update(ctx, &st, func(st *stored) error {
		if err := settledYet(&st.payment); err != nil {
			return err
		}
		st.payment.Erase(s.Clock.Now())
		return nil
	})
}

// settledYet returns Conflict while an operation is open: its request is needed to find
// out what became of it.
func settledYet(p *payment.Payment) *fault.Error {
	if open := p.Open(); open != nil {
		return fault.New(fault.Conflict, codeInProgress, "its "+string(open.Action)+" is under way, or nobody knows yet how it ended")
	}
	return nil
}

// shown returns a payment as it is exported to a person: without the stored answers, and
// without the secrets that allow anybody to confirm it.
func shown(p payment.Payment) payment.Payment {
	p.Conceal()
	p.Past, p.Operations = nil, slices.Clone(p.Operations)
	for i := range p.Operations {
		p.Operations[i].Unremember()
	}
	return p
}

// Subject reports whether the payment of an event belongs to the person.
// NotFound: the event is about no payment, or about one that the store does not have.
func (s *Service) Subject(ctx context.Context, e webhook.Event, p user.Person) (event.Subject, error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return event.Subject{}, fault.New(fault.NotFound, "no_payment", "the event is not about a payment")
	}
	st, err := s.subject(ctx, e.Provider, intent)
	if err != nil {
		return event.Subject{}, err
	}
	one := st.payment
	return event.Subject{Tenant: one.Tenant, Theirs: one.Tenant == p.Tenant && one.Concerns(p.Is), Erased: !one.ErasedAt.IsZero()}, nil
}
