package adminapi_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// keep stores a payment with a refund of which nobody knows what became.
func keep(t *testing.T, j *memjournal.Journal, tenant, id string, change func(*payment.Payment)) {
	t.Helper()
	p := payment.Payment{
		ID: id, Tenant: tenant, Amount: 1250, Currency: "usd", Status: payment.Succeeded, Provider: "stripe", ProviderReference: "pi_" + id,
		Operations: []payment.Operation{{ID: "op_1", Action: payment.Refund, Provider: "stripe", Outcome: payment.Unknown, Amount: 250, StartedAt: noon}},
		CreatedAt:  noon, UpdatedAt: noon,
	}
	change(&p)
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	err = j.Save(t.Context(), &ports.Record{Tenant: tenant, Kind: "payment", ID: id, Queue: "payments", Due: time.Now().Add(time.Hour), Body: body, Index: ports.Index{Created: noon}})[0]
	if err != nil {
		t.Fatal(err)
	}
}

func TestReviewsAreListedAndResolved(t *testing.T) {
	t.Parallel()
	j := memjournal.New(clock.System{})
	r := serve(t, adminapi.Options{Service: adminapi.Service{Payments: payments.New(payments.Options{
		Journal: j, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: slog.New(slog.DiscardHandler),
	})}})
	keep(t, j, "default", "pay_1", func(p *payment.Payment) { p.Review(payment.ReviewUnknown, "op_1", noon) })
	keep(t, j, "default", "pay_2", func(*payment.Payment) {})
	keep(t, j, "acme", "pay_3", func(p *payment.Payment) { p.NeedsReview = true }) // by a version that kept no reasons
	if _, _, err := r.access.Create(t.Context(), "acme", "shop", nil, 0); err != nil {
		t.Fatal(err)
	}
	const (
		first  = `{"review":{"payment":"pay_1","tenant":"default","provider":"stripe","status":"succeeded","reason":"unknown_outcome","detail":"op_1","at":"2026-07-01T12:00:00Z"}}` + "\n"
		third  = `{"review":{"payment":"pay_3","tenant":"acme","provider":"stripe","status":"succeeded","reason":"unknown_outcome","at":"2026-07-01T12:00:00Z"}}` + "\n"
		looked = `{"looked":1}` + "\n"
		both   = `{"looked":2}` + "\n"
		done   = `{"done":true}` + "\n"
	)
	if a := r.do(t, "GET", "/admin/payments/review", ""); a.status != 200 || a.body != third+looked+first+both+done {
		t.Errorf("status = %d, want 200, %s", a.status, a.body)
	}
	for _, row := range []struct {
		name, id, body string
		status         int
		says           string
	}{
		{"no verdict", "pay_1", `{"tenant":"default"}`, 400, "invalid_verdict"},
		{"no JSON", "pay_1", `executed`, 400, "refused"},
		{"a misspelled field", "pay_1", `{"tenant":"default","verdict":"noted","notes":"n"}`, 400, "refused"},
		{"another tenant's", "pay_1", `{"tenant":"acme","verdict":"not_executed"}`, 404, "not_found"},
		{"what it was not", "pay_1", `{"tenant":"default","verdict":"not_executed","note":"n"}`, 200, `{"id":"pay_1","status":"succeeded"}`},
		{"the same again", "pay_1", `{"tenant":"default","verdict":"not_executed","note":"n"}`, 200, `{"id":"pay_1","status":"succeeded"}`},
		{"another's", "pay_3", `{"tenant":"acme","verdict":"not_executed"}`, 200, `{"id":"pay_3","status":"succeeded"}`},
	} {
		if a := r.do(t, "POST", "/admin/payments/"+row.id+"/resolve", row.body); a.status != row.status || !strings.Contains(a.body, row.says) {
			t.Errorf("%s: %d %s", row.name, a.status, a.body)
		}
	}
	if a := r.do(t, "GET", "/admin/payments/review", ""); a.body != looked+both+done {
		t.Errorf("after the verdicts: %s", a.body)
	}
	foreign := header{"Origin": "https://evil.example"}
	if a := r.do(t, "POST", "/admin/payments/pay_2/resolve", `{"tenant":"default","verdict":"not_executed"}`, foreign); a.status != 403 {
		t.Errorf("from another site: status = %d, want 403, %s", a.status, a.body)
	}
}

func TestAnIncompleteListOfReviewsEndsWithAnError(t *testing.T) {
	t.Parallel()
	j := memjournal.New(clock.System{})
	r := serve(t, adminapi.Options{Service: adminapi.Service{Payments: payments.New(payments.Options{Journal: j, Clock: clock.System{}, IDs: ids.UUIDs{}, Log: slog.New(slog.DiscardHandler)})}})
	if err := j.Save(t.Context(), &ports.Record{Tenant: "default", Kind: "payment", ID: "pay_1", Body: []byte("{")})[0]; err != nil {
		t.Fatal(err)
	}
	if a := r.do(t, "GET", "/admin/payments/review", ""); !strings.HasPrefix(a.body, `{"error":`) || strings.Contains(a.body, "done") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
