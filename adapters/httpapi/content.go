package httpapi

import (
	"io"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
)

// scopeContent is the scope of those who read what emails say.
const scopeContent = "emails:content"

func (s *Server) getContent(r *request) (any, error) {
	var place *int
	if text := r.Query("personalization"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fault.InvalidParam("personalization", "invalid_personalization", "personalization must be a place in the batch, from 0")
		}
		place = &n
	}
	c, err := s.Emails.Content(r.ctx, r.caller.Tenant, r.id, place)
	r.logAction("email.read", "email", err)
	return contentView(c), err
}

func contentView(c emails.Content) api.MessageContent {
	out := api.MessageContent{
		Subject: c.Subject, Html: c.HTML, Text: c.Text, TemplateId: c.TemplateID, TemplateData: c.TemplateData, Headers: c.Headers, Mime: c.MIME,
	}
	for i, a := range c.Attachments {
		out.Attachments = append(out.Attachments, attachmentView(i, a))
	}
	return out
}

func attachmentView(number int, a email.Attachment) api.AttachmentInfo {
	return api.AttachmentInfo{Number: &number, Filename: a.Filename, ContentType: a.ContentType, ContentId: a.ContentID, Bytes: a.Bytes()}
}

// getAttachment answers with the bytes of an attachment. They are read while they are written, a part at
// a time, for which there is memory. The type is not that of the attachment: a browser must not show a
// page that came by mail as one of the gateway's.
func (s *Server) getAttachment(r *request) (any, error) {
	number, err := strconv.Atoi(r.Params("number"))
	if err != nil || number < 0 {
		return nil, fiber.ErrNotFound
	}
	release, err := r.take(emails.PartBytes)
	if err != nil {
		return nil, err
	}
	a, content, err := s.Emails.OpenFile(r.ctx, r.caller.Tenant, r.id, number)
	r.logAction("email.read", "email", err)
	if err != nil {
		release()
		return nil, err
	}
	r.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	r.Set(fiber.HeaderContentDisposition, "attachment")
	r.Context().SetBodyStream(counted{content, release}, a.Size)
	return nil, nil
}

// counted is a body that memory is reserved for.
type counted struct {
	io.Reader
	release func()
}

// Close implements io.Closer. It is called once the body was written, or cannot be.
func (c counted) Close() error {
	c.release()
	return nil
}
