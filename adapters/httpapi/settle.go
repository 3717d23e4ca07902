package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/payments"
)

// resolvePayment accepts a person's verdict. It needs no idempotency key, because repeating
// the same verdict changes nothing.
func (s *Server) resolvePayment(r *request) error {
	var in api.Resolution
	if _, err := r.decode(&in); err != nil {
		return err
	}
	p, err := s.Payments.Settle(r.ctx, r.tenant, r.id(), payments.SettleRequest{
		Verdict: payments.Verdict(in.Verdict), Reference: in.Reference, Note: in.Note, By: r.caller,
	})
	s.act(r, "payment.resolve", "payment", err)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, r.payment(p))
}
