package sessim_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"patchbay/adapters/simulators/sessim"
	"patchbay/core/template"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const mime = "From: Shop <shop@example.com>\r\nTo: ada@example.com\r\nSubject: Hello\r\nDate: Thu, 1 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n"

// raw is the content of a raw message.
func raw(message string) string {
	return `"Content":{"Raw":{"Data":"` + base64.StdEncoding.EncodeToString([]byte(message)) + `"}}`
}

const to = `"Destination":{"ToAddresses":["ada@example.com"]}`

// answer is what the simulator answers.
type answer struct {
	status   int
	id, name string
}

// request returns a signed request; change may change it before it is signed.
func request(t *testing.T, s *sessim.Sim, key aws.Credentials, body string, at time.Time) *http.Request {
	t.Helper()
	return requestTo(t, s, key, http.MethodPost, "/v2/email/outbound-emails", body, at)
}

func requestTo(t *testing.T, s *sessim.Sim, key aws.Credentials, method, path, body string, at time.Time) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://email.us-east-1.amazonaws.com"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hex.EncodeToString(sum[:]), "ses", s.Region(), at); err != nil {
		t.Fatal(err)
	}
	return r
}

func keyOf(s *sessim.Sim) aws.Credentials {
	return aws.Credentials{AccessKeyID: s.KeyID(), SecretAccessKey: s.Key()}
}

