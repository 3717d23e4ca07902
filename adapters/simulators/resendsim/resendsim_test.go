package resendsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/resendsim"
)

const (
	good  = `{"from":"Shop <shop@example.com>","to":"ada@example.com","subject":"Hello","text":"Hello"}`
	other = `{"from":"Shop <shop@example.com>","to":"ada@example.com","subject":"Hello","text":"Hello again"}`
)

// answer is what the simulator answers.
type answer struct {
	status   int
	id, name string
}

func post(s *resendsim.Sim, key string, body io.Reader) answer {
	r := httptest.NewRequest(http.MethodPost, "/emails", body)
	r.Header.Set("Authorization", "Bearer "+s.Key())
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return serve(s, r)
}

func serve(s *resendsim.Sim, r *http.Request) answer {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var body struct{ ID, Name string }
	_ = json.Unmarshal(w.Body.Bytes(), &body) // what is not JSON has neither
	return answer{w.Code, body.ID, body.Name}
}

func TestAKeyIsRememberedForADay(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	s := resendsim.New(resendsim.Options{Now: func() time.Time { return at }})
	first := post(s, "k", strings.NewReader(good))
	for _, c := range []struct {
		name, key, body string
		later           time.Duration // than before
		want            answer
		delivered       int
	}{
		{"the same request", "k", good, 0, answer{200, first.id, ""}, 1},
		{"another request", "k", other, 0, answer{409, "", "invalid_idempotent_request"}, 1},
		{"the same request nearly a day later", "k", good, 24*time.Hour - 1, answer{200, first.id, ""}, 1},
		{"a refused request", "other", `{}`, 0, answer{422, "", "invalid_from_address"}, 1},
		{"a request under the key of the refused one", "other", good, 0, answer{200, "", ""}, 2},
		{"the same request a day later", "k", good, 1, answer{200, "", ""}, 3},
		{"a key that is too long", strings.Repeat("k", 257), good, 0, answer{400, "", "invalid_idempotency_key"}, 3},
	} {
		at = at.Add(c.later)
		got := post(s, c.key, strings.NewReader(c.body))
		if c.want.id == "" && got.id != first.id { // a new one, if any
			got.id = ""
		}
		if n := len(s.Messages()); got != c.want || n != c.delivered {
			t.Errorf("%s: %+v with %d delivered, want %+v with %d", c.name, got, n, c.want, c.delivered)
		}
	}
}

