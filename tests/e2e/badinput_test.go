package e2e_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"patchbay/tests/gateway"
)

const maxMemory = 150 << 20

// TestBadInput checks that invalid input gets a 4xx in the common error format and has no effect.
func TestBadInput(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	type row struct {
		name, path, body string
		status           int
		param            string // where one is named
	}
	p := func(fields string) string { return `{"amount":500,"currency":"usd"` + fields + `}` }
	m := func(fields string) string { return `{"to":["a@example.com"],"subject":"s","text":"t"` + fields + `}` }
	rows := []row{
		{"malformed JSON", "/api/payments", `{"amount":500,`, 400, ""},
		{"two documents", "/api/payments", p("") + p(""), 400, ""},
		{"a duplicate field", "/api/payments", `{"amount":500,"amount":600,"currency":"usd"}`, 400, "amount"},
		{"an unknown field", "/api/payments", p(`,"role":"admin"`), 400, "role"},
		{"a field in another case", "/api/payments", p(`,"CustomerId":"x"`), 400, "CustomerId"},
		{"an unknown field inside", "/api/emails", m(`,"attachments":[{"filename":"a","contentType":"a/b","content":"","x":1}]`), 400, "attachments[0].x"},
		{"a wrong type", "/api/payments", `{"amount":"500","currency":"usd"}`, 400, "amount"},
		{"an object for a text", "/api/users", `{"email":{"$ne":""}}`, 400, "email"},
		{"an array as body", "/api/users", `[]`, 400, ""},
		{"bad UTF-8", "/api/users", "{\"email\":\"a\xff@example.com\"}", 400, ""},
		{"NaN", "/api/payments", `{"amount":NaN,"currency":"usd"}`, 400, ""},
		{"nothing", "/api/payments", ``, 400, "currency"},
		{"amount 0", "/api/payments", `{"amount":0,"currency":"usd"}`, 400, "amount"},
		{"a negative amount", "/api/payments", `{"amount":-5,"currency":"usd"}`, 400, "amount"},
		{"a fractional amount", "/api/payments", `{"amount":5.5,"currency":"usd"}`, 400, "amount"},
		{"an amount with an exponent", "/api/payments", `{"amount":5e30,"currency":"usd"}`, 400, "amount"},
		{"a huge amount", "/api/payments", `{"amount":100000000,"currency":"usd"}`, 400, "amount"},
		{"an amount beyond 64 bits", "/api/payments", `{"amount":99999999999999999999,"currency":"usd"}`, 400, "amount"},
		{"an amount below the minimum", "/api/payments", `{"amount":49,"currency":"usd"}`, 400, "amount"},
		{"an unknown currency", "/api/payments", `{"amount":500,"currency":"xxx"}`, 400, "currency"},
		{"a currency not configured", "/api/payments", `{"amount":500,"currency":"jpy"}`, 400, "currency"},
		{"a card number in metadata", "/api/payments", p(`,"metadata":{"note":"4242 4242 4242 4242"}`), 400, "metadata.note"},
		{"a card number as a description", "/api/payments", p(`,"description":"4242424242424242"`), 400, "description"},
		{"a reserved metadata key", "/api/payments", p(`,"metadata":{"patchbay_payment":"x"}`), 400, "metadata.patchbay_payment"},
		{"a script as return URL", "/api/payments", p(`,"returnUrl":"javascript:alert(1)"`), 400, "returnUrl"},
		{"CR LF in an address", "/api/emails", `{"to":["a@example.com\r\nBcc: b@example.com"],"subject":"s","text":"t"}`, 400, "to[0]"},
		{"an unknown field of an address", "/api/emails", `{"to":["a@example.com",{"email":"b@example.com","id":1}],"subject":"s","text":"t"}`, 400, "to[1].id"},
		{"an address without its email", "/api/emails", `{"to":["a@example.com",{"name":"b"}],"subject":"s","text":"t"}`, 400, "to[1].email"},
		{"a bad address in an object", "/api/emails", m(`,"replyTo":[{"email":"b"}]`), 400, "replyTo[0].email"},
		{"CR LF in a name of an object", "/api/emails", m(`,"from":{"email":"b@example.com","name":"b\r\nBcc: c@example.com"}`), 400, "from.name"},
		{"an address of another type", "/api/emails", m(`,"cc":[1]`), 400, "cc[0]"},
		{"an id that is none", "/api/emails", m(`,"inReplyTo":"your letter"`), 400, "inReplyTo"},
		{"an expiry that is past", "/api/emails", m(`,"expiresAt":"2020-01-01T00:00:00Z"`), 400, "expiresAt"},
		{"tracking in words", "/api/emails", m(`,"tracking":"off"`), 400, "tracking"},
		{"a retry of what was sent", "/api/emails/retry", `{"status":"sent"}`, 400, "status"},
		{"a retry of none", "/api/emails/retry", `{"status":"failed","limit":0}`, 400, "limit"},
		{"CR LF in a subject", "/api/emails", `{"to":["a@example.com"],"subject":"s\r\nBcc: b@example.com","text":"t"}`, 400, "subject"},
		{"CR LF in a header", "/api/emails", m(`,"headers":{"X-A":"b\r\nBcc: c@example.com"}`), 400, "headers.X-A"},
		{"a header of ours", "/api/emails", m(`,"headers":{"From":"b@example.com"}`), 400, "headers.From"},
		{"no recipient", "/api/emails", `{"to":[],"subject":"s","text":"t"}`, 400, "to"},
		{"a recipient twice", "/api/emails", `{"to":["a@example.com","A@example.com"],"subject":"s","text":"t"}`, 400, "to[1]"},
		{"no body", "/api/emails", `{"to":["a@example.com"],"subject":"s"}`, 400, "html"},
		{"a template", "/api/emails", m(`,"templateId":"welcome"`), 400, "templateId"},
		{"no base64", "/api/emails", m(`,"attachments":[{"filename":"a","contentType":"a/b","content":"%%"}]`), 400, "attachments[0].content"},
		{"an email with a name", "/api/users", `{"email":"Ada <ada@example.com>"}`, 400, "email"},
		{"CR LF in a user's email", "/api/users", `{"email":"ada@example.com\r\n"}x`, 400, ""},
		{"a user of 10 MB", "/api/users", `{"email":"ada@example.com","name":"` + strings.Repeat("x", 10<<20) + `"}`, 413, ""},
		{"deep nesting", "/api/emails", m(`,"templateData":` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000)), 400, ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			a := g.Wrong(t, "POST", r.path, []byte(r.body), gateway.Header{"Content-Type": "application/json", "Idempotency-Key": "bad"})
			shaped(t, a, r.status, r.param)
		})
	}

	t.Run("a gzip bomb", func(t *testing.T) {
		var bomb bytes.Buffer
		w := gzip.NewWriter(&bomb)
		for range 1024 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for path, status := range map[string]int{"/api/users": 415, "/api/emails": 415, "/api/webhooks/stripe": 400} { // not signed
			a := g.Wrong(t, "POST", path, bomb.Bytes()[:min(bomb.Len(), 900<<10)], gateway.Header{"Content-Type": "application/json", "Content-Encoding": "gzip"})
			shaped(t, a, status, "")
		}
	})
	t.Run("a form", func(t *testing.T) {
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""} {
			shaped(t, g.Wrong(t, "POST", "/api/users", []byte("email=ada@example.com"), gateway.Header{"Content-Type": kind}), 415, "")
		}
	})
	t.Run("a key that is none", func(t *testing.T) {
		for _, key := range []string{strings.Repeat("k", 256), `""`, "sch\u00f6n"} {
			a := g.Wrong(t, "POST", "/api/users", []byte(`{"email":"ada@example.com"}`), gateway.Header{"Content-Type": "application/json", "Idempotency-Key": key})
			shaped(t, a, 400, "Idempotency-Key")
		}
	})
	t.Run("a place that is not there", func(t *testing.T) {
		shaped(t, g.Wrong(t, "GET", "/api/users/usr_nobody", nil), 404, "")
		shaped(t, g.Wrong(t, "GET", "/api/users/..%2f..%2fetc", nil), 404, "")
		shaped(t, g.Wrong(t, "POST", "/api/webhooks/unknown", []byte("{}")), 404, "")
	})
	t.Run("a header too long", func(t *testing.T) {
		shaped(t, g.Wrong(t, "GET", "/", nil, gateway.Header{"X-Long": strings.Repeat("x", 20<<10)}), 431, "")
	})

	t.Run("leaves nothing behind", func(t *testing.T) {
		for _, path := range []string{"/api/payments", "/api/users", "/api/emails", "/api/events"} {
			if list := g.Do(t, "GET", path, nil); len(list.Data()) != 0 {
				t.Errorf("%s: got %s, want no items", path, list.Body)
			}
		}
	})
	t.Run("takes little memory", func(t *testing.T) {
		peak := g.PeakMemory(t)
		if peak > maxMemory {
			t.Errorf("got %d MB, want at most %v", peak>>20, maxMemory)
		}
		t.Logf("peak %d MB", peak>>20)
	})
}

// shaped checks that an answer has the common format of errors.
func shaped(t *testing.T, a gateway.Answer, status int, param string) {
	t.Helper()
	e, _ := a.JSON["error"].(map[string]any)
	kind := fmt.Sprint(e["type"])
	if a.Status != status || kind != "validation_error" || a.Code() == "" || a.Text("error", "message") == "" ||
		a.Text("error", "request_id") == "" || a.Text("error", "param") != param {
		body := a.Body
		t.Errorf("%d %s, want %d at %q", a.Status, body[:min(len(body), 500)], status, param)
	}
	for name := range e {
		if !strings.Contains("type code message param request_id", name) {
			t.Errorf("the error has a field %q, want only those of the document", name)
		}
	}
}
