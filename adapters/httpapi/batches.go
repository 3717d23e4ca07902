package httpapi

import (
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
)

func (s *Server) sendBatch(r *request, in api.BatchEmailRequest, key idempotency.Key) (any, error) {
	draft, err := batchDraftOf(in)
	if err != nil {
		return nil, err
	}
	b, replayed, err := s.Emails.AcceptBatch(r.ctx, r.caller.Tenant, draft, key)
	r.setReplayed(replayed)
	r.Status(fiber.StatusAccepted)
	return batchView(b), err
}

func batchDraftOf(in api.BatchEmailRequest) (email.BatchDraft, error) {
	d := email.BatchDraft{
		Subject: in.Subject, TemplateID: in.TemplateId, Tags: in.Tags, Metadata: in.Metadata,
		SendAt: in.SendAt, ExpiresAt: in.ExpiresAt, Delivery: email.Delivery(in.Delivery), Category: email.Category(in.Category), Keeping: email.Keeping(in.Content),
		HTMLOnly: isFalse(in.TextFromHtml), Tracking: trackingOf(in.Tracking),
	}
	from, err := optionalAddress("from", in.From)
	if err != nil {
		return email.BatchDraft{}, err
	}
	d.From = from
	for i, p := range in.Personalizations {
		d.Personalizations = append(d.Personalizations, email.Personalization{
			Index: i, TemplateData: p.DynamicTemplateData,
			To: views(p.To, func(m api.Mailbox) email.Address { return email.Address{Email: m.Email, Name: m.Name} }),
		})
	}
	return d, nil
}

func (s *Server) getBatch(r *request) (any, error) {
	b, err := s.Emails.GetBatch(r.ctx, r.caller.Tenant, r.id)
	return batchView(b), err
}

// cancelBatch is idempotent by itself, so the idempotency key is validated but not used.
func (s *Server) cancelBatch(r *request, _ struct{}, _ idempotency.Key) (any, error) {
	b, err := s.Emails.CancelBatch(r.ctx, r.caller.Tenant, r.id)
	r.logAction("batch.cancel", "batch", err)
	return batchView(b), err
}

// rescheduleBatch is idempotent by itself: see cancelBatch.
func (s *Server) rescheduleBatch(r *request, in api.RescheduleRequest, _ idempotency.Key) (any, error) {
	at, err := newTime(in)
	if err != nil {
		return nil, err
	}
	b, err := s.Emails.RescheduleBatch(r.ctx, r.caller.Tenant, r.id, at)
	r.logAction("batch.reschedule", "batch", err)
	return batchView(b), err
}

func batchView(b emails.BatchState) api.Batch {
	counts := make(map[string]int, len(b.Counts))
	for status, n := range b.Counts {
		counts[string(status)] = n
	}
	return api.Batch{
		Id: b.ID, TemplateId: b.TemplateID, Personalizations: b.Personalizations, Recipients: b.Recipients,
		Counts: counts, SendAt: b.SendAt, CreatedAt: b.CreatedAt,
	}
}
