package sendgridsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/simulators/sendgridsim"
)

// call makes a request to the API of templates.
func call(t *testing.T, s *sendgridsim.Sim, method, path, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/v3/templates"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key())
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
	return resp.StatusCode, string(raw)
}

func from(id string) string {
	return letter(map[string]any{
		"subject": nil, "content": nil, "template_id": id,
		"personalizations": []any{map[string]any{"to": to("ada@example.com")["to"], "dynamic_template_data": map[string]any{"name": "Ada"}}},
	})
}

func TestTheActiveVersionOfATemplateIsSent(t *testing.T) {
	t.Parallel()
	s := sendgridsim.Start(t, sendgridsim.Options{})
	status, answer := call(t, s, "POST", "", `{"name":"welcome","generation":"dynamic"}`)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); status != http.StatusCreated || err != nil {
		t.Fatalf("status = %d with %s, want 201", status, answer)
	}
	version := func(text, more string) string {
		return `{"name":"` + text + `","subject":"For {{name}}","html_content":"<p>` + text + ` {{name}}</p>"` + more + `}`
	}
	first := func() string { return s.Versions(made.ID)[0].ID }
	steps := []struct {
		name, method string
		path         func() string
		body, want   string
	}{
		{"the first version is active", "POST", func() string { return "" }, version("One", ""), "<p>One Ada</p>"},
		{"the second is not", "POST", func() string { return "" }, version("Two", ""), "<p>One Ada</p>"},
		{"the third is active at once", "POST", func() string { return "" }, version("Three", `,"active":1`), "<p>Three Ada</p>"},
		{"the first is edited and activated", "PATCH", func() string { return "/" + first() }, `{"html_content":"<p>Four {{name}}</p>","active":1}`, "<p>Four Ada</p>"},
	}
	for i, step := range steps {
		if status, answer := call(t, s, step.method, "/"+made.ID+"/versions"+step.path(), step.body); status != http.StatusCreated && status != http.StatusOK {
			t.Fatalf("%s: status = %d with %s, want 200 or 201", step.name, status, answer)
		}
		if status, _, answer := send(t, s, s.Key(), from(made.ID)); status != http.StatusAccepted {
			t.Fatalf("%s: status = %d with %s, want 202", step.name, status, answer)
		}
		if got := string(s.Delivered()[i]); !strings.Contains(got, step.want) || !strings.Contains(got, "Subject: For Ada") {
			t.Errorf("%s: message = %s, want one with %s and the subject For Ada", step.name, got, step.want)
		}
	}
	if got := len(s.Versions(made.ID)); got != 3 {
		t.Errorf("%d versions, want 3", got)
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path, body string
		status                   int
	}{
		{"of another generation", "POST", "", `{"name":"welcome","generation":"legacy"}`, 400},
		{"that are not there", "GET", "/d-2", "", 404},
		{"with a version without a name", "POST", "/d-1/versions", `{"subject":"s","html_content":"x"}`, 400},
		{"with a version of a long name", "POST", "/d-1/versions", `{"name":"` + strings.Repeat("x", 101) + `","subject":"s","html_content":"x"}`, 400},
		{"with a version of a long subject", "POST", "/d-1/versions", `{"name":"n","subject":"` + strings.Repeat("x", 256) + `","html_content":"x"}`, 400},
		{"with a version without content", "POST", "/d-1/versions", `{"name":"n","subject":"s"}`, 400},
		{"with a version that is not there", "PATCH", "/d-1/versions/9", `{"active":1}`, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sendgridsim.Start(t, sendgridsim.Options{})
			s.Store("d-1")
			if status, answer := call(t, s, tt.method, tt.path, tt.body); status != tt.status {
				t.Errorf("status = %d with %s, want %d", status, answer, tt.status)
			}
		})
	}
	for name, id := range map[string]string{"in a message, which the account does not store": "d-2", "in a message, without an active version": "d-1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sendgridsim.Start(t, sendgridsim.Options{})
			s.Store("d-1")
			status, _, answer := send(t, s, s.Key(), from(id))
			if status != http.StatusBadRequest || !strings.Contains(answer, `"template_id"`) {
				t.Errorf("status = %d with %s, want 400 at template_id", status, answer)
			}
		})
	}
}
