package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
)

// addSuppression is idempotent by itself, so the idempotency key is validated but not used.
func (s *Server) addSuppression(r *request, in api.NewSuppression, _ idempotency.Key) (any, error) {
	v, err := s.Suppressions.Add(r.ctx, r.caller.Tenant, suppressions.Addition{Email: in.Email, Reason: suppression.Reason(in.Reason), Note: in.Note})
	r.id = v.ID
	r.logAction("suppression.add", "suppression", err)
	return suppressionView(v), err
}

func (s *Server) listSuppressions(r *request, cursor string, limit int) (any, error) {
	address, err := r.queryAddress("email")
	if err != nil {
		return nil, err
	}
	if address != "" {
		v, err := s.Suppressions.Get(r.ctx, r.caller.Tenant, s.Suppressions.IDOf(r.caller.Tenant, address))
		if fault.Is(err, fault.NotFound) {
			return api.SuppressionPage{}, nil
		}
		return api.SuppressionPage{Data: []api.Suppression{suppressionView(v)}}, err
	}
	page, next, err := s.Suppressions.List(r.ctx, r.caller.Tenant, cursor, limit)
	return api.SuppressionPage{Data: views(page, suppressionView), NextCursor: next}, err
}

func (s *Server) getSuppression(r *request) (any, error) {
	v, err := s.Suppressions.Get(r.ctx, r.caller.Tenant, r.id)
	return suppressionView(v), err
}

func (s *Server) removeSuppression(r *request) (any, error) {
	var reasons []suppression.Reason
	if name := r.Query("reason"); name != "" {
		reason, err := suppressions.ParseReason(name)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, reason)
	}
	err := s.Suppressions.Remove(r.ctx, r.caller.Tenant, r.id, reasons...)
	r.logAction("suppression.remove", "suppression", err)
	if err != nil {
		return nil, err
	}
	return nil, r.SendStatus(fiber.StatusNoContent)
}

// suppressionView returns a suppression with the reasons that count.
func suppressionView(v suppression.Suppression) api.Suppression {
	return api.Suppression{
		Id: v.ID, Email: v.Email, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, ErasedAt: v.ErasedAt,
		Reasons: views(v.Counting(), func(e suppression.Entry) api.SuppressionReason {
			return api.SuppressionReason{
				Reason: string(e.Reason), At: e.At, Provider: e.Source.Provider, EmailId: e.Source.Message, Code: e.Source.Code, Note: e.Source.Note,
			}
		}),
	}
}
