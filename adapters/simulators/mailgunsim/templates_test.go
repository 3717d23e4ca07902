package mailgunsim_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"patchbay/adapters/simulators/mailgunsim"
)

// call makes a request to the API of templates, as curl's -d does.
func call(t *testing.T, s *mailgunsim.Sim, method, path string, form url.Values) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/v3/"+s.Domain()+"/templates"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("api", s.Key())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestTheActiveVersionOfATemplateIsSent(t *testing.T) {
	t.Parallel()
	s := mailgunsim.Start(t, mailgunsim.Options{})
	steps := []struct {
		name, method, path string
		form               url.Values
		want               string
	}{
		{"the first version is active", "POST", "", url.Values{"name": {"Welcome"}, "template": {"<p>One {{name}}</p>"}, "headers": {`{"Subject":"For {{name}}"}`}}, "<p>One Ada</p>"},
		{"the second is not", "POST", "/welcome/versions", url.Values{"tag": {"2"}, "template": {"<p>Two {{name}}</p>"}}, "<p>One Ada</p>"},
		{"it is activated", "PUT", "/welcome/versions/2", url.Values{"active": {"yes"}}, "<p>Two Ada</p>"},
		{"the third is active at once", "POST", "/welcome/versions", url.Values{"tag": {"3"}, "template": {"<p>Three {{name}}</p>"}, "active": {"yes"}}, "<p>Three Ada</p>"},
		{"another is removed", "DELETE", "/welcome/versions/2", nil, "<p>Three Ada</p>"},
	}
	for i, step := range steps {
		if status, answer := call(t, s, step.method, step.path, step.form); status != http.StatusOK {
			t.Fatalf("%s: status = %d with %s, want 200", step.name, status, answer)
		}
		form := simple(url.Values{"text": nil, "subject": nil, "template": {"welcome"}, "t:text": {"yes"}, "t:variables": {`{"name":"Ada"}`}})
		if status, answer := submit(t, s, s.Key(), form); status != http.StatusOK {
			t.Fatalf("%s: status = %d with %s, want 200", step.name, status, answer)
		}
		if got := string(s.Delivered()[i]); !strings.Contains(got, step.want) {
			t.Errorf("%s: message = %s, want one with %s", step.name, got, step.want)
		}
	}
	if got := header(t, s.Messages()[0]).Get("Subject"); got != "For Ada" {
		t.Errorf("Subject = %q, want For Ada", got)
	}
	if got := len(s.Versions("WELCOME")); got != 2 {
		t.Errorf("%d versions, want 2", got)
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	t.Parallel()
	content := url.Values{"tag": {"2"}, "template": {"x"}}
	tests := []struct {
		name, method, path string
		form               url.Values
		status             int
	}{
		{"without a name", "POST", "", url.Values{"template": {"x"}}, 400},
		{"of a name that is taken", "POST", "", url.Values{"name": {"WELCOME"}, "template": {"x"}}, 400},
		{"with a header of another name", "POST", "/welcome/versions", url.Values{"tag": {"2"}, "template": {"x"}, "headers": {`{"X-A":"b"}`}}, 400},
		{"of more than 100 kB", "POST", "/welcome/versions", url.Values{"tag": {"2"}, "template": {strings.Repeat("x", 100_001)}}, 400},
		{"with a tag that is taken", "POST", "/welcome/versions", url.Values{"tag": {"1"}, "template": {"x"}}, 400},
		{"that are not there", "POST", "/bye/versions", content, 404},
		{"with a version that is not there", "PUT", "/welcome/versions/9", content, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := mailgunsim.Start(t, mailgunsim.Options{})
			s.Store("welcome", mailgunsim.Version{Active: true, Tag: "1", Template: "x"})
			if status, answer := call(t, s, tt.method, tt.path, tt.form); status != tt.status {
				t.Errorf("status = %d with %s, want %d", status, answer, tt.status)
			}
		})
	}
	t.Run("in a message, beside html", func(t *testing.T) {
		t.Parallel()
		s := mailgunsim.Start(t, mailgunsim.Options{})
		if status, answer := submit(t, s, s.Key(), simple(url.Values{"template": {"welcome"}, "html": {"<p>"}})); status != http.StatusBadRequest {
			t.Errorf("status = %d with %s, want 400", status, answer)
		}
	})
	t.Run("in a message, which the domain does not store", func(t *testing.T) {
		t.Parallel()
		s := mailgunsim.Start(t, mailgunsim.Options{})
		s.Store("welcome", mailgunsim.Version{Active: true, Tag: "1", Template: "x"})
		if status, answer := submit(t, s, s.Key(), simple(url.Values{"text": nil, "template": {"bye"}})); status != http.StatusBadRequest {
			t.Errorf("status = %d with %s, want 400", status, answer)
		}
	})
}

// What Mailgun has been seen to do with recipient variables, and what it does not say.
func TestHowVariablesOfRecipientsAreReplaced(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, address, variables, text, want string }{
		{"by their value", "ada@example.com", `{"name":"Ada"}`, "Hello %recipient.name%", "Hello Ada"},
		{"in the value of another, too", "ada@example.com", `{"a":"%recipient.b%","b":"B"}`, "%recipient.a%", "B"},
		{"not for an address with a +", "ada+1@example.com", `{"name":"Ada"}`, "Hello %recipient.name%", "Hello %recipient.name%"},
		{"without decoding escapes", "ada@example.com", `{"name":"A \u0026 B\n\\u0026"}`, "%recipient.name%", `A \u0026 B`},
		{"by what Mailgun knows itself", "ada@example.com", `{}`, "%recipient_email%", "ada@example.com"},
		{"by a link to unsubscribe", "ada@example.com", `{}`, "<%unsubscribe_url%>", "<https://mailgun.example/u/ada@example.com>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := accepted(t, simple(url.Values{"to": {tt.address}, "text": {tt.text}, "recipient-variables": {`{"` + tt.address + `":` + tt.variables + `}`}}))
			if got := string(all[0].Raw); !strings.Contains(got, tt.want) {
				t.Errorf("message = %s, want one with %s", got, tt.want)
			}
		})
	}
}
