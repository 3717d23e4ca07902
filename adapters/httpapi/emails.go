package httpapi

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

func (s *Server) sendEmail(r *request, in api.EmailRequest, key idempotency.Key) (any, error) {
	draft, err := draftOf(in)
	if err != nil {
		return nil, err
	}
	m, replayed, err := s.Emails.Accept(r.ctx, r.caller.Tenant, draft, key)
	r.setReplayed(replayed)
	r.Status(fiber.StatusAccepted)
	return messageView(m), err
}

func draftOf(in api.EmailRequest) (email.Draft, error) {
	d := email.Draft{
		Subject: in.Subject, HTML: in.Html, Text: in.Text, Headers: in.Headers, Tags: in.Tags, Metadata: in.Metadata,
		SendAt: in.SendAt, ExpiresAt: in.ExpiresAt, Delivery: email.Delivery(in.Delivery), Category: email.Category(in.Category), Keeping: email.Keeping(in.Content), TemplateID: in.TemplateId, TemplateData: in.TemplateData,
		InReplyTo: in.InReplyTo, References: in.References, HTMLOnly: isFalse(in.TextFromHtml), Tracking: trackingOf(in.Tracking),
	}
	for _, list := range []struct {
		name string
		from []api.Address
		to   *[]email.Address
	}{{"to", in.To, &d.To}, {"cc", in.Cc, &d.Cc}, {"bcc", in.Bcc, &d.Bcc}, {"replyTo", in.ReplyTo, &d.ReplyTo}} {
		for i, one := range list.from {
			a, err := address(fmt.Sprintf("%s[%d]", list.name, i), one)
			if err != nil {
				return email.Draft{}, err
			}
			*list.to = append(*list.to, a)
		}
	}
	from, err := optionalAddress("from", in.From)
	if err != nil {
		return email.Draft{}, err
	}
	d.From = from
	for _, a := range in.Attachments {
		d.Attachments = append(d.Attachments, email.Attachment{
			Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentId, Content: a.Content,
		})
	}
	return d, nil
}

// address reads an address in either spelling. An error names the part of an object that is wrong.
func address(param string, in api.Address) (email.Address, error) {
	if in.Mailbox == nil {
		a, err := email.ParseAddress(in.Text)
		return a, within(err, param)
	}
	a := email.Address{Email: in.Mailbox.Email, Name: in.Mailbox.Name}
	if err := a.Check(); err != nil {
		return email.Address{}, within(err, param+"."+fault.From(err).Param)
	}
	return a, nil
}

// within returns an error about an address as one about the field that has it.
func within(err error, param string) error {
	if err == nil {
		return nil
	}
	f := *fault.From(err)
	f.Param = param
	return &f
}

// optionalAddress is address for one that may be absent.
func optionalAddress(param string, in api.Address) (email.Address, error) {
	if in == (api.Address{}) {
		return email.Address{}, nil
	}
	return address(param, in)
}

// trackingOf reads whether a message is tracked, which may be absent.
func trackingOf(on *bool) email.Tracking {
	switch {
	case on == nil:
		return ""
	case *on:
		return email.TrackingOn
	}
	return email.TrackingOff
}

// trackingView is the inverse of trackingOf.
func trackingView(t email.Tracking) *bool {
	if t == "" {
		return nil
	}
	on := t == email.TrackingOn
	return &on
}

func isFalse(flag *bool) bool { return flag != nil && !*flag }

func (s *Server) getEmail(r *request) (any, error) {
	m, err := s.Emails.Get(r.ctx, r.caller.Tenant, r.id)
	return messageView(m), err
}

func (s *Server) listEmails(r *request, cursor string, limit int) (any, error) {
	filter, err := r.emailFilter()
	if err != nil {
		return nil, err
	}
	page, err := s.Emails.List(r.ctx, r.caller.Tenant, filter, cursor, limit)
	return api.MessagePage{Data: views(page.Messages, messageView), NextCursor: page.Next}, err
}

// emailFilter reads the filter of a list of emails from the query.
func (r *request) emailFilter() (f emails.Filter, err error) {
	f = emails.Filter{
		Status: email.Status(r.Query("status")), Batch: r.Query("batch"), Recipient: r.Query("recipient"), Tag: r.Query("tag"), Metadata: r.queries("metadata"),
	}
	if f.Status != "" && !f.Status.Known() {
		return f, unknownStatus(email.Statuses())
	}
	if f.From, err = r.queryTime("createdFrom"); err != nil {
		return f, err
	}
	f.Before, err = r.queryTime("createdBefore")
	return f, err
}

// retryEmail, like cancelEmail, is idempotent by itself, so the idempotency key is
// validated but not used.
func (s *Server) retryEmail(r *request, _ struct{}, _ idempotency.Key) (any, error) {
	m, err := s.Emails.Retry(r.ctx, r.caller.Tenant, r.id)
	r.logAction("email.retry", "email", err)
	r.Status(fiber.StatusAccepted)
	return messageView(m), err
}

