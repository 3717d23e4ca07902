package httpapi

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/payment"
)

func (s *Server) syncPayment(r *request) error {
	var in struct{}
	if _, err := r.decode(&in); err != nil {
		return err
	}
	p, err := s.Payments.Sync(r.ctx, r.tenant, r.id())
	s.act(r, "payment.sync", "payment", err)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, r.payment(p))
}

func (s *Server) listRefunds(r *request) error {
	p, err := s.Payments.Get(r.ctx, r.tenant, r.id())
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, api.RefundList{Data: refunds(p)})
}

// refunds returns all refunds of a payment, made here or at the provider, oldest first.
func refunds(p payment.Payment) []api.Refund {
	var all []api.Refund
	for _, op := range p.Operations {
		if op.Action == payment.Refund {
			all = append(all, refund(p, op))
		}
	}
	for _, entry := range p.Refunds {
		if entry.Operation == "" && !entry.Released {
			all = append(all, elsewhere(p, entry))
		}
	}
	slices.SortStableFunc(all, func(a, b api.Refund) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all
}

// refund returns the view of a refund that was requested here.
func refund(p payment.Payment, op payment.Operation) api.Refund {
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
		ProviderReference: op.Reference, Error: failure(op.Error), CreatedAt: op.StartedAt,
	}
	for _, entry := range p.Refunds {
		if entry.Operation == op.ID {
			out.Reason, out.UpdatedAt = entry.Reason, entry.UpdatedAt
		}
	}
	return out
}

// elsewhere returns the view of a refund that was made at the provider.
func elsewhere(p payment.Payment, entry payment.RefundEntry) api.Refund {
	out := api.Refund{
		Id: entry.Reference, PaymentId: p.ID, Amount: entry.Amount, Currency: string(p.Currency), Status: string(entry.Status), Provider: p.Provider,
		ProviderReference: entry.Reference, Reason: entry.Reason, CreatedAt: entry.CreatedAt, UpdatedAt: entry.UpdatedAt,
	}
	switch {
	case entry.Status.Returned():
		out.Status = "failed"
		out.Error = failure(&payment.Failure{Code: "refund_" + string(entry.Status), Message: "the provider could not complete the refund"})
	case !entry.Status.Final():
		out.Status = "pending"
	}
	return out
}

func disputes(p payment.Payment) []api.Dispute {
	var all []api.Dispute
	for _, d := range p.Disputes {
		all = append(all, api.Dispute{
			Reference: d.Reference, Amount: d.Amount, Currency: string(d.Currency), Reason: d.Reason, Status: d.Status,
			DueBy: d.DueBy, FundsWithdrawn: d.FundsWithdrawn, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		})
	}
	return all
}

func reviews(p payment.Payment) []api.Review {
	var all []api.Review
	for _, r := range p.Reviews {
		all = append(all, api.Review{
			Reason: r.Reason, Detail: r.Detail, At: r.At, SettledAt: r.SettledAt, Verdict: r.Verdict, Note: r.Note, By: r.By,
		})
	}
	return all
}
