package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// TestTheDocumentNamesThePostsThatTakeAKey checks every POST: if the OpenAPI document says that it
// takes an idempotency key, a repeat is replayed; otherwise it is executed again and not marked as
// a replay.
func TestTheDocumentNamesThePostsThatTakeAKey(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	payment := func(operation string, more object) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			a := g.Do(t, "POST", "/api/payments", pay("pm_card_visa", more))
			if a.Status != 201 {
				t.Fatalf("got %d %s, want 201", a.Status, a.Body)
			}
			return "/api/payments/" + a.Text("id") + "/" + operation
		}
	}
	email := func(operation string) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			a := g.Do(t, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": "s", "text": "t", "sendAt": time.Now().Add(time.Hour)})
			if a.Status != 202 {
				t.Fatalf("got %d %s, want 202", a.Status, a.Body)
			}
			return "/api/emails/" + a.Text("id") + "/" + operation
		}
	}
	withTemplate(t, g)
	batch := func(operation string) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			a := g.Do(t, "POST", "/api/emails/batch", batchOf(1, object{"sendAt": time.Now().Add(time.Hour)}))
			a.HasStatus(t, 202)
			return "/api/emails/batch/" + a.Text("id") + "/" + operation
		}
	}
	at := func(path string) func(*testing.T) string { return func(*testing.T) string { return path } }
	server := object{"confirm": false, "confirmation": "server"}
	rows := map[string]struct {
		path func(*testing.T) string
		body any
	}{
		"createPayment":   {at("/api/payments"), pay("pm_card_visa")},
		"confirmPayment":  {payment("confirm", server), object{}},
		"capturePayment":  {payment("capture", object{"captureMethod": "manual"}), object{}},
		"cancelPayment":   {payment("cancel", server), nil},
		"refundPayment":   {payment("refunds", nil), object{"amount": 500}},
		"syncPayment":     {payment("sync", nil), nil},
		"resolvePayment":  {payment("resolve", nil), object{"verdict": "noted"}},
		"sendEmail":       {at("/api/emails"), object{"to": []string{"ada@example.com"}, "subject": "s", "text": "t"}},
		"retryEmail":      {email("retry"), nil},
		"cancelEmail":     {email("cancel"), nil},
		"retryEmails":     {at("/api/emails/retry"), object{"status": "failed"}},
		"rescheduleEmail": {email("reschedule"), object{"sendAt": time.Now().Add(2 * time.Hour)}},
		"sendBatch":       {at("/api/emails/batch"), batchOf(1, nil)},
		"cancelBatch":     {batch("cancel"), nil},
		"rescheduleBatch": {batch("reschedule"), object{"sendAt": time.Now().Add(2 * time.Hour)}},
		"addSuppression":  {at("/api/suppressions"), object{"email": "eve@example.com"}},
		"unsubscribe":     {at("/unsubscribe/of-nobody"), nil},
		"createUser":      {at("/api/users"), object{"email": "ada@example.com"}},
	}
	for id, takes := range postsWithKeys(t, g) {
		row, ok := rows[id]
		if !ok {
			t.Errorf("%s has no row in the table", id)
			continue
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			path := row.path(t)
			first := g.Do(t, "POST", path, row.body, gateway.Key("of "+id))
			again := g.Do(t, "POST", path, row.body, gateway.Key("of "+id))
			if first.Header.Get("Idempotency-Replayed") != "" || (again.Header.Get("Idempotency-Replayed") == "true") != takes {
				t.Errorf("replayed, by the document: want %v, got %d %s, then %d %v %s", takes, first.Status, first.Body, again.Status, again.Header, again.Body)
			}
			if takes && first.Status >= 300 {
				t.Errorf("got %d %s, want 2xx", first.Status, first.Body)
			}
		})
	}
}

// postsWithKeys returns the POSTs of the document except the webhooks, and whether it says that
// they take a key.
func postsWithKeys(t *testing.T, g *gateway.Gateway) map[string]bool {
	t.Helper()
	var document struct {
		Paths map[string]struct {
			Post *struct {
				ID         string `json:"operationId"`
				Parameters []struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	if err := json.Unmarshal(g.Do(t, "GET", "/openapi.json", nil).Body, &document); err != nil {
		t.Fatal(err)
	}
	posts := make(map[string]bool)
	for path, methods := range document.Paths {
		if methods.Post == nil || strings.HasPrefix(path, "/api/webhooks/") {
			continue
		}
		posts[methods.Post.ID] = false
		for _, p := range methods.Post.Parameters {
			if p.Ref == "#/components/parameters/idempotencyKey" {
				posts[methods.Post.ID] = true
			}
		}
	}
	return posts
}

// TestAKeylessGatewayIsOnlyForItsMachine checks that a gateway without API keys refuses requests
// from a proxy or a web page. With an API key they are executed.
func TestAKeylessGatewayIsOnlyForItsMachine(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	p := g.Do(t, "POST", "/api/payments", pay("pm_card_visa"))
	if p.Status != 201 {
		t.Fatalf("got %d %s, want 201", p.Status, p.Body)
	}
	refunds := "/api/payments/" + p.Text("id") + "/refunds"
	foreign := []gateway.Header{
		{"X-Forwarded-For": "203.0.113.7"},
		{"Origin": "https://shop.example", "Content-Type": "text/plain"},
		{"Sec-Fetch-Site": "cross-site"},
	}
	for _, h := range foreign {
		if a := g.Wrong(t, "POST", refunds, nil, h); a.Status != 403 || a.Code() != "api_key_needed" || !strings.Contains(a.Text("error", "message"), "patchbay keys create") {
			t.Errorf("%v: got %d %s, want 403, code api_key_needed, \"patchbay keys create\" in it", h, a.Status, a.Body)
		}
	}
	if c := g.Charges(t)[p.Text("id")]; len(c) != 1 || c[0].Refunded != 0 {
		t.Fatalf("got %+v, want 1 entry, refunded 0", c)
	}
	token, err := g.Command(t, append([]string{"keys", "create", "--name", "test"}, g.Args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	key := gateway.Header{"Authorization": "Bearer " + strings.TrimSpace(string(token))}
	g.Do(t, "POST", refunds, object{"amount": 500}, key, foreign[0]).HasStatus(t, 201, "with a key")
}
