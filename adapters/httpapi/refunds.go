package httpapi

import (
	"slices"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/payment"
)

func (s *Server) listRefunds(r *request) (any, error) {
	p, err := s.Payments.Get(r.ctx, r.caller.Tenant, r.id)
	return api.RefundList{Data: refundViews(p)}, err
}

// refundViews returns all refunds of a payment, made here or at the provider, oldest first.
func refundViews(p payment.Payment) []api.Refund {
	var all []api.Refund
	for _, op := range p.Operations {
		if op.Action == payment.Refund {
			all = append(all, refundView(p, op))
		}
	}
	for _, entry := range p.Refunds {
		if entry.Operation == "" && !entry.Released {
			all = append(all, providerRefundView(p, entry))
		}
	}
	slices.SortStableFunc(all, func(a, b api.Refund) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all
}

// refundView returns the view of a refund that was requested here.
func refundView(p payment.Payment, op payment.Operation) api.Refund {
	status := "failed"
	switch op.Outcome {
	case payment.Done:
		status = "succeeded"
	case payment.Pending, payment.Unknown, payment.Calling, payment.Waiting:
		status = "pending"
	case payment.NotSent, payment.NotExecuted, payment.Declined:
	}
	out := api.Refund{
		Id: op.ID, PaymentId: p.ID, Amount: op.Amount, Currency: string(p.Currency), Status: status, Provider: op.Provider,
		ProviderReference: op.Reference, Error: failureView(op.Error), CreatedAt: op.StartedAt,
	}
	for _, entry := range p.Refunds {
		if entry.Operation == op.ID {
			out.Reason, out.UpdatedAt = entry.Reason, entry.UpdatedAt
		}
	}
	return out
}

// providerRefundView returns the view of a refund that was made at the provider.
func providerRefundView(p payment.Payment, entry payment.RefundEntry) api.Refund {
	out := api.Refund{
		Id: entry.Reference, PaymentId: p.ID, Amount: entry.Amount, Currency: string(p.Currency), Status: string(entry.Status), Provider: p.Provider,
		ProviderReference: entry.Reference, Reason: entry.Reason, CreatedAt: entry.CreatedAt, UpdatedAt: entry.UpdatedAt,
	}
	switch {
	case entry.Status.Returned():
		out.Status = "failed"
		out.Error = failureView(&payment.Failure{Code: "refund_" + string(entry.Status), Message: "the provider could not complete the refund"})
	case !entry.Status.Final():
		out.Status = "pending"
	}
	return out
}
