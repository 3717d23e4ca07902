package cli_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/core/template"
)

// templatesRig is a configuration with the template welcome, which both providers store: SendGrid as
// d-17, Mailgun as greeting.
type templatesRig struct {
	*rig
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
	source   template.Source
}

func newTemplatesRig(t *testing.T) *templatesRig {
	t.Helper()
	r := &templatesRig{
		rig: &rig{dir: t.TempDir()}, sendgrid: sendgridsim.Start(t, sendgridsim.Options{}), mailgun: mailgunsim.Start(t, mailgunsim.Options{}),
	}
	if err := os.Mkdir(filepath.Join(r.dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.put(t, template.Source{Name: "welcome", Subject: "Hello {{name}}", HTML: "<p>Welcome {{name}}</p>", Text: "Welcome, {{name}}"})
	r.file = r.write(t, "patchbay.yaml", fmt.Sprintf(
		"mail: {providers: [sendgrid, mailgun, smtp], from: shop@example.com, templates: {directory: %q}}\n"+
			"providers:\n"+
			"  sendgrid: {type: sendgrid, api_key: \"${SENDGRID_KEY}\", base_url: %q, templates: {welcome: d-17}}\n"+
			"  mailgun: {type: mailgun, domain: %q, api_key: \"${MAILGUN_KEY}\", base_url: %q, templates: {welcome: greeting}}\n"+
			"  smtp: {type: smtp, host: 127.0.0.1, port: 1, security: none}\n",
		filepath.Join(r.dir, "templates"), r.sendgrid.URL(), r.mailgun.Domain(), r.mailgun.URL()))
	r.environ = []string{"SENDGRID_KEY=" + r.sendgrid.Key(), "MAILGUN_KEY=" + r.mailgun.Key()}
	return r
}

// put writes the source of the template.
func (r *templatesRig) put(t *testing.T, s template.Source) {
	t.Helper()
	for _, p := range template.Parts() {
		if file := filepath.Join("templates", s.Name+"."+string(p)+".hbs"); s.Part(p) == "" {
			_ = os.Remove(filepath.Join(r.dir, file))
		} else {
			r.write(t, file, s.Part(p))
		}
	}
	r.source = s
}

// wantRun runs a command on the templates, and checks its exit code and a text that it prints.
func (r *templatesRig) wantRun(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	got := r.run(t, append([]string{"templates"}, args...)...)
	if got.code != code {
		t.Errorf("templates %s: exit code = %d, want %d", args, got.code, code)
	}
	if all := got.stdout + got.stderr; !strings.Contains(all, text) {
		t.Errorf("templates %s: output = %q, want one with %q", args, all, text)
	}
}

func TestWhatWasPushedIsStoredAndActive(t *testing.T) {
	t.Parallel()
	r := newTemplatesRig(t)
	r.sendgrid.Store("d-17")
	r.wantRun(t, 0, "welcome at mailgun: greeting has it now, as "+provider.VersionName(r.source), "push")
	want := sendgridsim.Version{
		Active: 1, TemplateID: "d-17", Name: provider.VersionName(r.source), Subject: r.source.Subject, HTML: r.source.HTML, Plain: r.source.Text,
	}
	all := r.sendgrid.Versions("d-17")
	if len(all) != 1 {
		t.Fatalf("%d versions at SendGrid, want 1", len(all))
	}
	want.ID, want.UpdatedAt = all[0].ID, all[0].UpdatedAt
	if all[0] != want {
		t.Errorf("version at SendGrid = %+v, want %+v", all[0], want)
	}
	stored := r.mailgun.Versions("greeting")
	if len(stored) != 1 {
		t.Fatalf("%d versions at Mailgun, want 1", len(stored))
	}
	if v := stored[0]; v.Tag != provider.VersionName(r.source) || !v.Active || v.Template != r.source.HTML || v.Headers["Subject"] != r.source.Subject {
		t.Errorf("version at Mailgun = %+v, want the source, active", v)
	}
	r.wantRun(t, 0, "1 template, no mistakes", "check")
	requests := len(r.sendgrid.Requests()) + len(r.mailgun.Requests())
	r.wantRun(t, 0, "welcome at sendgrid: d-17 has it\n", "push")
	if got := len(r.sendgrid.Requests()) + len(r.mailgun.Requests()) - requests; got != 2 {
		t.Errorf("another push made %d requests, want 2: it only asks", got)
	}
}

func TestATemplateWithoutATextIsRenderedWithTheOneThatIsDerived(t *testing.T) {
	t.Parallel()
	r := newTemplatesRig(t)
	r.put(t, template.Source{Name: "welcome", Subject: "Hello", HTML: "<p>Welcome <b>back</b></p>"})
	r.wantRun(t, 0, "text:\nWelcome back", "render", "welcome")
	r.wantRun(t, 0, "Welcome back\n", "render", "welcome", "--part", "text")
}

// Versions are few, and those that a person made stay.
func TestAPushReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	r := newTemplatesRig(t)
	r.sendgrid.Store("d-17", sendgridsim.Version{ID: "1", Active: 1, Name: "by hand", Subject: "s", HTML: "x"})
	r.mailgun.Store("greeting", mailgunsim.Version{Active: true, Tag: "by-hand", Template: "x"})
	r.wantRun(t, 0, "", "push")
	first := r.source
	second := first
	second.HTML = "<p>Welcome back {{name}}</p>"
	r.put(t, second)
	r.wantRun(t, 0, "", "push")
	r.put(t, first)
	r.wantRun(t, 0, "", "push")
	for _, v := range r.sendgrid.Versions("d-17") {
		if want := v.Name == provider.VersionName(first); (v.Active == 1) != want {
			t.Errorf("version %q at SendGrid: active = %d, want %t", v.Name, v.Active, want)
		}
	}
	if got := len(r.sendgrid.Versions("d-17")); got != 2 {
		t.Errorf("%d versions at SendGrid, want 2", got)
	}
	for _, v := range r.mailgun.Versions("greeting") {
		if want := v.Tag == provider.VersionName(first); v.Active != want {
			t.Errorf("version %q at Mailgun: active = %t, want %t", v.Tag, v.Active, want)
		}
	}
	if got := len(r.mailgun.Versions("greeting")); got != 2 {
		t.Errorf("%d versions at Mailgun, want 2", got)
	}
}

func TestAVersionThatWasPushedIsActivatedAgain(t *testing.T) {
	t.Parallel()
	r := newTemplatesRig(t)
	name := provider.VersionName(r.source)
	r.sendgrid.Store("d-17", sendgridsim.Version{ID: "1", Name: name, Subject: "s", HTML: "x"}, sendgridsim.Version{ID: "2", Active: 1, Name: "by hand", Subject: "s", HTML: "x"})
	r.mailgun.Store("greeting", mailgunsim.Version{Tag: name, Template: "x"}, mailgunsim.Version{Active: true, Tag: "by-hand", Template: "x"})
	r.wantRun(t, 0, "", "push")
	if v := r.sendgrid.Versions("d-17")[0]; v.Active != 1 || v.HTML != r.source.HTML {
		t.Errorf("version at SendGrid = %+v, want the source, active", v)
	}
	if v := r.mailgun.Versions("greeting")[0]; !v.Active || v.Template != r.source.HTML {
		t.Errorf("version at Mailgun = %+v, want the source, active", v)
	}
}

func TestCheckTellsWhatAProviderHasNotAsItIsHere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		stored func(r *templatesRig)
		want   string
	}{
		{"no template", func(*templatesRig) {}, "welcome at sendgrid: there is no template d-17"},
		{"no version", func(r *templatesRig) { r.sendgrid.Store("d-17") }, "welcome at sendgrid: no version of d-17 is active"},
		{"a version that a person made", func(r *templatesRig) {
			r.sendgrid.Store("d-17", sendgridsim.Version{ID: "1", Active: 1, Name: "by hand"})
		}, `welcome at sendgrid: the version "by hand" of d-17 was not pushed from here`},
		{"another source", func(r *templatesRig) {
			r.mailgun.Store("greeting", mailgunsim.Version{Active: true, Tag: provider.VersionName(template.Source{HTML: "other"}), Template: "other"})
		}, "of greeting was pushed from another source"},
		{"a provider that refuses the key", func(r *templatesRig) {
			r.sendgrid.Inject(faultserver.Fault{Mishap: sendgridsim.Unauthorized()})
		}, "the provider answers 401: The provided authorization grant is invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newTemplatesRig(t)
			tt.stored(r)
			r.wantRun(t, 1, tt.want, "check")
			r.wantRun(t, 0, "1 template, no mistakes", "check", "--local")
		})
	}
}

func TestAPushThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before func(t *testing.T, r *templatesRig)
		want   string
	}{
		{"there is no such template at SendGrid", func(*testing.T, *templatesRig) {}, "welcome at sendgrid: there is no template d-17; make it there first"},
		{"the provider refuses the source", func(t *testing.T, r *templatesRig) {
			r.sendgrid.Store("d-17")
			s := r.source
			s.Subject = strings.Repeat("x", 256)
			r.put(t, s)
		}, "the provider answers 400: subject must have 1 to 255 characters"},
		{"Mailgun stores no text alone", func(t *testing.T, r *templatesRig) {
			r.sendgrid.Store("d-17")
			s := r.source
			s.HTML = ""
			r.put(t, s)
		}, "the provider stores HTML, and the template has none"},
		{"a helper that Mailgun lacks", func(t *testing.T, r *templatesRig) {
			s := r.source
			s.HTML = `<p>{{#greaterThan a b}}x{{/greaterThan}}</p>`
			r.put(t, s)
		}, "1 template: mistakes: 1; nothing was pushed"},
		{"what answers is not Mailgun", func(_ *testing.T, r *templatesRig) {
			r.sendgrid.Store("d-17")
			r.mailgun.Inject(faultserver.Fault{Mishap: mailgunsim.Magnificent(), Standing: true})
		}, "the provider gave no answer that can be trusted"},
		{"what answers in the end is not Mailgun", func(_ *testing.T, r *templatesRig) {
			r.sendgrid.Store("d-17")
			r.mailgun.Inject(faultserver.Fault{
				Match: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodPost }, Mishap: mailgunsim.Magnificent(),
			})
		}, "the provider gave no answer that can be trusted"},
		{"the provider is away", func(_ *testing.T, r *templatesRig) {
			r.sendgrid.Store("d-17")
			r.mailgun.Inject(faultserver.Fault{Mishap: faultserver.Page(http.StatusBadGateway), Standing: true})
		}, "the provider answers 502"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newTemplatesRig(t)
			tt.before(t, r)
			r.wantRun(t, 1, tt.want, "push")
		})
	}
}
