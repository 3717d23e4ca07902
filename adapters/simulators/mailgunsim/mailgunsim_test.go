package mailgunsim_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/simulators/mailgunsim"
)

const letter = "From: shop@example.com\r\nTo: ada@example.com\r\nSubject: Hello\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n" +
	"Message-ID: <1@example.com>\r\n\r\nHello\r\n"

// form is a request: its fields by name, and the message.
type form struct {
	path, key string
	fields    [][2]string
	message   string
}

func (f form) send(t *testing.T, s *mailgunsim.Sim) (status int, answer string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, field := range f.fields {
		if err := w.WriteField(field[0], field[1]); err != nil {
			t.Fatal(err)
		}
	}
	if f.message != "" {
		part, err := w.CreateFormFile("message", "message.mime")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, f.message)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+f.path, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("api", f.key)
	req.Header.Set("Content-Type", w.FormDataContentType())
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

var good = [][2]string{{"to", "ada@example.com"}, {"o:tag", "a"}, {"v:order", "17"}}

func TestMailIsTaken(t *testing.T) {
	t.Parallel()
	s := mailgunsim.Start(t, mailgunsim.Options{})
	path := "/v3/" + s.Domain() + "/messages.mime"
	status, answer := form{path, s.Key(), good, letter}.send(t, s)
	if status != 200 || !strings.Contains(answer, `"Queued. Thank you."`) || len(s.Delivered()) != 1 || string(s.Delivered()[0]) != letter {
		t.Errorf("%d %s, %q", status, answer, s.Delivered())
	}
	status, _ = form{path, s.Key(), append([][2]string{{"o:testmode", "yes"}}, good...), letter}.send(t, s)
	if status != 200 || len(s.Delivered()) != 1 {
		t.Errorf("in test mode: %d, %d delivered", status, len(s.Delivered()))
	}
}

func TestWhatIsKeptWithMail(t *testing.T) {
	t.Parallel()
	s := mailgunsim.Start(t, mailgunsim.Options{})
	fields := good
	for i := range 999 {
		fields = append(fields, [2]string{"to", fmt.Sprintf("u%d@example.com", i)})
	}
	if status, answer := (form{"/v3/" + s.Domain() + "/messages.mime", s.Key(), fields, letter}).send(t, s); status != 200 {
		t.Fatalf("a thousand recipients: %d %s", status, answer)
	}
	l := s.Messages()[0]
	if len(l.To) != 1000 || l.To[0] != "ada@example.com" || l.To[999] != "u998@example.com" || fmt.Sprint(l.Variables) != "map[order:17]" {
		t.Errorf("to %d, with %v", len(l.To), l.Variables)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	with := func(more ...[2]string) [][2]string { return append(append([][2]string{}, good...), more...) }
	var crowd [][2]string
	for i := range 1001 {
		crowd = append(crowd, [2]string{"to", fmt.Sprintf("u%d@example.com", i)})
	}
	for _, c := range []struct {
		name   string
		change func(f *form)
		status int
	}{
		{"another key", func(f *form) { f.key = "key-other" }, 401},
		{"another domain", func(f *form) { f.path = "/v3/other.example.com/messages.mime" }, 404},
		{"an address that is none of the API: 200, and nothing done", func(f *form) { f.path = "/messages" }, 200},
		{"nobody to send to", func(f *form) { f.fields = good[1:] }, 400},
		{"an address that is none", func(f *form) { f.fields = with([2]string{"to", "ada"}) }, 400},
		{"an address in another script", func(f *form) { f.fields = with([2]string{"to", "ada@bücher.example"}) }, 400},
		{"one more recipient than there may", func(f *form) { f.fields = crowd }, 400},
		{"a variable twice", func(f *form) { f.fields = with([2]string{"v:order", "18"}) }, 400},
		{"a message of 26 MB", func(f *form) { f.message += strings.Repeat("v", 26_000_000) }, 413},
		{"a field of a form", func(f *form) { f.fields = with([2]string{"subject", "Hello"}) }, 400},
		{"four tags", func(f *form) {
			f.fields = with([2]string{"o:tag", "b"}, [2]string{"o:tag", "c"}, [2]string{"o:tag", "d"})
		}, 400},
		{"variables that are too long", func(f *form) { f.fields = with([2]string{"v:a", strings.Repeat("x", 16<<10)}) }, 400},
		{"a field that is unknown", func(f *form) { f.fields = with([2]string{"colour", "red"}) }, 400},
		{"no message", func(f *form) { f.message = "" }, 400},
		{"a message without a sender", func(f *form) { f.message = strings.Replace(letter, "From: shop@example.com\r\n", "", 1) }, 400},
		{"a blind copy that all would see", func(f *form) { f.message = "Bcc: eve@example.com\r\n" + letter }, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := mailgunsim.Start(t, mailgunsim.Options{})
			f := form{"/v3/" + s.Domain() + "/messages.mime", s.Key(), good, letter}
			c.change(&f)
			if status, answer := f.send(t, s); status != c.status || len(s.Delivered()) != 0 || strings.Contains(answer, "Queued") {
				t.Errorf("%d %s, %d delivered", status, answer, len(s.Delivered()))
			}
		})
	}
}
