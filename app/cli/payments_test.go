package cli_test

import (
	"strings"
	"testing"
)

// While the gateway runs it has the store, and is asked.
func TestPaymentCommandsUseARunningGateway(t *testing.T) {
	t.Parallel()
	const titles = "PAYMENT  TENANT  PROVIDER  STATUS  SINCE  REASON  DETAIL\n"
	for _, row := range []struct {
		name, args, asked string
		status            int
		body              string
		want              result
	}{
		{
			"lists what needs a person", "payments review", "GET /admin/payments/review", 200,
			`{"review":{"payment":"pay_1","tenant":"acme","provider":"stripe","status":"succeeded","reason":"unknown_outcome","detail":"op_1","at":"2026-07-01T12:00:00Z"}}` +
				"\n" + `{"looked":50}` + "\n" + `{"done":true}`,
			result{0, "PAYMENT  TENANT  PROVIDER  STATUS     SINCE                 REASON           DETAIL\n" +
				"pay_1    acme    stripe    succeeded  2026-07-01T12:00:00Z  unknown_outcome  op_1\n", ""},
		},
		{"lists nothing", "payments review", "GET /admin/payments/review", 200, `{"done":true}`, result{0, titles, ""}},
		{
			"says what went wrong", "payments review", "GET /admin/payments/review", 200, `{"looked":50}` + "\n" + `{"error":"the database is gone"}`,
			result{1, "", "patchbay: the database is gone\n"},
		},
		{
			"does not take a part for the whole", "payments review", "GET /admin/payments/review", 200, `{"looked":50}`,
			result{1, "", "patchbay: the gateway at ADMIN ended before it was done: EOF\n"},
		},
		{
			"settles", "payments resolve pay_1 --verdict executed --reference re_1 --note seen --tenant acme",
			`POST /admin/payments/pay_1/resolve {"tenant":"acme","verdict":"executed","reference":"re_1","note":"seen"}`, 200, `{"id":"pay_1","status":"succeeded"}`,
			result{0, "pay_1 is settled: succeeded\n", ""},
		},
		{
			"settles nothing else", "payments resolve ../x?y --verdict noted", `POST /admin/payments/..%2Fx%3Fy/resolve {"tenant":"default","verdict":"noted"}`, 404,
			`{"error":{"message":"there is no such thing"}}`,
			result{1, "", "patchbay: the gateway at ADMIN refused: 404 Not Found there is no such thing\n"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			a := &admin{status: row.status, body: row.body}
			address := r.gateway(t, a)
			row.want.stderr = r.asked(t, address) + strings.ReplaceAll(row.want.stderr, "ADMIN", address)
			if got := r.run(t, strings.Fields(row.args)...); got != row.want {
				t.Errorf("%+v\nwant %+v", got, row.want)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.asked != row.asked {
				t.Errorf("asked for %s, want %s", a.asked, row.asked)
			}
		})
	}
}

func TestPaymentCommandsWhileNoGatewayRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.make(t)
	for _, row := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"nothing needs a person", "payments review", 0, "PAYMENT"},
		{"a payment that does not exist", "payments resolve pay_1 --verdict not_executed", 1, "not_found"},
		{"what only the provider can tell", "payments resolve pay_1 --verdict executed", 1, "start the gateway first"},
		{"no verdict", "payments resolve pay_1", 1, `required flag(s) "verdict" not set`},
		{"an unknown verdict", "payments resolve pay_1 --verdict lost", 1, "verdict must be executed, not_executed or noted"},
		{"no payment", "payments resolve --verdict noted", 1, "accepts 1 arg(s), received 0"},
	} {
		got := r.run(t, strings.Fields(row.args)...)
		if got.code != row.code || !strings.Contains(got.stdout+got.stderr, row.says) {
			t.Errorf("%s: got %+v, want exit code %d, %q in stdout or stderr", row.name, got, row.code, row.says)
		}
	}
}
