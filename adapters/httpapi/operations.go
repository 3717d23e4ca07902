package httpapi

import (
	"encoding/json"
	"strings"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
)

// receiveWebhook hands over the body as it came: its bytes are what is signed.
func (s *Server) receiveWebhook(r *request) error {
	delivery, err := s.Inbox.Open(strings.Clone(r.Params("route")), func(name string) string { return r.Get(name) })
	if err != nil {
		return err
	}
	body, err := r.raw()
	if err != nil {
		return err
	}
	if err := delivery.Receive(r.ctx, body); err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, api.Received{Received: true})
}

func (s *Server) listEvents(r *request) error {
	cursor, limit, err := r.page()
	if err != nil {
		return err
	}
	events, next, err := s.Feed.Read(r.ctx, r.tenant, cursor, limit)
	if err != nil {
		return err
	}
	out := api.EventPage{Data: make([]api.FeedEvent, len(events)), NextCursor: next}
	for i, e := range events {
		out.Data[i] = api.FeedEvent{Id: e.ID, Type: e.Type, Subject: e.Subject, At: e.At, Data: json.RawMessage(e.Data)}
	}
	return r.answer(fiber.StatusOK, out)
}

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
