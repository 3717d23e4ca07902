package httpapi_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

// shop serves payments at the mock, whose charges are in the same journal.
func shop(t *testing.T) (*rig, *mockpay.Gateway) {
	t.Helper()
	var server *httpapi.Server
	r := serve(t, func(s *httpapi.Server) { server = s })
	log := slog.New(slog.DiscardHandler)
	gateway, err := mockpay.New(mockpay.Options{Name: "mock", Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server.Payments = payments.New(payments.Options{
		Journal: r.journal, Gateways: []ports.PaymentGateway{gateway}, Clock: clock.System{}, IDs: ids.UUIDs{},
		Secret: []byte("secret"), Owner: "one", Log: log,
	})
	return r, gateway
}

// pay creates a payment of 1000 cents that succeeds, and returns its id.
func (r *rig) pay(t *testing.T) string {
	t.Helper()
	a := r.do(t, "POST", "/api/payments", `{"amount":1000,"currency":"usd","paymentMethod":"pm_card_visa","confirm":true}`, asJSON)
	var p struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 201 {
		t.Fatalf("got %d %s, %v, want 201", a.status, a.body, err)
	}
	return p.ID
}

// stored returns a payment as it is in the journal.
func (r *rig) stored(t *testing.T, id string) payment.Payment {
	t.Helper()
	record, err := r.journal.Get(t.Context(), "default", "payment", id)
	if err != nil {
		t.Fatal(err)
	}
	var p payment.Payment
	if err := json.Unmarshal(record.Body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A path has one spelling, except that the id may be percent-encoded.
func TestPathsAreStrict(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, path string
		status     int
	}{
		{"as it is documented", "/api/users/usr_1", 200},
		{"the id percent-encoded in part", "/api/users/usr%5F1", 200},
		{"the id percent-encoded with small letters", "/api/users/usr%5f1", 200},
		{"the whole id percent-encoded", "/api/users/%75%73%72%5F%31", 200},
		{"as an absolute target", "http://localhost/api/users/usr_1", 200},

		{"a slash at its end", "/api/users/usr_1/", 404},
		{"two slashes at its beginning", "//api/users/usr_1", 404},
		{"two slashes inside", "/api//users/usr_1", 404},
		{"two slashes before the id", "/api/users//usr_1", 404},
		{"capitals", "/API/users/usr_1", 404},
		{"one capital", "/api/Users/usr_1", 404},
		{"a dot", "/api/./users/usr_1", 404},
		{"two dots", "/api/payments/../users/usr_1", 404},
		{"an encoded letter of the route", "/api/%75sers/usr_1", 404},
		{"an encoded slash of the route", "/api%2Fusers/usr_1", 404},
		{"an encoded slash before the id", "/api/users%2Fusr_1", 404},
		{"a backslash", `/api\users\usr_1`, 404},
		{"a parameter of the path", "/api/users;v=1/usr_1", 404},

		{"an encoded slash in the id", "/api/users/usr_1%2F", 404},
		{"an encoded slash within the id", "/api/users/usr_1%2frefunds", 404},
		{"an id that is encoded twice", "/api/users/usr%255F1", 404},
		{"an id of a dot", "/api/users/.", 404},
		{"an id of two dots", "/api/users/..", 404},
		{"an id of two encoded dots", "/api/users/%2e%2E", 404},
		{"a zero in the id", "/api/users/usr_1%00", 404},
		{"a bar in the id", "/api/users/usr_1%7C", 404},
		{"a blank in the id", "/api/users/usr_1%20", 404},
		{"a plus in the id", "/api/users/usr+1", 404},
		{"letters beyond ASCII", "/api/users/usr_1%C3%A4", 404},
		{"an escape that is none", "/api/users/usr%5", 404},
		{"an escape that is none either", "/api/users/usr%zz", 404},
		{"too long", "/api/users/" + strings.Repeat("x", 256), 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(r.users.all())
			a := r.raw(t, "GET "+row.path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if row.status == 404 {
				a.refused(t, 404, "not_found", "")
				if calls := r.users.all()[before:]; len(calls) != 0 {
					t.Errorf("repository calls = %+v, want none", calls)
				}
				return
			}
			if got := r.users.last(t); a.status != row.status || got.id != "usr_1" {
				t.Errorf("%d %s: got %+v, want %v, id usr_1", a.status, a.body, got, row.status)
			}
		})
	}
}

// A key is stored under the same bytes as in earlier versions, so that what was done under it then
// is not done again.
func TestTheScopeOfAKeyIsTheCanonicalPath(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	id := r.pay(t)
	path := "/api/payments/" + id + "/refunds"
	refund := func(path, key string) {
		t.Helper()
		if a := r.do(t, "POST", path, `{"amount":100}`, asJSON, header{"Idempotency-Key": key}); a.status != 201 {
			t.Fatalf("got %d %s, want 201", a.status, a.body)
		}
	}
	refund(path, "one")
	refund(strings.ReplaceAll(path, "pay_", "%70ay%5f"), "two")
	operations := r.stored(t, id).Operations
	for i, key := range []string{"one", "two"} {
		want := idempotency.Secret(nil).Conceal(idempotency.New("default", "POST "+path, key, []byte(`{"amount":100}`)))
		if op := operations[i+1]; op.Key != want.Scoped || op.Fingerprint != want.Fingerprint {
			t.Errorf("stored under %q with %q, want %+v", op.Key, op.Fingerprint, want)
		}
	}
	const once = "default|POST /api/payments|"
	r.do(t, "POST", "/api/payments", `{"amount":1000,"currency":"usd"}`, asJSON, header{"Idempotency-Key": "one"})
	record, err := r.journal.Find(t.Context(), "payment", ports.ByIdem, idempotency.New("default", "POST /api/payments", "one", nil).Scoped)
	if err != nil || !strings.HasPrefix(record.Idem, once) {
		t.Errorf("%q, %v: want it under %q", record.Idem, err, once)
	}
}

// A key that was used for one payment is another key for the next payment.
func TestAKeyCountsForOnePath(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	first, second := r.pay(t), r.pay(t)
	for _, id := range []string{first, second} {
		a := r.do(t, "POST", "/api/payments/"+id+"/refunds", `{"amount":100}`, asJSON, header{"Idempotency-Key": "k"})
		if a.status != 201 || a.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: got %d %s, want 201, no Idempotency-Replayed", id, a.status, a.body)
		}
	}
}

// A misspelled filter would list everything.
func TestUnknownParametersAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct{ target, code, param string }{
		{"/api/users?emial=ada@example.com", "unknown_parameter", "emial"},
		{"/api/users?Email=ada@example.com", "unknown_parameter", "Email"},
		{"/api/users?limit=5&x=1", "unknown_parameter", "x"},
		{"/api/users?x", "unknown_parameter", "x"},
		{"/api/users?=1", "unknown_parameter", ""},
		{"/api/users?reference=pi_1", "unknown_parameter", "reference"}, // another list's
		{"/api/users/usr_1?limit=5", "unknown_parameter", "limit"},
		{"/api/payments?customer=x", "unknown_parameter", "customer"},
		{"/api/emails?to=x", "unknown_parameter", "to"},
		{"/api/events?after=x", "unknown_parameter", "after"},
		{"/api/users?" + strings.Repeat("x", 101), "unknown_parameter", ""},
		{"/api/users?%ff=1", "unknown_parameter", ""},
		{"/docs?x=1", "unknown_parameter", "x"},
		{"/api/users?limit=5&limit=6", "duplicate_parameter", "limit"},
		{"/api/users?limit=5&%6cimit=5", "duplicate_parameter", "limit"},
		{"/api/users?limit=5&limit=", "duplicate_parameter", "limit"},
	} {
		t.Run(row.target, func(t *testing.T) {
			r.do(t, "GET", row.target, "").refused(t, 400, row.code, row.param)
		})
	}
	r.do(t, "POST", "/api/users?dryRun=true", ada, asJSON).refused(t, 400, "unknown_parameter", "dryRun")
	r.do(t, "DELETE", "/api/users/usr_1?really=no", "").refused(t, 400, "unknown_parameter", "really")
	if calls := r.users.all(); len(calls) != 0 {
		t.Errorf("repository calls = %+v, want none", calls)
	}
	for _, target := range []string{"/api/users?", "/api/users?&", "/api/users?&limit=5&", "/healthz?t=1", "/readyz?t=1"} {
		if a := r.do(t, "GET", target, ""); a.status != 200 {
			t.Errorf("%s: got %d %s, want 200", target, a.status, a.body)
		}
	}
	// A webhook whose URL was given a parameter is accepted.
	r.do(t, "POST", "/api/webhooks/stripe?source=live", "{}").hasStatus(t, 200)
}

// An empty filter, as from a variable that is not set, would list everything.
func TestEmptyParametersAreRefused(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	codes := map[string]string{"createdFrom": "invalid_created_from", "createdBefore": "invalid_created_before", "customerId": "invalid_customer_id"}
	seen := 0
	for _, o := range r.document(t).operations(t) {
		for _, p := range o.parameters {
			if !strings.HasPrefix(o.path, "/api/") || p.In != "query" || p.Style == "deepObject" {
				continue
			}
			seen++
			target := strings.ReplaceAll(o.path, "{id}", "sup_1") + "?" + p.Name
			code := cmp.Or(codes[p.Name], "invalid_"+p.Name)
			r.do(t, o.method, target+"=", "").refused(t, 400, code, p.Name)
			r.do(t, o.method, target, "").refused(t, 400, code, p.Name)
		}
	}
	if seen < 20 {
		t.Errorf("got %d parameters, want at least 20", seen)
	}
}

// What selects emails in a body is held to the same.
func TestEmptyFieldsThatSelectAreRefused(t *testing.T) {
	t.Parallel()
	r := postOffice(t)
	for _, field := range []string{"provider", "code", "cursor"} {
		r.do(t, "POST", "/api/emails/retry", `{"status":"failed","`+field+`":""}`, asJSON).refused(t, 400, "invalid_"+field, field)
	}
	r.do(t, "POST", "/api/emails/retry", `{"status":"failed","provider":"outbox","code":"quota_exceeded"}`, asJSON).hasStatus(t, 200)
	r.do(t, "POST", "/api/emails/retry", `{"status":"failed","cursor":"nonsense"}`, asJSON).refused(t, 400, "invalid_cursor", "cursor")
}

// An unknown status would list nothing, which looks like an answer.
func TestUnknownStatusesAreRefused(t *testing.T) {
	t.Parallel()
	r, _ := shop(t)
	r.pay(t)
	for _, status := range []string{"paid", "Succeeded", "succeeded ", "cancelled", "sent"} {
		r.do(t, "GET", fmt.Sprintf("/api/payments?status=%s", strings.ReplaceAll(status, " ", "%20")), "").refused(t, 400, "invalid_status", "status")
	}
	for _, status := range []string{"succeded", "processing", "Queued"} {
		r.do(t, "GET", "/api/emails?status="+status, "").refused(t, 400, "invalid_status", "status")
	}
	for path, want := range map[string]string{
		"/api/payments": "status must be one of requires_payment_method, requires_confirmation, requires_action, processing, requires_capture, succeeded, canceled",
		"/api/emails":   "status must be one of queued, sending, sent, delivered, failed, unknown, canceled, suppressed, split",
	} {
		if got := r.do(t, "GET", path+"?status=bounced", "").err.Message; got != want {
			t.Errorf("%s: message = %q, want %q", path, got, want)
		}
	}
	for status, n := range map[string]int{"succeeded": 1, "canceled": 0, "requires_payment_method": 0} {
		a := r.do(t, "GET", "/api/payments?status="+status, "")
		if a.status != 200 || strings.Count(a.body, `"amountCapturable"`) != n {
			t.Errorf("%q: %d %s, want %d", status, a.status, a.body, n)
		}
	}
}
