package httpapi_test

import (
	"io"
	"strings"
	"testing"

	"patchbay/core/idempotency"
)

const ada = `{"email":"ada@example.com"}`

// The end-to-end tests check the status for bad input; these check what programs read: the code
// and the field.
func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, body  string
		status      int
		code, param string
	}{
		{"an unknown field", `{"email":"a@example.com","role":"admin"}`, 400, "unknown_field", "role"},
		{"a field in another case", `{"Email":"a@example.com"}`, 400, "unknown_field", "Email"},
		{"a field that is written twice", `{"email":"a@example.com","email":"b@example.com"}`, 400, "duplicate_field", "email"},
		{"a field twice, once escaped", `{"email":"a@example.com","em\u0061il":"b@example.com"}`, 400, "duplicate_field", "email"},
		{"a field inside twice", `{"email":"a@example.com","metadata":{"a":"1","a":"2"}}`, 400, "duplicate_field", "metadata.a"},
		{"a wrong type", `{"email":7}`, 400, "wrong_type", "email"},
		{"a wrong type inside", `{"email":"a@example.com","metadata":{"a":1}}`, 400, "wrong_type", "metadata.a"},
		{"a list", `[` + ada + `]`, 400, "wrong_type", ""},
		{"two documents", ada + ada, 400, "malformed_json", ""},
		{"half a document", `{"email":"a@example.com"`, 400, "malformed_json", ""},
		{"bad UTF-8", "{\"email\":\"a\xff@example.com\"}", 400, "malformed_json", ""},
		{"half a surrogate pair", `{"email":"a\ud800@example.com"}`, 400, "malformed_json", ""},
		{"a byte order mark", "\ufeff" + ada, 400, "malformed_json", ""},
		{"a comment", `{"email":"a@example.com" /* me */}`, 400, "malformed_json", ""},
		{"a name too long to repeat", `{"` + strings.Repeat("x", 101) + `":1}`, 400, "unknown_field", ""},
		{"an empty body is an empty object", ``, 400, "invalid_email", "email"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.do(t, "POST", "/api/users", row.body, asJSON).refused(t, row.status, row.code, row.param)
		})
	}
	if calls := r.users.all(); len(calls) != 0 {
		t.Errorf("repository calls = %+v, want none", calls)
	}
}

// The fields of an email and of a batch are spelled in two styles, which callers mix up.
func TestAnUnknownNameIsAnsweredWithTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	r := postOffice(t)
	for _, tt := range []struct{ path, body, param, meant string }{
		{"/api/emails", `{"to":["ada@example.com"],"template_id":"welcome"}`, "template_id", "templateId"},
		{"/api/emails", `{"to":["ada@example.com"],"dynamic_template_data":{}}`, "dynamic_template_data", "templateData"},
		{"/api/emails", `{"to":["ada@example.com"],"Subject":"Hello"}`, "Subject", "subject"},
		{"/api/emails", `{"to":[{"email":"ada@example.com","nmae":"Ada"}]}`, "to[0].nmae", "name"},
		{"/api/emails", `{"to":["ada@example.com"],"attachments":[{"content_type":"text/plain"}]}`, "attachments[0].content_type", "contentType"},
		{"/api/emails", `{"to":["ada@example.com"],"priority":1}`, "priority", ""},
		{"/api/emails", `{"to":["ada@example.com"],"` + strings.Repeat("x", 1<<20) + `templateId":1}`, "", ""},
		{"/api/emails/batch", `{"templateId":"welcome"}`, "templateId", "template_id"},
		{"/api/emails/batch", `{"template_id":"welcome","personalizations":[{"to":[],"templateData":{}}]}`, "personalizations[0].templateData", "dynamic_template_data"},
		{"/api/emails/batch", `{"template_id":"welcome","personalizations":[{"to":[{"e-mail":"ada@example.com"}]}]}`, "personalizations[0].to[0].e-mail", "email"},
		{"/api/users", `{"email":"ada@example.com","meta_data":{}}`, "meta_data", "metadata"},
	} {
		a := r.do(t, "POST", tt.path, tt.body, asJSON)
		a.refused(t, 400, "unknown_field", tt.param)
		want := "there is no such field"
		if tt.meant != "" {
			want += "; did you mean " + tt.meant + "?"
		}
		if a.err.Message != want {
			t.Errorf("%s %.80s: message = %q, want %q", tt.path, tt.body, a.err.Message, want)
		}
	}
	for _, tt := range []struct{ target, param, want string }{
		{"/api/emails?Recipient=x", "Recipient", "there is no such parameter here; did you mean recipient?"},
		{"/api/emails?created_from=x", "created_from", "there is no such parameter here; did you mean createdFrom?"},
		{"/api/emails?tag[a]=x", "tag[a]", "there is no such parameter here; did you mean tag?"},
		{"/api/emails?metadata=x", "metadata", "there is no such parameter here; did you mean metadata[KEY]?"},
		{"/api/emails?after=x", "after", "there is no such parameter here"},
	} {
		a := r.do(t, "GET", tt.target, "")
		if a.refused(t, 400, "unknown_parameter", tt.param); a.err.Message != tt.want {
			t.Errorf("%s: message = %q, want %q", tt.target, a.err.Message, tt.want)
		}
	}
}

func TestOnlyJSONContentTypesAreAccepted(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for kind, ok := range map[string]bool{
		"application/json":                  true,
		"application/json; charset=utf-8":   true,
		"Application/JSON":                  true,
		"":                                  false,
		"text/plain":                        false, // what a foreign page may send unasked
		"application/x-www-form-urlencoded": false,
		"multipart/form-data; boundary=x":   false,
		"application/json-patch+json":       false,
		"application/json; charset":         false,
	} {
		a := r.do(t, "POST", "/api/users", ada, header{"Content-Type": kind})
		if ok {
			a.hasStatus(t, 201)
		} else {
			a.refused(t, 415, "content_type_unsupported", "")
		}
	}
}

func TestEncodedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, encoding := range []string{"gzip", "br", "deflate", "identity", "x"} {
		for _, path := range []string{"/api/users", "/api/webhooks/stripe"} {
			a := r.do(t, "POST", path, ada, asJSON, header{"Content-Encoding": encoding})
			a.refused(t, 415, "encoding_unsupported", "")
		}
	}
	if calls := r.users.all(); len(calls) != 0 {
		t.Errorf("repository calls = %+v, want none", calls)
	}
	if bodies := r.hooks.seen(); len(bodies) != 0 {
		t.Errorf("%d bodies reached the verifier of webhooks, want none", len(bodies))
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	r := serve(t)
	const limit = 1 << 20
	padded := func(n int) string { return ada + strings.Repeat(" ", n-len(ada)) }
	for _, row := range []struct {
		name    string
		size    int
		chunked bool
	}{
		{"a body at the limit", limit, false},
		{"a chunked body at the limit", limit, true},
		{"a body of a byte more", limit + 1, false},
		{"a chunked body of a byte more", limit + 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(padded(row.size))
			if row.chunked {
				body = io.MultiReader(body) // whose length the client does not know
			}
			a := r.send(t, "POST", "/api/users", body, asJSON)
			if row.size > limit {
				a.refused(t, 413, "body_too_large", "")
			} else {
				a.hasStatus(t, 201)
			}
		})
	}
}

func TestIdempotencyKeyIsScopedToTheCall(t *testing.T) {
	t.Parallel()
	r := serve(t)
	post := func(body, key string) call {
		t.Helper()
		headers := []header{asJSON}
		if key != "" {
			headers = append(headers, header{"Idempotency-Key": key})
		}
		if a := r.do(t, "POST", "/api/users", body, headers...); a.status != 201 {
			t.Fatalf("got %d %s, want 201", a.status, a.body)
		}
		return r.users.last(t)
	}
	first := post(`{"email":"ada@example.com","name":"Ada"}`, "k")
	if first.key != idempotency.New("default", "POST /api/users", "k", nil).Scoped || !strings.HasPrefix(first.print, "hmac:") {
		t.Fatalf("got %+v, want key %v, a concealed print", first, idempotency.New("default", "POST /api/users", "k", nil).Scoped)
	}
	if same := post("{ \"name\":\"\\u0041da\",\n\"email\":\"ada@example.com\" }", `"k"`); same.key != first.key || same.print != first.print {
		t.Errorf("same request in other bytes: key %q, print %q, want %q, %q", same.key, same.print, first.key, first.print)
	}
	if other := post(`{"email":"ada@example.com","name":"Eve"}`, "k"); other.key != first.key || other.print == first.print {
		t.Errorf("another request: key %q, print %q, want %q, another print", other.key, other.print, first.key)
	}
	if none := post(ada, ""); none.key != "" || none.print != "" {
		t.Errorf("without a key: key %q, print %q, want none", none.key, none.print)
	}
	r.do(t, "POST", "/api/users", ada, asJSON, header{"Idempotency-Key": strings.Repeat("k", 256)}).
		refused(t, 400, "invalid_idempotency_key", "Idempotency-Key")
}

func TestAWrongTypeIsToldWhichOneIsWanted(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct{ method, path, body, param, want string }{
		{"POST", "/api/users", `{"email":7}`, "email", "a string"},
		{"POST", "/api/users", `[]`, "", "an object"},
		{"POST", "/api/users", `{"email":"a@example.com","metadata":"x"}`, "metadata", "an object"},
		{"POST", "/api/users", `{"email":"a@example.com","metadata":{"a":1}}`, "metadata.a", "a string"},
		{"PATCH", "/api/users/usr_1", `{"name":7}`, "name", "a string"},
		{"PATCH", "/api/users/usr_1", `{"metadata":[]}`, "metadata", "an object"},
		{"POST", "/api/payments", `{"amount":"1200"}`, "amount", "an integer"},
		{"POST", "/api/payments", `{"amount":12.5}`, "amount", "an integer"},
		{"POST", "/api/payments", `{"amount":1e30}`, "amount", "an integer"},
		{"POST", "/api/payments", `{"confirm":"yes"}`, "confirm", "true or false"},
		{"POST", "/api/emails", `{"to":"ada@example.com"}`, "to", "a list"},
		{"POST", "/api/emails", `{"to":[7]}`, "to[0]", "a string, or an object with email and name"},
		{"POST", "/api/emails", `{"to":[{"email":7}]}`, "to[0].email", "a string"},
		{"POST", "/api/emails", `{"from":[]}`, "from", "a string, or an object with email and name"},
		{"POST", "/api/emails", `{"sendAt":"tomorrow"}`, "sendAt", "a time such as 2026-11-30T12:00:00Z"},
		{"POST", "/api/emails", `{"sendAt":1700000000}`, "sendAt", "a time such as 2026-11-30T12:00:00Z"},
		{"POST", "/api/emails", `{"attachments":[{"content":"%"}]}`, "attachments[0].content", "a string in base64"},
		{"POST", "/api/emails", `{"attachments":{}}`, "attachments", "a list"},
	} {
		a := r.do(t, row.method, row.path, row.body, asJSON)
		a.refused(t, 400, "wrong_type", row.param)
		if want := "the value must be " + row.want; a.err.Message != want {
			t.Errorf("%s %s: message = %q, want %q", row.path, row.body, a.err.Message, want)
		}
	}
}
