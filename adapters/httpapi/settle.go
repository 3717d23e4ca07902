package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/checkout"
)

// resolvePayment takes a person's verdict. It needs no idempotency key: the same verdict
// once more changes nothing.
func (s *Server) resolvePayment(r *request) error {
	var in api.Resolution
	if _, err := r.decode(&in); err != nil {
		return err
	}
	p, err := s.Checkout.Settle(r.ctx, r.tenant, r.id(), checkout.SettleRequest{
		Verdict: checkout.Verdict(in.Verdict), Reference: in.Reference, Note: in.Note, By: r.caller,
	})
	s.act(r, "payment.resolve", "payment", err)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, r.payment(p))
}
