package emails_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// sources are templates by name.
type sources map[string]template.Source

func (s sources) Find(name string) (template.Source, error) {
	if t, ok := s[name]; ok {
		return t, nil
	}
	return template.Source{}, fault.New(fault.NotFound, "template_not_found", "")
}

// recorder is a provider that keeps what it is given, and stores some templates.
type recorder struct {
	name   string
	stores string
	fails  fault.Kind // Internal for not at all

	mu  sync.Mutex
	got []email.Message
}

func (r *recorder) Name() string { return r.name }

func (r *recorder) Features() email.Features {
	return email.Features{Templates: func(name string) bool { return name == r.stores }}
}

func (r *recorder) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	if r.fails != fault.Internal {
		return email.Receipt{}, fault.New(r.fails, "scripted", "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, m)
	return email.Receipt{}, nil
}

var welcome = template.Source{Name: "welcome", Subject: "Welcome, {{name}}", HTML: "<p>Hello {{name}}</p>"}

// withTemplates runs a test with two providers, of which the first stores a template.
func withTemplates(t *testing.T, first, second *recorder, s sources, test func(t *testing.T, mail *emails.Service)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mail := emails.New(emails.Options{
			Journal: memjournal.New(clock.System{}), Mailers: []ports.Mailer{first, second}, Text: htmltext.Text{},
			Templates: s, Renderer: handlebars.New(template.MissingIsError), Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); mail.Run(ctx) }()
		synctest.Wait()
		test(t, mail)
		synctest.Wait()
		stop()
		<-done
	})
}

func templated(name, data string) email.Draft {
	return email.Draft{To: []email.Address{{Email: "ada@example.com"}}, TemplateID: name, TemplateData: json.RawMessage(data)}
}