// rescheduleEmail is idempotent by itself: see retryEmail.
func (s *Server) rescheduleEmail(r *request, in api.RescheduleRequest, _ idempotency.Key) (any, error) {
	at, err := newTime(in)
	if err != nil {
		return nil, err
	}
	m, err := s.Emails.Reschedule(r.ctx, r.caller.Tenant, r.id, at)
	r.logAction("email.reschedule", "email", err)
	return messageView(m), err
}

// newTime returns the time to which a request moves mail. Invalid: it has none.
func newTime(in api.RescheduleRequest) (time.Time, error) {
	if in.SendAt.IsZero() {
		return time.Time{}, fault.InvalidParam("sendAt", "send_at_missing", "sendAt is missing: the time to which the email is moved")
	}
	return in.SendAt, nil
}

// retryEmails is idempotent by itself: see emails.Service.RetryAll.
func (s *Server) retryEmails(r *request, in api.RetryRequest, _ idempotency.Key) (any, error) {
	set := emails.RetrySet{Status: email.Status(in.Status), Since: in.Since, Before: in.Before}
	var cursor string
	for _, one := range []struct {
		name string
		from *string
		to   *string
	}{{"provider", in.Provider, &set.Provider}, {"code", in.Code, &set.Code}, {"cursor", in.Cursor, &cursor}} {
		switch {
		case one.from == nil:
		case *one.from == "": // it would select all
			return nil, emptyParam(one.name)
		default:
			*one.to = *one.from
		}
	}
	limit := emails.MaxRetried
	if in.Limit != nil {
		limit = *in.Limit
	}
	done, err := s.Emails.RetryAll(r.ctx, r.caller.Tenant, set, cursor, limit)
	r.logSet("email.retry", err, done.Retried)
	return api.RetryResult{Retried: done.Retried, Skipped: done.Skipped, NextCursor: done.Next}, err
}

func (s *Server) cancelEmail(r *request, _ struct{}, _ idempotency.Key) (any, error) {
	m, err := s.Emails.Cancel(r.ctx, r.caller.Tenant, r.id)
	r.logAction("email.cancel", "email", err)
	return messageView(m), err
}

func messageView(m email.Message) api.Message {
	m = m.Shown()
	return api.Message{
		Id: m.ID, MessageId: m.MessageIDHeader(), Status: string(m.Status), From: formatAddress(m.From), To: views(m.To, formatAddress), Cc: views(m.Cc, formatAddress), Bcc: views(m.Bcc, formatAddress),
		Subject: m.Subject, TemplateId: m.TemplateID, BatchId: m.Batch, Delivery: string(m.Delivery), Category: string(cmp.Or(m.Category, email.Transactional)), Content: string(cmp.Or(m.Keeping, email.Keep)), Tracking: trackingView(m.Tracking), Tags: m.Tags, Metadata: m.Metadata, SendAt: m.SendAt, ExpiresAt: m.ExpiresAt, NextAttemptAt: m.NextAttempt,
		Recipients: views(m.Recipients, func(r email.Recipient) api.Recipient { return recipientView(m, r) }),
		Attempts:   views(m.Attempts, messageAttemptView),
		CreatedAt:  m.CreatedAt, UpdatedAt: m.UpdatedAt, PurgedAt: m.PurgedAt, ErasedAt: m.ErasedAt,
	}
}

func messageAttemptView(a email.Attempt) api.MessageAttempt {
	out := api.MessageAttempt{
		Id: a.ID, Provider: a.Provider, Outcome: string(a.Outcome), Reference: a.Reference, Code: a.Code,
		Message: a.Message, StartedAt: a.StartedAt, EndedAt: a.EndedAt,
	}
	if a.Answer != nil {
		out.Answer = api.ProviderAnswer{Status: a.Answer.Status, Field: a.Answer.Field, Words: a.Answer.Words}
	}
	if a.Repeats > 0 {
		out.Tries = a.Repeats + 1
	}
	return out
}

// recipientView returns a recipient with what the provider has reported about the copy that
// counts.
func recipientView(m email.Message, r email.Recipient) api.Recipient {
	out := api.Recipient{Email: r.Email, Status: string(r.Status), Reason: r.Suppressed}
	if m.Batch != "" {
		out.Personalization = &r.Personalization
	}
	if f, ok := r.Fate(); ok {
		out.Provider, out.Code, out.Reason, out.At = m.ProviderOf(f.Attempt), f.Code, f.Reason, f.At
	}
	return out
}

// formatAddress returns an address with its name in UTF-8. It can be sent back as it is.
func formatAddress(a email.Address) string {
	if a.Name == "" {
		return a.Email
	}
	return `"` + quoted.Replace(a.Name) + `" <` + a.Email + ">"
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