func serve(s *sessim.Sim, r *http.Request) answer {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var body struct {
		ID string `json:"MessageId"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &body) // what is not JSON has none
	return answer{w.Code, body.ID, w.Header().Get("X-Amzn-Errortype")}
}

func clock() time.Time { return now }

func post(t *testing.T, s *sessim.Sim, body string) answer {
	t.Helper()
	return serve(s, request(t, s, keyOf(s), body, now))
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	body := "{" + to + "," + raw(mime) + "}"
	for name, c := range map[string]struct {
		at     time.Time
		change func(r *http.Request, key *aws.Credentials)
		want   answer
	}{
		"the account":            {now, nil, answer{200, "", ""}},
		"nearly five minutes on": {now.Add(-5 * time.Minute), nil, answer{200, "", ""}},
		"signed too long ago":    {now.Add(-5*time.Minute - time.Second), nil, answer{403, "", "InvalidSignatureException"}},
		"signed ahead":           {now.Add(6 * time.Minute), nil, answer{403, "", "InvalidSignatureException"}},
		"another key":            {now, func(_ *http.Request, key *aws.Credentials) { key.AccessKeyID = "AKIAOTHER" }, answer{403, "", "UnrecognizedClientException"}},
		"another secret":         {now, func(_ *http.Request, key *aws.Credentials) { key.SecretAccessKey += "x" }, answer{403, "", "InvalidSignatureException"}},
		"a token that is not":    {now, func(_ *http.Request, key *aws.Credentials) { key.SessionToken = "t" }, answer{403, "", "UnrecognizedClientException"}},
		"another body":           {now, func(r *http.Request, _ *aws.Credentials) { r.Body = http.NoBody }, answer{403, "", "InvalidSignatureException"}},
		"another host":           {now, func(r *http.Request, _ *aws.Credentials) { r.Host = "email.eu-west-1.amazonaws.com" }, answer{403, "", "InvalidSignatureException"}},
		"another path":           {now, func(r *http.Request, _ *aws.Credentials) { r.URL.Path = "/v2/email/identities" }, answer{403, "", "InvalidSignatureException"}},
		"another date":           {now, func(r *http.Request, _ *aws.Credentials) { r.Header.Set("X-Amz-Date", "20260301T120001Z") }, answer{403, "", "InvalidSignatureException"}},
		"a header added":         {now, func(r *http.Request, _ *aws.Credentials) { r.Header.Set("X-Amz-Target", "x") }, answer{403, "", "InvalidSignatureException"}},
		"no signature":           {now, func(r *http.Request, _ *aws.Credentials) { r.Header.Del("Authorization") }, answer{403, "", "MissingAuthenticationTokenException"}},
		"a part of a signature": {now, func(r *http.Request, _ *aws.Credentials) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a")
		}, answer{403, "", "IncompleteSignatureException"}},
	} {
		s := sessim.New(sessim.Options{Now: clock})
		key := keyOf(s)
		probe := request(t, s, key, body, c.at)
		if c.change != nil {
			c.change(probe, &key) // the key
		}
		r := request(t, s, key, body, c.at)
		if c.change != nil {
			c.change(r, new(aws.Credentials)) // the signed request
		}
		got := serve(s, r)
		got.id = ""
		delivered := 0
		if c.want.status == 200 {
			delivered = 1
		}
		if got != c.want || len(s.Messages()) != delivered {
			t.Errorf("%s: %+v with %d delivered, want %+v with %d", name, got, len(s.Messages()), c.want, delivered)
		}
	}
}

func TestAMessageIsRestamped(t *testing.T) {
	t.Parallel()
	for region, domain := range map[string]string{"us-east-1": "email.amazonses.com", "eu-west-1": "eu-west-1.amazonses.com"} {
		s := sessim.New(sessim.Options{Now: clock, Region: region})
		got := post(t, s, "{"+to+","+raw(mime)+`,"EmailTags":[{"Name":"order","Value":"17"}]}`)
		if got.status != 200 || len(s.Messages()) != 1 {
			t.Fatalf("%+v, %d delivered, want 200 and one", got, len(s.Messages()))
		}
		m := s.Messages()[0]
		want := "Message-ID: <" + got.id + "@" + domain + ">\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nFrom: Shop <shop@example.com>\r\nTo: ada@example.com\r\nSubject: Hello\r\n\r\nHello\r\n"
		if string(m.Raw) != want {
			t.Errorf("%s: delivered\n%s, want\n%s", region, m.Raw, want)
		}
		if m.Reference != got.id || m.Variables["order"] != "17" || len(m.To) != 1 {
			t.Errorf("%s: kept %+v, want its id, its tag and its recipient", region, m)
		}
	}
}

// A sender and addresses for replies in the request take the place of those of the message.
func TestWhatARequestReplacesInAMessage(t *testing.T) {
	t.Parallel()
	s := sessim.New(sessim.Options{Now: clock})
	post(t, s, "{"+to+","+raw(strings.Replace(mime, "Subject", "Reply-To: a@example.com\r\nSubject", 1))+`,"FromEmailAddress":"eve@example.com","ReplyToAddresses":["b@example.com"]}`)
	got := string(s.Messages()[0].Raw)
	for text, want := range map[string]bool{"From: eve@example.com\r\n": true, "Reply-To: b@example.com\r\n": true, "shop@": false, "Reply-To: a@": false} {
		if strings.Contains(got, text) != want {
			t.Errorf("%q is there: %t, want %t:\n%s", text, !want, want, got)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	with := func(more string) string { return "{" + to + "," + raw(mime) + "," + more + "}" }
	sends := func(message string) string { return "{" + to + "," + raw(message) + "}" }
	many := strings.TrimSuffix(strings.Repeat(`"ada@example.com",`, 51), ",")
	template := func(more string) string {
		return `{"FromEmailAddress":"shop@example.com",` + to + `,"Content":{"Template":{"TemplateName":"welcome",` + more + `}}}`
	}
	for name, c := range map[string]struct {
		body, code string
		status     int
	}{
		"no JSON":                       {"x", "BadRequestException", 400},
		"an unknown field":              {with(`"X":1`), "BadRequestException", 400},
		"no recipient":                  {"{" + raw(mime) + "}", "BadRequestException", 400},
		"what is no recipient":          {strings.Replace(with(`"EmailTags":[]`), "ada@example.com", "ada", 1), "BadRequestException", 400},
		"a local part in UTF-8":         {strings.Replace(with(`"EmailTags":[]`), "ada@", "ädä@", 1), "BadRequestException", 400},
		"51 recipients":                 {strings.Replace(sends(mime), `"ada@example.com"`, many, 1), "BadRequestException", 400},
		"no content":                    {"{" + to + "}", "BadRequestException", 400},
		"what is no base64":             {"{" + to + `,"Content":{"Raw":{"Data":"?"}}}`, "BadRequestException", 400},
		"a line of 1,001 bytes":         {sends(mime + strings.Repeat("x", 999) + "\r\n"), "BadRequestException", 400},
		"a message without a sender":    {sends("Subject: Hello\r\n\r\nHello\r\n"), "BadRequestException", 400},
		"a header that may stand once":  {sends("Subject: Hello\r\n" + mime), "MessageRejected", 400},
		"a header that is none":         {sends("Hello\r\n" + mime), "MessageRejected", 400},
		"a sender that is not ours":     {sends(strings.Replace(mime, "shop@example.com", "eve@other.example", 1)), "MessageRejected", 400},
		"a recipient in the sandbox":    {strings.Replace(sends(mime), "ada@example.com", "ada@other.example", 1), "MessageRejected", 400},
		"a tag with a space":            {with(`"EmailTags":[{"Name":"a","Value":"b c"}]`), "BadRequestException", 400},
		"a tag twice":                   {with(`"EmailTags":[{"Name":"a","Value":"b"},{"Name":"a","Value":"c"}]`), "BadRequestException", 400},
		"an unknown configuration set":  {with(`"ConfigurationSetName":"other"`), "NotFoundException", 404},
		"an unknown template":           {strings.Replace(template(`"TemplateData":"{}"`), "welcome", "other", 1), "NotFoundException", 404},
		"data that are no object":       {template(`"TemplateData":"[]"`), "BadRequestException", 400},
		"a header of a template":        {template(`"TemplateData":"{\"name\":\"Ada\"}","Headers":[{"Name":"X-A","Value":"ü"}]`), "BadRequestException", 400},
		"a file without a disposition":  {template(`"TemplateData":"{\"name\":\"Ada\"}","Attachments":[{"FileName":"a","ContentType":"text/plain","RawContent":"YQ==","ContentTransferEncoding":"BASE64"}]`), "BadRequestException", 400},
		"a template without its sender": {strings.Replace(template(`"TemplateData":"{}"`), `"FromEmailAddress":"shop@example.com",`, "", 1), "BadRequestException", 400},
	} {
		s := sessim.New(sessim.Options{Now: clock, Identities: []string{"example.com"}, Sandbox: true, ConfigurationSets: []string{"shop"}})
		s.Store("welcome", welcome)
		if got := post(t, s, c.body); got != (answer{c.status, "", c.code}) || len(s.Messages()) != 0 {
			t.Errorf("%s: %+v with %d delivered, want %d %s with none", name, got, len(s.Messages()), c.status, c.code)
		}
	}
}

var welcome = template.Source{Name: "welcome", Subject: "Hello {{name}}", HTML: "<p>{{name}}</p>", Text: "{{name}}"}

// In the sandbox the mailbox simulator takes mail.
func TestTheMailboxSimulatorTakesMail(t *testing.T) {
	t.Parallel()
	s := sessim.New(sessim.Options{Now: clock, Identities: []string{"shop@example.com"}, Sandbox: true})
	if got := post(t, s, "{"+strings.Replace(to, "ada@example.com", "bounce@simulator.amazonses.com", 1)+","+raw(mime)+"}"); got.status != 200 {
		t.Errorf("%+v, want 200", got)
	}
}

func TestAStoredTemplate(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{\"name\":\"<b>Ada</b>\"}`: "<p><b>Ada</b></p>", // it is not escaped
		`{\"other\":1}`:             "",                  // it is accepted and not sent
	} {
		s := sessim.New(sessim.Options{Now: clock})
		s.Store("welcome", welcome)
		got := post(t, s, `{"FromEmailAddress":"Shop <shop@example.com>",`+to+`,"Content":{"Template":{"TemplateName":"welcome","TemplateData":"`+data+`"}}}`)
		if got.status != 200 || got.id == "" {
			t.Errorf("%s: %+v, want 200 and an id", data, got)
		}
		switch all := s.Messages(); {
		case want == "" && len(all) != 0:
			t.Errorf("%s: %d delivered, want none", data, len(all))
		case want != "" && (len(all) != 1 || !strings.Contains(string(all[0].Raw), want)):
			t.Errorf("%s: delivered %+v, want one with %s", data, all, want)
		}
	}
}