func TestATemplateIsRenderedWhenTheMessageIsAccepted(t *testing.T) {
	first, second := &recorder{name: "first"}, &recorder{name: "second"}
	s := sources{"welcome": welcome}
	withTemplates(t, first, second, s, func(t *testing.T, mail *emails.Service) {
		if _, _, err := mail.Accept(t.Context(), tenant, templated("welcome", `{"name":"Ada"}`), idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(first.got) != 1 {
			t.Fatalf("messages at the first provider = %d, want 1", len(first.got))
		}
		if got := first.got[0].Subject; got != "Welcome, Ada" {
			t.Errorf("subject = %q, want %q", got, "Welcome, Ada")
		}
		if got := first.got[0].HTML; got != "<p>Hello Ada</p>" {
			t.Errorf("html = %q, want %q", got, "<p>Hello Ada</p>")
		}
		if got := first.got[0].Text; got != "Hello Ada" {
			t.Errorf("text = %q, want %q", got, "Hello Ada")
		}
	})
}

func TestAProviderThatStoresTheTemplateGetsItsNameAndTheData(t *testing.T) {
	first, second := &recorder{name: "first", stores: "welcome"}, &recorder{name: "second"}
	withTemplates(t, first, second, sources{"welcome": welcome}, func(t *testing.T, mail *emails.Service) {
		if _, _, err := mail.Accept(t.Context(), tenant, templated("welcome", `{"name":"Ada"}`), idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(first.got) != 1 || first.got[0].TemplateID != "welcome" || string(first.got[0].TemplateData) != `{"name":"Ada"}` {
			t.Errorf("got %+v, want the template welcome with its data", first.got)
		}
	})
}

func TestAfterAFailoverTheMailIsTheOneThatWasRendered(t *testing.T) {
	first, second := &recorder{name: "first", stores: "welcome", fails: fault.Unauthorized}, &recorder{name: "second"}
	s := sources{"welcome": welcome}
	withTemplates(t, first, second, s, func(t *testing.T, mail *emails.Service) {
		if _, _, err := mail.Accept(t.Context(), tenant, templated("welcome", `{"name":"Ada"}`), idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(second.got) != 1 || second.got[0].HTML != "<p>Hello Ada</p>" {
			t.Errorf("got %+v at the second provider, want one message with <p>Hello Ada</p>", second.got)
		}
	})
}

func TestATemplateWithoutASourceGoesOnlyToProvidersThatStoreIt(t *testing.T) {
	first, second := &recorder{name: "first"}, &recorder{name: "second", stores: "welcome"}
	withTemplates(t, first, second, nil, func(t *testing.T, mail *emails.Service) {
		if _, _, err := mail.Accept(t.Context(), tenant, templated("welcome", `{}`), idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(first.got) != 0 || len(second.got) != 1 {
			t.Errorf("messages = %d and %d, want 0 and 1", len(first.got), len(second.got))
		}
	})
}

// Another provider would send something else than the one that stores the template.
func TestABodyBesideATemplateWithoutASourceIsNotSent(t *testing.T) {
	for name, tt := range map[string]struct {
		fails fault.Kind // of the provider that stores the template
		want  string     // the messages at either
	}{
		"where another provider comes first":   {fault.Internal, "0 1"},
		"where the one that stores it refuses": {fault.Invalid, "0 0"},
		"where the one that stores it is gone": {fault.Unavailable, "0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := &recorder{name: "first"}, &recorder{name: "second", stores: "d-17", fails: tt.fails}
			withTemplates(t, first, second, nil, func(t *testing.T, mail *emails.Service) {
				d := templated("d-17", `{}`)
				d.Subject, d.HTML, d.Text = "Hello", "<p>Hello</p>", "Hello"
				if _, _, err := mail.Accept(t.Context(), tenant, d, idempotency.Key{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := fmt.Sprint(len(first.got), len(second.got)); got != tt.want {
					t.Errorf("messages = %s, want %s", got, tt.want)
				}
				for _, m := range second.got {
					if m.HTML+m.Text != "" {
						t.Errorf("body = %q, want none beside the template", m.HTML+m.Text)
					}
				}
			})
		})
	}
}

func TestTemplatesAreRefused(t *testing.T) {
	tests := []struct {
		name        string
		draft       email.Draft
		code, param string
	}{
		{"a template that nobody has", templated("bye", `{}`), "template_not_found", "templateId"},
		{"a template that nobody has, beside a body", email.Draft{
			To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", Text: "Hello", TemplateID: "bye",
		}, "template_not_found", "templateId"},
		{"data without a key", templated("welcome", `{}`), "template_key_missing", "templateData.name"},
		{"data that are no object", templated("welcome", `[]`), "invalid_template_data", "templateData"},
		{"data without a template", email.Draft{
			To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", Text: "Hello", TemplateData: json.RawMessage(`{}`),
		}, "template_missing", "templateData"},
		{"no subject and no template", email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Text: "Hello"}, "invalid_subject", "subject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := &recorder{name: "first"}, &recorder{name: "second"}
			withTemplates(t, first, second, sources{"welcome": welcome}, func(t *testing.T, mail *emails.Service) {
				_, _, err := mail.Accept(t.Context(), tenant, tt.draft, idempotency.Key{})
				if f := fault.From(err); err == nil || f.Kind != fault.Invalid || f.Code != tt.code || f.Param != tt.param {
					t.Errorf("error = %v (code %q, param %q), want invalid, %q, %q", err, f.Code, f.Param, tt.code, tt.param)
				}
			})
		})
	}
}

func TestARepeatIsAnsweredThoughTheTemplateIsGone(t *testing.T) {
	first, second := &recorder{name: "first"}, &recorder{name: "second"}
	s := sources{"welcome": welcome}
	withTemplates(t, first, second, s, func(t *testing.T, mail *emails.Service) {
		d := templated("welcome", `{"name":"Ada"}`)
		m, _, err := mail.Accept(t.Context(), tenant, d, key("k"))
		if err != nil {
			t.Fatal(err)
		}
		delete(s, "welcome")
		again, replayed, err := mail.Accept(t.Context(), tenant, d, key("k"))
		if err != nil || !replayed || again.ID != m.ID {
			t.Errorf("repeat = %s, replayed %t, %v; want %s, replayed", again.ID, replayed, err, m.ID)
		}
	})
}
