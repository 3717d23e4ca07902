package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/gateway"
)

// templateGateway is a gateway with the template welcome, which SendGrid stores as d-17, and Mailgun
// as greeting.
type templateGateway struct {
	*gateway.Gateway
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
}

// newTemplateGateway starts a gateway whose providers are tried in this order, and pushes the template
// to both.
func newTemplateGateway(t *testing.T, order string) *templateGateway {
	t.Helper()
	p := &templateGateway{sendgrid: sendgridsim.Start(t, sendgridsim.Options{}), mailgun: mailgunsim.Start(t, mailgunsim.Options{})}
	p.sendgrid.Store("d-17")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"welcome.subject.hbs": "Order {{order}}", "welcome.html.hbs": "<p>Hello {{user.name}}</p>", "welcome.text.hbs": "Hello {{user.name}}",
		"local.subject.hbs": "News", "local.html.hbs": "<p>{{{text}}}</p>",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [%s], from: shop@example.com, templates: {directory: %q}}
providers:
  sendgrid: {type: sendgrid, api_key: "${SENDGRID_KEY}", base_url: %q, templates: {welcome: d-17}}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q, templates: {welcome: greeting}}
policies:
  mail: {timeout: 10s, attempts: 1}
`, order, dir, p.sendgrid.URL(), p.mailgun.Domain(), p.mailgun.URL()), "SENDGRID_KEY="+p.sendgrid.Key(), "MAILGUN_KEY="+p.mailgun.Key())
	if out, err := p.Command(t, "templates", "push", "--config", p.Args[1]).CombinedOutput(); err != nil {
		t.Fatalf("templates push: %v: %s", err, out)
	}
	p.Restart(t)
	return p
}

// sendingPaths returns the paths of the requests by which mail was sent.
func sendingPaths(requests []faultserver.Request) (paths []string) {
	for _, r := range requests {
		if !strings.Contains(r.Path, "/templates") {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// readers returns what each recipient got, by address, and checks that no message names another.
func readers(t *testing.T, all []mailbox.Message) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for _, m := range all {
		read, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		to, err := read.Header.AddressList("To")
		if err != nil || len(to) != 1 || len(m.To) != 1 || to[0].Address != m.To[0] {
			t.Fatalf("To = %v for %q, error %v, want that recipient alone", to, m.To, err)
		}
		if got[m.To[0]] != "" {
			t.Errorf("%s has two copies", m.To[0])
		}
		got[m.To[0]] = string(m.Raw)
	}
	return got
}

// sendBatch sends a batch with the data of each recipient, and waits until all copies are sent.
func (p *templateGateway) sendBatch(t *testing.T, template string, data map[string]any) {
	t.Helper()
	var all []object
	for address, one := range data {
		all = append(all, object{"to": []object{{"email": address}}, "dynamic_template_data": one})
	}
	b := p.Do(t, "POST", "/api/emails/batch", object{"template_id": template, "personalizations": all}, gateway.Key("batch"))
	if b.Status != 202 {
		t.Fatalf("answer = %d %s, want 202", b.Status, b.Body)
	}
	gateway.Eventually(t, 20*time.Second, "all copies are sent", func() bool {
		return len(p.sendgrid.Messages())+len(p.mailgun.Messages()) >= len(data)
	})
}

func TestABatchGoesOutInOneCallOfEachProvider(t *testing.T) {
	t.Parallel()
	tests := []struct {
		order, path string
		messages    func(p *templateGateway) []mailbox.Message
		requests    func(p *templateGateway) []faultserver.Request
	}{
		{"sendgrid", "/v3/mail/send", func(p *templateGateway) []mailbox.Message { return p.sendgrid.Messages() }, func(p *templateGateway) []faultserver.Request { return p.sendgrid.Requests() }},
		{"mailgun", "/v3/mg.example.com/messages", func(p *templateGateway) []mailbox.Message { return p.mailgun.Messages() }, func(p *templateGateway) []faultserver.Request { return p.mailgun.Requests() }},
	}
	for _, tt := range tests {
		t.Run(tt.order, func(t *testing.T) {
			t.Parallel()
			p := newTemplateGateway(t, tt.order)
			data := map[string]any{}
			for i := range 50 {
				data[fmt.Sprintf("reader-%d@example.com", i)] = object{"user": object{"name": fmt.Sprintf("Reader %d.", i)}, "order": i}
			}
			p.sendBatch(t, "welcome", data)
			got := readers(t, tt.messages(p))
			for i := range 50 {
				address := fmt.Sprintf("reader-%d@example.com", i)
				for _, want := range []string{fmt.Sprintf("Subject: Order %d\r\n", i), fmt.Sprintf("<p>Hello Reader %d.</p>", i)} {
					if !strings.Contains(got[address], want) {
						t.Errorf("%s got %s, want %q in it", address, got[address], want)
					}
				}
			}
			if paths := sendingPaths(tt.requests(p)); len(paths) != 1 || paths[0] != tt.path {
				t.Errorf("requests = %q, want one to %s", paths, tt.path)
			}
		})
	}
}

// The copies of a batch say the same wherever they go: SendGrid renders them, and for Mailgun they are
// rendered here.
func TestABatchGoesToTheNextProviderWhereTheFirstDidNotTakeIt(t *testing.T) {
	t.Parallel()
	p := newTemplateGateway(t, "sendgrid, mailgun")
	p.sendgrid.Inject(standing(sendgridsim.ServiceUnavailable()))
	p.sendBatch(t, "welcome", map[string]any{
		"ada@example.com": object{"user": object{"name": "Ada"}, "order": 1}, "bob@example.com": object{"user": object{"name": "Bob"}, "order": 2},
	})
	got := readers(t, p.mailgun.Messages())
	for address, want := range map[string]string{"ada@example.com": "<p>Hello Ada</p>", "bob@example.com": "<p>Hello Bob</p>"} {
		if !strings.Contains(got[address], want) {
			t.Errorf("%s got %s, want %q in it", address, got[address], want)
		}
	}
}

// What Mailgun would replace, or not find, arrives all the same: alone, as MIME.
func TestACopyThatMailgunMightChangeArrivesUnchanged(t *testing.T) {
	t.Parallel()
	p := newTemplateGateway(t, "mailgun")
	texts := map[string]string{
		"ada@example.com": "100 % of %recipient.html% and %unsubscribe_url%", "bob+1@example.com": "plain", "eve@example.com": `"quoted" \n <b>`,
	}
	data := map[string]any{}
	for address, text := range texts {
		data[address] = object{"text": text}
	}
	p.sendBatch(t, "local", data)
	got := readers(t, p.mailgun.Messages())
	for address, text := range texts {
		if want := "<p>" + text + "</p>"; !strings.Contains(got[address], want) {
			t.Errorf("%s got %s, want %q in it", address, got[address], want)
		}
	}
	for _, path := range sendingPaths(p.mailgun.Requests()) {
		if path != "/v3/mg.example.com/messages.mime" {
			t.Errorf("request to %s, want MIME alone", path)
		}
	}
}

// The template that was pushed says the same at every provider.
func TestAPushedTemplateIsSentByEachProvider(t *testing.T) {
	t.Parallel()
	p := newTemplateGateway(t, "sendgrid, mailgun")
	send := func(key string) {
		t.Helper()
		m := p.Do(t, "POST", "/api/emails", object{
			"to": []string{"ada@example.com"}, "templateId": "welcome", "templateData": object{"user": object{"name": "Ada"}, "order": 17},
		}, gateway.Key(key))
		if m.Status != 202 {
			t.Fatalf("answer = %d %s, want 202", m.Status, m.Body)
		}
	}
	send("first")
	gateway.Eventually(t, 20*time.Second, "SendGrid has sent it", func() bool { return len(p.sendgrid.Messages()) == 1 })
	p.sendgrid.Inject(standing(sendgridsim.ServiceUnavailable()))
	send("second")
	gateway.Eventually(t, 20*time.Second, "Mailgun has sent it", func() bool { return len(p.mailgun.Messages()) == 1 })
	for id, m := range map[string]mailbox.Message{"d-17": p.sendgrid.Messages()[0], "greeting": p.mailgun.Messages()[0]} {
		if m.Template == nil || m.Template.Name != id {
			t.Fatalf("template = %+v, want %s", m.Template, id)
		}
		var data struct {
			User  struct{ Name string }
			Order int
		}
		if err := json.Unmarshal(m.Template.Variables, &data); err != nil || data.User.Name != "Ada" || data.Order != 17 {
			t.Errorf("%s: data = %s, error %v, want those of the message", id, m.Template.Variables, err)
		}
		for _, want := range []string{"Subject: Order 17\r\n", "<p>Hello Ada</p>", "\r\n\r\nHello Ada"} {
			if !strings.Contains(string(m.Raw), want) {
				t.Errorf("%s: message = %s, want %q in it", id, m.Raw, want)
			}
		}
	}
}
