package sendgridsim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/sendgridapi"
)

// SendGrid's own description is no part of the project: the run says whether it
// was there.
func TestTheJudge(t *testing.T) {
	t.Parallel()
	check := sendgridapi.Check(t)
	if !sendgridapi.Named() {
		t.Attr("judge", "SendGrid's OpenAPI: absent, SENDGRID_OPENAPI does not name it")
		return
	}
	t.Attr("judge", "SendGrid's OpenAPI: present")
	for body, fits := range map[string]bool{
		letter(nil): true,
		letter(map[string]any{"custom_args": map[string]any{"a": "b"}}): true, // of which it says that it is a string
		letter(map[string]any{"personalizations": "none"}):              false,
		letter(map[string]any{"send_at": "tomorrow"}):                   false,
		letter(map[string]any{"from": map[string]any{"name": "Ada"}}):   false,
		`{}`: false,
	} {
		if err := check([]byte(body)); (err == nil) != fits {
			t.Errorf("%s: %v", body, err)
		}
	}
	s := sendgridsim.Start(t, sendgridsim.Options{Check: check})
	typeless := map[string]any{"content": "YQ==", "filename": "a", "type": ""} // which the judge alone refuses
	if status, _, answer := send(t, s, s.Key(), letter(map[string]any{"attachments": []any{typeless}})); status != 400 {
		t.Errorf("the simulator does not ask it: %d %s", status, answer)
	}
}

// letter is a request that SendGrid takes, with some of its fields changed.
func letter(change map[string]any) string {
	l := map[string]any{
		"from": map[string]any{"email": "shop@example.com"}, "subject": "Hello",
		"personalizations": []any{to("ada@example.com")},
		"content":          []any{map[string]any{"type": "text/plain", "value": "Hello"}},
	}
	for name, value := range change {
		if l[name] = value; value == nil {
			delete(l, name)
		}
	}
	raw, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func to(list ...string) map[string]any {
	var all []any
	for _, one := range list {
		all = append(all, map[string]any{"email": one})
	}
	return map[string]any{"to": all}
}

func many(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("u%d@example.com", i))
	}
	return list
}

func send(t *testing.T, s *sendgridsim.Sim, key, body string) (status int, header http.Header, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v3/mail/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(raw)
}

func TestMailIsTaken(t *testing.T) {
	t.Parallel()
	s := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
	status, header, _ := send(t, s, s.Key(), letter(nil))
	if status != 202 || header.Get("X-Message-Id") == "" || len(s.Delivered()) != 1 {
		t.Errorf("%d %v, %d delivered", status, header, len(s.Delivered()))
	}
	if raw := string(s.Delivered()[0]); strings.Contains(raw, "Message-ID: <>") || !strings.Contains(raw, "Message-ID: <") {
		t.Errorf("the message has no Message-ID:\n%s", raw)
	}
	sandbox := map[string]any{"mail_settings": map[string]any{"sandbox_mode": map[string]any{"enable": true}}}
	if status, _, _ := send(t, s, s.Key(), letter(sandbox)); status != 200 || len(s.Delivered()) != 1 {
		t.Errorf("in the sandbox: %d, %d delivered", status, len(s.Delivered()))
	}
}

// What SendGrid refuses, whether or not its description says so.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	part := func(kind string) map[string]any { return map[string]any{"type": kind, "value": "x"} }
	for name, change := range map[string]map[string]any{
		"no recipient":       {"personalizations": []any{map[string]any{"to": []any{}}}},
		"no personalization": {"personalizations": []any{}},
		"no subject":         {"subject": nil},
		"no content":         {"content": nil},
		"no sender":          {"from": nil},
		"html before text":   {"content": []any{part("text/html"), part("text/plain")}},
		"data without a dynamic template": {"personalizations": []any{map[string]any{
			"to": to("ada@example.com")["to"], "dynamic_template_data": map[string]any{"a": 1},
		}}},
		"an empty part":                     {"content": []any{map[string]any{"type": "text/plain", "value": ""}}},
		"an address twice":                  {"personalizations": []any{to("ada@example.com", "Ada@example.com")}},
		"an address that is none":           {"personalizations": []any{to("ada")}},
		"an address in another script":      {"personalizations": []any{to("ada@bücher.example")}},
		"a field that is unknown":           {"colour": "red"},
		"one more recipient than there may": {"personalizations": []any{to(many(1001)...)}},
		"eleven categories":                 {"categories": many(11)},
		"a category twice":                  {"categories": []any{"a", "a"}},
		"two ways to reply":                 {"reply_to": to("a@example.com")["to"].([]any)[0], "reply_to_list": to("b@example.com")["to"]},
		"a header that is SendGrid's":       {"headers": map[string]any{"Subject": "x"}},
		"a time too far ahead":              {"send_at": 4102444800},
		"a file that is no base64":          {"attachments": []any{map[string]any{"content": "?", "filename": "a"}}},
		"a file without a name":             {"attachments": []any{map[string]any{"content": "YQ==", "filename": ""}}},
		"arguments that are too long": {"personalizations": []any{map[string]any{
			"to": to("ada@example.com")["to"], "custom_args": map[string]any{"a": strings.Repeat("x", 10_000)},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
			status, _, answer := send(t, s, s.Key(), letter(change))
			if status != 400 || !strings.Contains(answer, `"errors"`) || len(s.Delivered()) != 0 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	s := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
	if status, _, _ := send(t, s, "SG.other", letter(nil)); status != 401 {
		t.Errorf("another key: %d", status)
	}
}

// A dynamic template has its own subject and content. An account that stores none takes every id, and
// renders nothing.
func TestADynamicTemplateIsKeptWithItsData(t *testing.T) {
	t.Parallel()
	s := sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)})
	status, _, answer := send(t, s, s.Key(), letter(map[string]any{
		"subject": nil, "content": nil, "template_id": "d-17",
		"personalizations": []any{map[string]any{"to": to("ada@example.com")["to"], "dynamic_template_data": map[string]any{"name": "Ada"}}},
	}))
	if status != 202 || len(s.Delivered()) != 1 {
		t.Fatalf("answer = %d %s with %d messages, want 202 with 1", status, answer, len(s.Delivered()))
	}
	got := s.Messages()[0].Template
	if got == nil || got.Name != "d-17" || string(got.Variables) != `{"name":"Ada"}` {
		t.Errorf("template = %+v, want d-17 with the name Ada", got)
	}
}

func TestCategoriesAreTheTagsOfADeliveredMessage(t *testing.T) {
	t.Parallel()
	s := sendgridsim.Start(t, sendgridsim.Options{})
	two := []any{to("ada@example.com"), to("bob@example.com")}
	if status, _, answer := send(t, s, s.Key(), letter(map[string]any{"personalizations": two, "categories": []any{"welcome", "trial"}})); status != 202 {
		t.Fatalf("%d %s, want 202", status, answer)
	}
	all := s.Messages()
	if len(all) != 2 {
		t.Fatalf("%d were delivered, want 2", len(all))
	}
	for _, m := range all {
		if want := []string{"welcome", "trial"}; !slices.Equal(m.Tags, want) {
			t.Errorf("tags = %q, want %q", m.Tags, want)
		}
	}
}
