package payments

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// Get returns a payment. It has an unknown outcome looked into soon. NotFound: the tenant
// has no such payment.
func (s *Service) Get(ctx context.Context, tenant, id string) (payment.Payment, error) {
	st, err := s.find(ctx, tenant, id)
	if err == nil {
		s.hasten(ctx, &st)
		s.refresh(&st)
	}
	return st.payment, err
}

// List returns payments, newest first. A Reference selects the one payment that has it at a
// provider, if that payment fits the rest of the filter.
func (s *Service) List(ctx context.Context, tenant string, f Filter, cursor string, limit int) (Page, error) {
	if f.Reference != "" {
		return s.listReference(ctx, tenant, f)
	}
	all, next, err := s.records.List(ctx, tenant, ports.Filter{Status: string(f.Status), Customer: f.CustomerID}, cursor, limit)
	page := Page{Payments: make([]payment.Payment, len(all)), Next: next}
	for i, st := range all {
		page.Payments[i] = st.payment
	}
	return page, err
}

func (s *Service) listReference(ctx context.Context, tenant string, f Filter) (Page, error) {
	var page Page
	for _, g := range s.Gateways {
		st, err := s.records.Find(ctx, ports.ByRef, reference(g.Name(), f.Reference))
		if fault.Is(err, fault.NotFound) {
			st, err = s.ofObject(ctx, g.Name(), f.Reference)
		}
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return Page{}, err
		}
		if p := st.payment; p.Tenant == tenant &&
			(f.Status == "" || p.Status == f.Status) && (f.CustomerID == "" || p.CustomerID == f.CustomerID) {
			page.Payments = append(page.Payments, p)
		}
	}
	return page, nil
}
