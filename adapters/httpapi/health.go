package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
)

func (s *Server) health(r *request) error {
	return r.answer(fiber.StatusOK, api.Health{Status: "ok"})
}

func (s *Server) ready(r *request) error {
	if s.draining.Load() {
		return refuse(fiber.StatusServiceUnavailable, "draining", "the gateway is shutting down")
	}
	health, err := s.Ready(r.ctx)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, api.Health{Status: health})
}