func TestARepeatOfARequestInProgressIsRefused(t *testing.T) {
	t.Parallel()
	s := resendsim.New(resendsim.Options{})
	body, writer := io.Pipe()
	done := make(chan answer)
	go func() { done <- post(s, "k", body) }()
	if _, err := io.WriteString(writer, good); err != nil { // it is in progress once it reads
		t.Fatal(err)
	}
	if got := post(s, "k", strings.NewReader(good)); got.status != 409 || got.name != "concurrent_idempotent_requests" {
		t.Errorf("while the first is in progress: %+v, want 409 concurrent_idempotent_requests", got)
	}
	writer.Close()
	first := <-done
	if got := post(s, "k", strings.NewReader(good)); got != first || first.status != 200 {
		t.Errorf("afterwards: %+v, want %+v", got, first)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	with := func(more string) string { return strings.TrimSuffix(good, "}") + "," + more + "}" }
	many := strings.TrimSuffix(strings.Repeat(`"ada@example.com",`, 51), ",")
	for name, c := range map[string]struct {
		body, code string
		status     int
	}{
		"no JSON":                   {"x", "validation_error", 400},
		"an unknown field":          {with(`"x":1`), "validation_error", 400},
		"no sender":                 {`{"to":"ada@example.com","subject":"a","text":"a"}`, "invalid_from_address", 422},
		"a sender that is not ours": {strings.Replace(good, "shop@", "eve@", 1), "validation_error", 403},
		"no recipient":              {`{"from":"shop@example.com","subject":"a","text":"a"}`, "missing_required_field", 422},
		"what is no recipient":      {strings.Replace(good, "ada@example.com", "ada", 1), "validation_error", 422},
		"51 recipients":             {strings.Replace(good, `"ada@example.com"`, "["+many+"]", 1), "validation_error", 422},
		"no subject":                {strings.Replace(good, `"subject":"Hello"`, `"subject":""`, 1), "missing_required_field", 422},
		"no content":                {strings.Replace(good, `"text":"Hello"`, `"text":""`, 1), "missing_required_field", 422},
		"a tag with a space":        {with(`"tags":[{"name":"a","value":"b c"}]`), "validation_error", 422},
		"a tag without a value":     {with(`"tags":[{"name":"a","value":""}]`), "validation_error", 422},
		"a tag twice":               {with(`"tags":[{"name":"a","value":"b"},{"name":"a","value":"c"}]`), "validation_error", 422},
		"a file without content":    {with(`"attachments":[{"filename":"a"}]`), "invalid_attachment", 422},
		"a file that is no base64":  {with(`"attachments":[{"filename":"a","content":"?"}]`), "invalid_attachment", 422},
	} {
		s := resendsim.New(resendsim.Options{Senders: []string{"shop@example.com"}})
		if got := post(s, "", strings.NewReader(c.body)); got != (answer{c.status, "", c.code}) || len(s.Messages()) != 0 {
			t.Errorf("%s: %+v with %d delivered, want %d %s with none", name, got, len(s.Messages()), c.status, c.code)
		}
	}
}

func TestWhatIsNotTheAPI(t *testing.T) {
	t.Parallel()
	s := resendsim.New(resendsim.Options{})
	for _, c := range []struct {
		method, path, authorization string
		want                        answer
	}{
		{"POST", "/email", "Bearer " + s.Key(), answer{404, "", "not_found"}},
		{"GET", "/emails", "Bearer " + s.Key(), answer{405, "", "method_not_allowed"}},
		{"POST", "/emails", "", answer{401, "", "missing_api_key"}},
		{"POST", "/emails", "Bearer re_other", answer{401, "", "validation_error"}},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(good))
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if got := serve(s, r); got != c.want {
			t.Errorf("%s %s by %q: %+v, want %+v", c.method, c.path, c.authorization, got, c.want)
		}
	}
}

// A request without a text gets one that is made of its HTML; an empty text is none.
func TestTheTextOfAMessage(t *testing.T) {
	t.Parallel()
	const html = `{"from":"shop@example.com","to":["ada@example.com"],"subject":"Hello","html":"<p>Hello Ada</p>"`
	for body, want := range map[string]bool{html + "}": true, html + `,"text":""}`: false} {
		s := resendsim.New(resendsim.Options{})
		if got := post(s, "", strings.NewReader(body)); got.status != 200 {
			t.Fatalf("%s: %+v, want 200", body, got)
		}
		if got := strings.Contains(string(s.Delivered()[0]), "text/plain"); got != want {
			t.Errorf("%s: has a text: %t, want %t", body, got, want)
		}
	}
}

func TestALocalPartInQuotesIsKept(t *testing.T) {
	t.Parallel()
	s := resendsim.New(resendsim.Options{})
	body := strings.Replace(good, "ada@example.com", `Ada <\"foo..bar\"@example.com>`, 1)
	if got := post(s, "", strings.NewReader(body)); got.status != 200 {
		t.Fatalf("%+v, want 200", got)
	}
	if got := s.Messages()[0].To; len(got) != 1 || got[0] != `"foo..bar"@example.com` {
		t.Errorf(`to %v, want "foo..bar"@example.com`, got)
	}
}

func TestTheTagsOfADeliveredMessage(t *testing.T) {
	t.Parallel()
	s := resendsim.New(resendsim.Options{})
	tagged := strings.Replace(good, `{`, `{"tags":[{"name":"tag","value":"welcome"},{"name":"order","value":"17"}],`, 1)
	if got := post(s, "", strings.NewReader(tagged)); got.status != 200 {
		t.Fatalf("%+v, want 200", got)
	}
	m := s.Messages()[0]
	if want := []string{"tag=welcome", "order=17"}; !slices.Equal(m.Tags, want) {
		t.Errorf("tags = %q, want %q", m.Tags, want)
	}
	if m.Variables["order"] != "17" {
		t.Errorf("variables = %q, want the order in them", m.Variables)
	}
}
