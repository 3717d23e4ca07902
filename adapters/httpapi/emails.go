package httpapi

import (
	"fmt"
	"net/mail"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/email"
	"patchbay/core/fault"
)

func (s *Server) sendEmail(r *request) error {
	var in api.EmailRequest
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	draft, err := draftOf(in)
	if err != nil {
		return err
	}
	m, replayed, err := s.Emails.Accept(r.ctx, r.tenant, draft, key)
	if err != nil {
		return err
	}
	r.replayed(replayed)
	return r.answer(fiber.StatusAccepted, messageView(m))
}

func draftOf(in api.EmailRequest) (email.Draft, error) {
	if in.TemplateId != "" || in.TemplateData != nil {
		return email.Draft{}, fault.InvalidParam("templateId", "template_unsupported", "templates are not supported yet; send html or text")
	}
	d := email.Draft{
		Subject: in.Subject, HTML: in.Html, Text: in.Text, Headers: in.Headers, Tags: in.Tags, Metadata: in.Metadata,
		SendAt: in.SendAt, Delivery: email.Delivery(in.Delivery),
	}
	for _, list := range []struct {
		name string
		from []string
		to   *[]email.Address
	}{{"to", in.To, &d.To}, {"cc", in.Cc, &d.Cc}, {"bcc", in.Bcc, &d.Bcc}, {"replyTo", in.ReplyTo, &d.ReplyTo}} {
		for i, text := range list.from {
			a, err := address(fmt.Sprintf("%s[%d]", list.name, i), text)
			if err != nil {
				return email.Draft{}, err
			}
			*list.to = append(*list.to, a)
		}
	}
	if in.From != "" {
		from, err := address("from", in.From)
		if err != nil {
			return email.Draft{}, err
		}
		d.From = from
	}
	for _, a := range in.Attachments {
		d.Attachments = append(d.Attachments, email.Attachment{
			Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentId, Content: a.Content,
		})
	}
	return d, nil
}

func address(param, text string) (email.Address, error) {
	a, err := email.ParseAddress(text)
	if err != nil {
		f := *fault.From(err)
		f.Param = param
		return email.Address{}, &f
	}
	return a, nil
}

func (s *Server) getEmail(r *request) error {
	m, err := s.Emails.Get(r.ctx, r.tenant, r.id())
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, messageView(m))
}

func (s *Server) listEmails(r *request) error {
	cursor, limit, err := r.page()
	if err != nil {
		return err
	}
	status := email.Status(r.query("status"))
	if status != "" && !status.Known() {
		return errUnknownStatus
	}
	page, err := s.Emails.List(r.ctx, r.tenant, status, cursor, limit)
	if err != nil {
		return err
	}
	out := api.MessagePage{Data: make([]api.Message, len(page.Messages)), NextCursor: page.Next}
	for i, m := range page.Messages {
		out.Data[i] = messageView(m)
	}
	return r.answer(fiber.StatusOK, out)
}

func (s *Server) retryEmail(r *request) error {
	return r.moved(fiber.StatusAccepted, func() (email.Message, error) {
		m, err := s.Emails.Retry(r.ctx, r.tenant, r.id())
		s.act(r, "email.retry", "email", err)
		return m, err
	})
}

func (s *Server) cancelEmail(r *request) error {
	return r.moved(fiber.StatusOK, func() (email.Message, error) {
		m, err := s.Emails.Cancel(r.ctx, r.tenant, r.id())
		s.act(r, "email.cancel", "email", err)
		return m, err
	})
}

// moved answers a retry or cancel request for a message. Both are idempotent by themselves,
// so the idempotency key is validated but not used.
func (r *request) moved(status int, move func() (email.Message, error)) error {
	var in struct{}
	if _, err := r.decode(&in); err != nil {
		return err
	}
	m, err := move()
	if err != nil {
		return err
	}
	return r.answer(status, messageView(m))
}

func messageView(m email.Message) api.Message {
	out := api.Message{
		Id: m.ID, Status: string(m.Status), From: formatted(m.From), To: addresses(m.To), Cc: addresses(m.Cc), Bcc: addresses(m.Bcc),
		Subject: m.Subject, Delivery: string(m.Delivery), Tags: m.Tags, Metadata: m.Metadata, SendAt: m.SendAt,
		Recipients: make([]api.Recipient, len(m.Recipients)), Attempts: make([]api.MessageAttempt, len(m.Attempts)),
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, PurgedAt: m.PurgedAt, ErasedAt: m.ErasedAt,
	}
	for i, r := range m.Recipients {
		out.Recipients[i] = recipientView(m, r)
	}
	for i, a := range m.Attempts {
		out.Attempts[i] = api.MessageAttempt{
			Id: a.ID, Provider: a.Provider, Outcome: string(a.Outcome), Reference: a.Reference, Code: a.Code,
			Message: a.Message, StartedAt: a.StartedAt, EndedAt: a.EndedAt,
		}
		if a.Answer != nil {
			out.Attempts[i].Answer = api.ProviderAnswer{Status: a.Answer.Status, Field: a.Answer.Field, Words: a.Answer.Words}
		}
	}
	return out
}

// recipientView returns a recipient with what the provider has reported about the copy that
// counts.
func recipientView(m email.Message, r email.Recipient) api.Recipient {
	out := api.Recipient{Email: r.Email, Status: string(r.Status)}
	if f, ok := r.Fate(); ok {
		out.Provider, out.Code, out.Reason, out.At = m.ProviderOf(f.Attempt), f.Code, f.Reason, f.At
	}
	return out
}

func addresses(list []email.Address) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = formatted(a)
	}
	return out
}

func formatted(a email.Address) string {
	if a.Name == "" {
		return a.Email
	}
	return (&mail.Address{Name: a.Name, Address: a.Email}).String()
}
