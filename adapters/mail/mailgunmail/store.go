package mailgunmail

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/provider"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

var _ provider.TemplateStore = (*Mailer)(nil)

// version is a version of a template. Mailgun's library does not know its headers:
// https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/templates
type version struct {
	Tag    string `json:"tag"`
	Active bool   `json:"active"`
}

// ActiveVersion implements provider.TemplateStore.
func (g *Mailer) ActiveVersion(ctx context.Context, id string) (string, error) {
	var found struct {
		Template struct {
			Version version `json:"version"`
		} `json:"template"`
	}
	err := g.call(ctx, http.MethodGet, "/"+url.PathEscape(id)+"?active=yes", nil, &found)
	return found.Template.Version.Tag, err
}

// Push implements provider.TemplateStore. A template that the domain does not store yet is made. The
// subject is stored as a header, which the subject of a message takes the place of; the text is not
// stored, because Mailgun derives it.
//
// The new version is active before the one that was pushed before is removed.
func (g *Mailer) Push(ctx context.Context, id string, s template.Source) error {
	if s.HTML == "" {
		return g.fault(fault.Invalid, "template_refused", "the provider stores HTML, and the template has none")
	}
	headers, err := json.Marshal(map[string]string{"Subject": s.Subject})
	if err != nil {
		return fault.Wrap(fault.Invalid, "mailgunmail.templates", err)
	}
	tag := provider.VersionName(s)
	form := url.Values{"template": {s.HTML}, "tag": {tag}, "engine": {"handlebars"}, "headers": {string(headers)}, "active": {"yes"}}
	all, err := g.versions(ctx, id)
	if fault.Is(err, fault.NotFound) {
		form.Set("name", id)
		form.Set("description", "pushed by patchbay")
		form.Del("active") // the first version is
		return g.call(ctx, http.MethodPost, "", form, nil)
	}
	if err != nil {
		return err
	}
	path, method := "/"+url.PathEscape(id)+"/versions", http.MethodPost
	for _, v := range all {
		if v.Tag == tag { // it was pushed, and another was activated since
			path, method = path+"/"+tag, http.MethodPut
			form.Del("tag")
			break
		}
	}
	if err := g.call(ctx, method, path, form, nil); err != nil {
		return err
	}
	for _, v := range all {
		if v.Tag != tag && provider.IsPushed(v.Tag) {
			if err := g.call(ctx, http.MethodDelete, "/"+url.PathEscape(id)+"/versions/"+v.Tag, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// versions returns the versions of a template: Mailgun stores at most 40 of one, fewer than the 100
// of a page.
func (g *Mailer) versions(ctx context.Context, id string) ([]version, error) {
	var found struct {
		Template struct {
			Versions []version `json:"versions"`
		} `json:"template"`
	}
	err := g.call(ctx, http.MethodGet, "/"+url.PathEscape(id)+"/versions?limit=100", nil, &found)
	return found.Template.Versions, err
}

// call makes a request to the API of templates. The answer is decoded into out unless that is nil.
func (g *Mailer) call(ctx context.Context, method, path string, form url.Values, out any) error {
	if f := g.exchange(ctx, method, path, form, out); f != nil {
		f.Op, f.Provider = "mailgunmail.templates", g.name
		return f
	}
	return nil
}

func (g *Mailer) exchange(ctx context.Context, method, path string, form url.Values, out any) *fault.Error {
	ctx, x := httpclient.Record(ctx)
	req, err := http.NewRequestWithContext(ctx, method, g.base+"/v3/"+g.domain+"/templates"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return x.Unanswered(err)
	}
	req.SetBasicAuth("api", g.key)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := g.http.Do(req)
	if err != nil {
		return x.Unanswered(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return x.Unanswered(err)
	case resp.StatusCode >= http.StatusMultipleChoices:
		return g.refused(x)
	}
	// Also where nothing is read from it: at a wrong path Mailgun answers 200, and no JSON.
	if out == nil {
		out = new(struct{})
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return x.Unanswered(err)
	}
	return nil
}

// refused returns the failure of a request about templates, in Mailgun's words.
func (g *Mailer) refused(x *httpclient.Exchange) *fault.Error {
	f := fault.New(httpclient.KindOfStatus(x.Status()), "template_refused", fmt.Sprintf("the provider answers %d", x.Status()))
	for _, e := range g.providerErrors(email.Message{}, x) {
		f.Message += ": " + e.Words
	}
	return f
}