func TestTemplatesAreStoredByTheAPI(t *testing.T) {
	t.Parallel()
	s := sessim.New(sessim.Options{Now: clock})
	const content = `"TemplateContent":{"Subject":"Order {{order}}","Text":"Hello"}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"a template", "POST", "", `{"TemplateName":"order",` + content + `}`, 200, ""},
		{"the same once more", "POST", "", `{"TemplateName":"order",` + content + `}`, 400, "AlreadyExistsException"},
		{"one with a blank in its name", "POST", "", `{"TemplateName":"an order",` + content + `}`, 400, "BadRequestException"},
		{"one that is not closed", "POST", "", `{"TemplateName":"b","TemplateContent":{"Subject":"{{order","Text":"Hello"}}`, 400, "BadRequestException"},
		{"one without a subject", "POST", "", `{"TemplateName":"b","TemplateContent":{"Text":"Hello"}}`, 400, "BadRequestException"},
		{"one without a body", "POST", "", `{"TemplateName":"b","TemplateContent":{"Subject":"Hello"}}`, 400, "BadRequestException"},
		{"another content of one that is stored", "PUT", "/order", `{"TemplateContent":{"Subject":"Your order {{order}}","Text":"Hello"}}`, 200, ""},
		{"another content of one that is not", "PUT", "/other", "{" + content + "}", 404, "NotFoundException"},
		{"one that is stored is read", "GET", "/order", "", 200, ""},
		{"one that is not stored is read", "GET", "/other", "", 404, "NotFoundException"},
		{"a method that there is not", "PATCH", "/order", "", 405, "UnknownOperationException"},
	} {
		got := serve(s, requestTo(t, s, keyOf(s), c.method, "/v2/email/templates"+c.path, c.body, now))
		if got.status != c.status || got.name != c.code {
			t.Errorf("%s: %+v, want %d %s", c.name, got, c.status, c.code)
		}
	}
	send := `{"FromEmailAddress":"shop@example.com",` + to + `,"Content":{"Template":{"TemplateName":"order","TemplateData":"{\"order\":17}"}}}`
	post(t, s, send)
	all := s.Messages()
	if len(all) != 1 || !strings.Contains(string(all[0].Raw), "Subject: Your order 17\r\n") || all[0].Template == nil || all[0].Template.Name != "order" || string(all[0].Template.Variables) != `{"order":17}` {
		t.Errorf("delivered %+v, want one message of the template, with its name and its data", all)
	}
	if got := serve(s, requestTo(t, s, keyOf(s), "DELETE", "/v2/email/templates/order", "", now)); got.status != 200 {
		t.Errorf("deleted: %+v, want 200", got)
	}
	if got := post(t, s, send); got.name != "NotFoundException" {
		t.Errorf("sent after it was deleted: %+v, want NotFoundException", got)
	}
}
