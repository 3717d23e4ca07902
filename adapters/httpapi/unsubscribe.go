package httpapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
)

//go:embed unsubscribe.html
var unsubscribePage string

var unsubscribeTemplate = template.Must(template.New("unsubscribe").Parse(unsubscribePage))

// confirmUnsubscribe shows a page with a button, and changes nothing: programs that check links
// follow them all.
func (s *Server) confirmUnsubscribe(r *request) (any, error) {
	if err := s.Emails.CheckUnsubscribe(r.token()); err != nil {
		return nil, r.failPage(err)
	}
	return nil, r.page(fiber.StatusOK, map[string]any{"Ask": true})
}

// unsubscribe unsubscribes with one click: of the page's button, or in a mail reader (RFC 8058). The
// body says only that it is a click.
func (s *Server) unsubscribe(r *request) (any, error) {
	if _, err := r.raw(); err != nil {
		return nil, err
	}
	if err := s.Emails.Unsubscribe(r.ctx, r.token()); err != nil {
		return nil, r.failPage(err)
	}
	return nil, r.page(fiber.StatusOK, nil)
}

// token returns the token in the path.
func (r *request) token() string {
	token, _ := url.PathUnescape(r.Params("token")) // the path is well formed
	return token
}

// failPage answers an error with a page, because a person may read it.
func (r *request) failPage(err error) error {
	status, body := r.server.describe(r.Ctx, err)
	r.server.logFailure(r.Ctx, status, body.Code, err)
	return r.page(status, map[string]any{"Failed": true, "Unknown": fault.Is(err, fault.NotFound)})
}

// page answers with the page in one of its states. It loads nothing, and no other site learns its URL.
func (r *request) page(status int, state map[string]any) error {
	var b bytes.Buffer
	if err := unsubscribeTemplate.Execute(&b, state); err != nil {
		return fault.Wrap(fault.Internal, "httpapi.unsubscribe", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	r.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	r.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	return r.Status(status).Send(b.Bytes())
}
