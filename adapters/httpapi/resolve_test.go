package httpapi_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// servePayments serves the payments of the rig's journal, without any provider.
func servePayments(t *testing.T) *rig {
	t.Helper()
	var r *rig
	var server *httpapi.Server
	r = serve(t, func(s *httpapi.Server) { server = s })
	server.Payments = payments.New(payments.Options{Journal: r.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: slog.New(slog.DiscardHandler)})
	return r
}

// store saves a payment with this refund. With an owner, it is claimed.
func (r *rig) store(t *testing.T, tenant, owner string, due time.Time, refund payment.Operation) {
	t.Helper()
	refund.ID, refund.Action, refund.Provider, refund.Amount = "op_2", payment.Refund, "stripe", 250
	refund.Request.Reference, refund.StartedAt = "pi_1", noon
	body, err := json.Marshal(payment.Payment{
		ID: "pay_1", Tenant: tenant, Amount: 1250, Currency: "usd", Status: payment.Succeeded, CaptureMethod: payment.CaptureAutomatic,
		Provider: "stripe", Account: "acct_1", ProviderReference: "pi_1", AmountCaptured: 1250, ExpiresAt: noon.Add(time.Hour),
		Operations: []payment.Operation{{ID: "op_1", Action: payment.Create, Provider: "stripe", Outcome: payment.Done, Tries: 1, StartedAt: noon}, refund},
		CreatedAt:  noon, UpdatedAt: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = r.journal.Save(t.Context(), &ports.Record{
		Tenant: tenant, Kind: "payment", ID: "pay_1", Queue: "payments", Owner: owner, Due: due, Body: body,
		Index: ports.Index{Status: string(payment.Succeeded), Created: noon},
	})[0]
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPaymentShowsTheStateOfItsOperations(t *testing.T) {
	t.Parallel()
	next := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for _, row := range []struct {
		name, owner string
		refund      payment.Operation
		shown       []string // in the body
		hidden      string   // not in the body
	}{
		{
			"an unknown outcome has the time of the next look-up", "",
			payment.Operation{Outcome: payment.Unknown, Tries: 3},
			[]string{`"nextLookAt":"` + next.Format(time.RFC3339) + `"`, `"outcome":"unknown","provider":"stripe","startedAt":"2026-07-01T12:00:00Z","tries":3`, `"status":"pending"`},
			"",
		},
		{
			"a waiting operation is pending", "",
			payment.Operation{Outcome: payment.Waiting},
			[]string{`"nextLookAt":`, `"outcome":"waiting"`, `"status":"pending"`},
			`"tries"`,
		},
		{"no next look-up while one is under way", "two", payment.Operation{Outcome: payment.Unknown}, []string{`"outcome":"unknown"`}, "nextLookAt"},
		{"no next look-up of a completed operation", "", payment.Operation{Outcome: payment.Done}, []string{`"account":"acct_1"`, `"expiresAt":"2026-07-01T13:00:00Z"`}, "nextLookAt"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := servePayments(t)
			r.store(t, "default", row.owner, next, row.refund)
			a := r.do(t, "GET", "/api/payments/pay_1", "")
			a.hasStatus(t, 200)
			for _, text := range row.shown {
				if !strings.Contains(a.body, text) {
					t.Errorf("body = %s, want %s in it", a.body, text)
				}
			}
			if row.hidden != "" && strings.Contains(a.body, row.hidden) {
				t.Errorf("body = %s, want no %s in it", a.body, row.hidden)
			}
		})
	}
}

const resolve = "/api/payments/pay_1/resolve"

func TestAVerdictResolvesAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	r := servePayments(t)
	r.store(t, "default", "", time.Now().Add(time.Hour), payment.Operation{Outcome: payment.Unknown})
	const verdict = `{"verdict":"not_executed","note":"it is not in the dashboard"}`
	a := r.do(t, "POST", resolve, verdict, asJSON)
	a.hasStatus(t, 200)
	for _, text := range []string{`"outcome":"not_executed"`, `"by":"local"`, `"note":"it is not in the dashboard"`, `"reason":"unknown_outcome"`, `"verdict":"not_executed"`} {
		if !strings.Contains(a.body, text) {
			t.Errorf("body = %s, want %s in it", a.body, text)
		}
	}
	repeated := r.do(t, "POST", resolve, verdict, asJSON)
	repeated.hasStatus(t, 200)
	if repeated.body != a.body {
		t.Errorf("body of the repeated request = %s, want %s", repeated.body, a.body)
	}
	r.do(t, "POST", resolve, `{"verdict":"executed"}`, asJSON).refused(t, 409, "nothing_unknown", "")
}

func TestInvalidVerdictsAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, owner, body string
		status            int
		code, param       string
	}{
		{"of nothing", "", `{}`, 400, "invalid_verdict", "verdict"},
		{"of no known kind", "", `{"verdict":"lost"}`, 400, "invalid_verdict", "verdict"},
		{"with a field that is none", "", `{"verdict":"noted","by":"eve"}`, 400, "unknown_field", "by"},
		{"with a long note", "", `{"verdict":"noted","note":"` + strings.Repeat("n", 1001) + `"}`, 400, "invalid_note", "note"},
		{"with a card's number", "", `{"verdict":"noted","note":"4242 4242 4242 4242"}`, 400, "invalid_note", "note"},
		{"while a call is under way", "two", `{"verdict":"not_executed"}`, 409, "operation_in_progress", ""},
		{"that only the provider can prove", "", `{"verdict":"executed","reference":"re_1"}`, 503, "provider_not_configured", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := servePayments(t)
			r.store(t, "default", row.owner, time.Now().Add(time.Hour), payment.Operation{Outcome: payment.Unknown})
			r.do(t, "POST", resolve, row.body, asJSON).refused(t, row.status, row.code, row.param)
		})
	}
}

// A key that may take payments may not settle their outcome.
func TestAVerdictNeedsAScopeOfItsOwn(t *testing.T) {
	t.Parallel()
	r := servePayments(t)
	r.store(t, "acme", "", time.Now().Add(time.Hour), payment.Operation{Outcome: payment.Unknown})
	with := func(tenant, scope string) (header, string) {
		token, key, err := r.access.Create(t.Context(), tenant, "test", []string{scope}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return header{"Authorization": "Bearer " + token}, key.ID
	}
	const verdict = `{"verdict":"not_executed"}`
	shop, _ := with("acme", "payments:write")
	r.do(t, "POST", resolve, verdict, asJSON, shop).refused(t, 403, "scope_missing", "")
	other, _ := with("other", "payments:resolve")
	r.do(t, "POST", resolve, verdict, asJSON, other).refused(t, 404, "record_not_found", "")
	ada, id := with("acme", "payments:resolve")
	if a := r.do(t, "POST", resolve, verdict, asJSON, ada); a.status != 200 || !strings.Contains(a.body, `"by":"`+id+`"`) {
		t.Errorf("got %d %s, want 200, %q in it", a.status, a.body, `"by":"`+id+`"`)
	}
}
