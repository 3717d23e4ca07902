package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
)

// receiveWebhook passes on the body unchanged, because the signature covers its bytes.
func (s *Server) receiveWebhook(r *request) (any, error) {
	delivery, err := s.Webhooks.Open(r.Params("route"), r.Get)
	if err != nil {
		return nil, err
	}
	body, err := r.raw()
	if err != nil {
		return nil, err
	}
	if err := delivery.Receive(r.ctx, body); err != nil {
		return nil, err
	}
	if own, ok := delivery.Acknowledgement(); ok {
		r.Set(fiber.HeaderContentType, own.ContentType)
		return nil, r.Status(own.Status).SendString(own.Body)
	}
	return api.Received{Received: true}, nil
}
