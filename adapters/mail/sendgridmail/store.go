package sendgridmail

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/provider"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

var _ provider.TemplateStore = (*Mailer)(nil)

// version is a version of a dynamic template:
// https://www.twilio.com/docs/sendgrid/api-reference/transactional-templates-versions
type version struct {
	ID            string `json:"id,omitempty"`
	Active        int    `json:"active"` // 1 for the one that is sent
	Name          string `json:"name"`
	Subject       string `json:"subject"`
	HTML          string `json:"html_content"`
	Plain         string `json:"plain_content"`
	GeneratePlain bool   `json:"generate_plain_content"` // from the HTML
}

// ActiveVersion implements provider.TemplateStore.
func (s *Mailer) ActiveVersion(ctx context.Context, id string) (string, error) {
	all, err := s.versions(ctx, id)
	if i := slices.IndexFunc(all, func(v version) bool { return v.Active == 1 }); i >= 0 {
		return all[i].Name, err
	}
	return "", err
}

// Push implements provider.TemplateStore. SendGrid limits the versions of all templates together, so
// the one that was pushed before is written over.
func (s *Mailer) Push(ctx context.Context, id string, source template.Source) error {
	all, err := s.versions(ctx, id)
	if err != nil {
		return err
	}
	v := version{
		Active: 1, Name: provider.VersionName(source), Subject: source.Subject,
		HTML: source.HTML, Plain: source.Text, GeneratePlain: source.Text == "",
	}
	path, method := "/v3/templates/"+url.PathEscape(id)+"/versions", rest.Post
	if i := slices.IndexFunc(all, func(v version) bool { return provider.IsPushed(v.Name) }); i >= 0 {
		path, method = path+"/"+url.PathEscape(all[i].ID), rest.Patch
	}
	return s.call(ctx, method, path, v, nil)
}

func (s *Mailer) versions(ctx context.Context, id string) ([]version, error) {
	var found struct {
		Versions []version `json:"versions"`
	}
	err := s.call(ctx, rest.Get, "/v3/templates/"+url.PathEscape(id), nil, &found)
	return found.Versions, err
}

// call makes a request to the API of templates. in is sent as JSON unless it is nil, and the answer
// is decoded into out unless that is nil.
func (s *Mailer) call(ctx context.Context, method rest.Method, path string, in, out any) error {
	if f := s.exchange(ctx, method, path, in, out); f != nil {
		f.Op, f.Provider = "sendgridmail.templates", s.name
		return f
	}
	return nil
}

func (s *Mailer) exchange(ctx context.Context, method rest.Method, path string, in, out any) *fault.Error {
	req := sendgrid.GetRequest(s.key, path, s.base)
	req.Method = method
	ctx, x := httpclient.Record(ctx)
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return x.Unanswered(err)
		}
		req.Body = body
	}
	resp, err := s.http.SendWithContext(ctx, req)
	switch {
	case err != nil:
		return x.Unanswered(err)
	case resp.StatusCode >= http.StatusMultipleChoices:
		return s.refused(x)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal([]byte(resp.Body), out); err != nil {
		return x.Unanswered(err)
	}
	return nil
}

// refused returns the failure of a request about templates, in SendGrid's words.
func (s *Mailer) refused(x *httpclient.Exchange) *fault.Error {
	f := fault.New(httpclient.KindOfStatus(x.Status()), "template_refused", fmt.Sprintf("the provider answers %d", x.Status()))
	for _, e := range s.providerErrors(email.Message{}, x) {
		f.Message += ": " + e.Words
	}
	return f
}
