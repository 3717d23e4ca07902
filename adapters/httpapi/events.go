package httpapi

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
)

func (s *Server) listEvents(r *request) error {
	cursor, limit, err := r.page()
	if err != nil {
		return err
	}
	events, next, err := s.Events.Read(r.ctx, r.tenant, cursor, limit)
	if err != nil {
		return err
	}
	out := api.EventPage{Data: make([]api.FeedEvent, len(events)), NextCursor: next}
	for i, e := range events {
		out.Data[i] = api.FeedEvent{Id: e.ID, Type: e.Type, Subject: e.Subject, At: e.At, Data: json.RawMessage(e.Data)}
	}
	return r.answer(fiber.StatusOK, out)
}
