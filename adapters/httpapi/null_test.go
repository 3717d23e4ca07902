package httpapi_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// A decoder turns null into a zero value, and a zero amount means the whole amount. So null is
// refused in every POST, at every place.
func TestNullIsRefused(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	id := r.pay(t)
	of := func(operation string) string { return "/api/payments/" + id + "/" + operation }
	for _, row := range []struct{ path, body, param string }{
		{"/api/payments", `null`, ""},
		{"/api/payments", " null\n", ""},
		{"/api/payments", `{"amount":null,"currency":"usd"}`, "amount"},
		{"/api/payments", `{"amount":1000,"currency":null}`, "currency"},
		{"/api/payments", `{"amount":1000,"currency":"usd","customerId":null}`, "customerId"},
		{"/api/payments", `{"amount":1000,"currency":"usd","confirm":null}`, "confirm"},
		{"/api/payments", `{"amount":1000,"currency":"usd","captureMethod":null}`, "captureMethod"},
		{"/api/payments", `{"amount":1000,"currency":"usd","expiresAt":null}`, "expiresAt"},
		{"/api/payments", `{"amount":1000,"currency":"usd","metadata":null}`, "metadata"},
		{"/api/payments", `{"amount":1000,"currency":"usd","metadata":{"order":null}}`, "metadata.order"},
		{"/api/payments", `{"amount":1000,"currency":"usd","paymentMethods":{"stripe":null}}`, "paymentMethods.stripe"},
		{of("refunds"), `null`, ""},
		{of("refunds"), `{"amount":null}`, "amount"},
		{of("refunds"), "{\t\"amount\" :\r\n null }", "amount"},
		{of("refunds"), `{"am\u006funt":null}`, "amount"},
		{of("capture"), `null`, ""},
		{of("capture"), `{"amount":null}`, "amount"},
		{of("confirm"), `null`, ""},
		{of("confirm"), `{"paymentMethod":null}`, "paymentMethod"},
		{of("cancel"), `null`, ""},
		{of("sync"), `null`, ""},
		{of("resolve"), `null`, ""},
		{of("resolve"), `{"verdict":null}`, "verdict"},
		{of("resolve"), `{"verdict":"noted","note":null}`, "note"},
		{"/api/emails", `null`, ""},
		{"/api/emails", `{"to":null,"subject":"s","text":"t"}`, "to"},
		{"/api/emails", `{"to":["a@example.com",null],"subject":"s","text":"t"}`, "to[1]"},
		{"/api/emails", `{"to":["a@example.com"],"subject":null,"text":"t"}`, "subject"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":null}`, "text"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":"t","headers":{"X-A":null}}`, "headers.X-A"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":"t","attachments":[null]}`, "attachments[0]"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":"t","attachments":[{"filename":"a","contentType":"a/b","content":null}]}`, "attachments[0].content"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":"t","tags":[null]}`, "tags[0]"},
		{"/api/emails", `{"to":["a@example.com"],"subject":"s","text":"t","sendAt":null}`, "sendAt"},
		{"/api/emails/msg_1/retry", `null`, ""},
		{"/api/emails/msg_1/cancel", `null`, ""},
		{"/api/users", `null`, ""},
		{"/api/users", `{"email":null}`, "email"},
		{"/api/users", `{"email":"ada@example.com","name":null}`, "name"},
		{"/api/users", `{"email":"ada@example.com","metadata":{"a":"1","b":null}}`, "metadata.b"},
	} {
		t.Run(row.path+" "+row.body, func(t *testing.T) {
			r.do(t, "POST", row.path, row.body, asJSON).refused(t, 400, "null_not_allowed", row.param)
		})
	}
	if p := r.stored(t, id); p.AmountRefunded != 0 || len(p.Operations) != 1 {
		t.Errorf("something was done: got %+v, want amount refunded 0, 1 operation", p)
	}
	if calls := r.users.all(); len(calls) != 0 {
		t.Errorf("repository calls = %+v, want none", calls)
	}
}

// Null is distinguished from the text "null" and from a field of that name.
func TestNullAsTextIsText(t *testing.T) {
	t.Parallel()
	r := serve(t)
	a := r.do(t, "POST", "/api/users", `{"email":"null@example.com","name":"null","metadata":{"null":" null "}}`, asJSON)
	if got := r.users.last(t).user; a.status != 201 || got.Email != "null@example.com" || got.Name != "null" || got.Metadata["null"] != " null " {
		t.Errorf("%d %s: got %+v, want 201, email null@example.com, name null, null \" null \"", a.status, a.body, got)
	}
	r.do(t, "POST", "/api/users", `{"null":1}`, asJSON).refused(t, 400, "unknown_field", "null")
}

// RFC 7396: null removes an optional field, and an absent field stays as it is.
func TestAPatchIsAMergePatch(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct{ name, body, patch string }{
		{"nothing", `{}`, `{"Email":null,"Name":null,"Metadata":null,"ClearMetadata":false}`},
		{"a name", `{"name":"Eve"}`, `{"Email":null,"Name":"Eve","Metadata":null,"ClearMetadata":false}`},
		{"an empty name", `{"name":""}`, `{"Email":null,"Name":"","Metadata":null,"ClearMetadata":false}`},
		{"no name", `{"name":null}`, `{"Email":null,"Name":"","Metadata":null,"ClearMetadata":false}`},
		{"an email", `{"email":"eve@example.com"}`, `{"Email":"eve@example.com","Name":null,"Metadata":null,"ClearMetadata":false}`},
		{"a key, and no more of another", `{"metadata":{"a":"1","b":null}}`, `{"Email":null,"Name":null,"Metadata":{"a":"1","b":null},"ClearMetadata":false}`},
		{"an empty value", `{"metadata":{"a":""}}`, `{"Email":null,"Name":null,"Metadata":{"a":""},"ClearMetadata":false}`},
		{"no keys", `{"metadata":{}}`, `{"Email":null,"Name":null,"Metadata":null,"ClearMetadata":false}`},
		{"no metadata", `{"metadata":null}`, `{"Email":null,"Name":null,"Metadata":null,"ClearMetadata":true}`},
		{"none of it", `{"name":null,"metadata":null}`, `{"Email":null,"Name":"","Metadata":null,"ClearMetadata":true}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, kind := range []string{"application/json", "application/merge-patch+json", "application/merge-patch+json; charset=utf-8"} {
				a := r.do(t, "PATCH", "/api/users/usr_1", row.body, header{"Content-Type": kind})
				got, err := json.Marshal(r.users.last(t).patch)
				if a.status != 200 || err != nil || string(got) != row.patch {
					t.Errorf("%d %s: got %s, %v, want 200, %v", a.status, a.body, got, err, row.patch)
				}
			}
		})
	}
	before := len(r.users.all())
	for _, row := range []struct{ body, code, param string }{
		{`null`, "null_not_allowed", ""}, // it would take away the user
		{`{"email":null}`, "null_not_allowed", "email"},
		{`{"metadata":{"a":1,"b":null}}`, "wrong_type", "metadata.a"},
		{`{"metadata":{"a":{"b":null}}}`, "wrong_type", "metadata.a"},
		{`{"metadata":"x"}`, "wrong_type", "metadata"},
		{`{"name":7}`, "wrong_type", "name"},
		{`{"name":null,"name":null}`, "duplicate_field", "name"},
		{`{"nmae":null}`, "unknown_field", "nmae"},
		{`[null]`, "wrong_type", ""},
	} {
		r.do(t, "PATCH", "/api/users/usr_1", row.body, asJSON).refused(t, 400, row.code, row.param)
	}
	if calls := r.users.all()[before:]; len(calls) != 0 {
		t.Errorf("repository calls = %+v, want none", calls)
	}
	for _, method := range []string{"POST", "PATCH"} {
		path := map[string]string{"POST": "/api/users", "PATCH": "/api/users/usr_1"}[method]
		a := r.do(t, method, path, ada, header{"Content-Type": "application/merge-patch+json"})
		if want := map[string]int{"POST": 415, "PATCH": 200}[method]; a.status != want {
			t.Errorf("%s: got %s, want %v", method, fmt.Sprint(a.status, a.body), want)
		}
	}
}
