package stripepay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/webhook"
	"patchbay/tests/contract/webhooktest"
)

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const body = `{"id":"evt_1","type":"payment_intent.succeeded","created":1700000000,"data":{"object":{"id":"pi_1","status":"succeeded","amount":500,"amount_received":500,"currency":"usd"}}}`

// sign gives the header for a body, as Stripe's own library makes it.
func sign(body, secret string, at time.Time) string {
	return stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{
		Payload: []byte(body), Secret: secret, Timestamp: at,
	}).Header
}

func TestVerify(t *testing.T) {
	t.Parallel()
	right := sign(body, "whsec_new", now)
	v1 := func(header string) string { return header[strings.Index(header, "v1=")+3:] }
	tests := []struct {
		name, body, header string
		provider           string // empty: refused
	}{
		{"the present secret", body, right, "acme"},
		{"the secret before it", body, sign(body, "whsec_old", now), "acme"},
		{"another account's secret speaks for that account", body, sign(body, "whsec_eu", now), "acme-eu"},
		{"two v1, one of them right", body, fmt.Sprintf("t=%d,v1=%s,v1=%s", now.Unix(), strings.Repeat("0", 64), v1(right)), "acme"},
		{"v0 beside v1 is ignored", body, right + ",v0=" + strings.Repeat("0", 64), "acme"},
		{"almost too old", body, sign(body, "whsec_new", now.Add(-5*time.Minute)), "acme"},
		{"too old", body, sign(body, "whsec_new", now.Add(-5*time.Minute-time.Second)), ""},
		{"almost too far ahead", body, sign(body, "whsec_new", now.Add(5*time.Minute)), "acme"},
		{"from the future", body, sign(body, "whsec_new", now.Add(5*time.Minute+time.Second)), ""},
		{"a changed body", strings.Replace(body, "500", "501", 1), right, ""},
		{"a space more", body + " ", right, ""},
		{"an unknown secret", body, sign(body, "whsec_other", now), ""},
		{"no v1", body, strings.Replace(right, "v1=", "v0=", 1), ""},
		{"no time", body, right[strings.Index(right, "v1="):], ""},
		{"two times", body, fmt.Sprintf("t=%d,%s", now.Unix(), right), ""},
		{"a time that is no number", body, "t=now,v1=" + v1(right), ""},
		{"an empty header", body, "", ""},
		{"a v1 that is not hex", body, fmt.Sprintf("t=%d,v1=zz", now.Unix()), ""},
	}
	hook, err := stripepay.NewHook(clock(now),
		provider.Account{Provider: "acme", Secrets: []string{"whsec_new", "whsec_old"}},
		provider.Account{Provider: "acme-eu", Secrets: []string{"whsec_eu"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := hook.Verify(t.Context(), []byte(tt.body), func(string) string { return tt.header })
			if tt.provider == "" {
				if fault.From(err).Code != "invalid_signature" || events != nil {
					t.Fatalf("%+v, %v; want it refused", events, err)
				}
				return
			}
			if err != nil || len(events) != 1 || events[0].Provider != tt.provider || events[0].ID != "evt_1" {
				t.Fatalf("%+v, %v", events, err)
			}
		})
	}
}

func TestSignedButNoEvent(t *testing.T) {
	t.Parallel()
	hook, _ := stripepay.NewHook(clock(now), provider.Account{Provider: "acme", Secrets: []string{"whsec_1"}})
	for _, body := range []string{"", "[]", "{}", `{"id":"evt_1"}`, "{"} {
		if _, err := hook.Verify(t.Context(), []byte(body), func(string) string { return sign(body, "whsec_1", now) }); fault.From(err).Code != "invalid_payload" {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestEmptyOrSharedSecretsAreInvalid(t *testing.T) {
	t.Parallel()
	if _, err := stripepay.NewHook(clock(now), provider.Account{Provider: "acme", Secrets: []string{""}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("empty: %v", err)
	}
	_, err := stripepay.NewHook(clock(now),
		provider.Account{Provider: "acme", Secrets: []string{"whsec_1"}}, provider.Account{Provider: "acme-eu", Secrets: []string{"whsec_1"}})
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "whsec_1") {
		t.Errorf("shared: %v", err)
	}
}

func TestPayment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, object string
		want               payment.Intent
		ok                 bool
	}{
		{
			"a success", "payment_intent.succeeded",
			`{"id":"pi_1","status":"succeeded","amount":500,"amount_received":500,"currency":"usd","metadata":{"a":"b"}}`,
			payment.Intent{Reference: "pi_1", Status: "succeeded", Amount: 500, AmountCaptured: 500, Currency: "usd"},
			true,
		},
		{
			"a refund names the charge's intent and says nothing of its status", "charge.refunded",
			`{"id":"ch_1","payment_intent":"pi_1","amount":500,"amount_captured":500,"amount_refunded":200,"currency":"usd"}`,
			payment.Intent{Reference: "pi_1", Amount: 500, AmountCaptured: 500, AmountRefunded: 200, Currency: "usd"},
			true,
		},
		{
			"krónur, which Stripe counts in hundredths", "payment_intent.amount_capturable_updated",
			`{"id":"pi_1","status":"requires_capture","amount":50000,"amount_capturable":50000,"currency":"isk"}`,
			payment.Intent{Reference: "pi_1", Status: "requires_capture", Amount: 500, AmountCapturable: 500, Currency: "isk"},
			true,
		},
		{
			"krónur that were taken", "payment_intent.succeeded",
			`{"id":"pi_1","status":"succeeded","amount":50000,"amount_received":50000,"currency":"isk"}`,
			payment.Intent{Reference: "pi_1", Status: "succeeded", Amount: 500, AmountCaptured: 500, Currency: "isk"},
			true,
		},
		{
			"a refund of ariary, which Stripe counts whole", "charge.refunded",
			`{"id":"ch_1","payment_intent":"pi_1","amount":500,"amount_captured":500,"amount_refunded":200,"currency":"mga"}`,
			payment.Intent{Reference: "pi_1", Amount: 50000, AmountCaptured: 50000, AmountRefunded: 20000, Currency: "mga"},
			true,
		},
		{
			"a refund that has failed", "charge.refund.updated",
			`{"id":"pyr_1","object":"refund","payment_intent":"pi_1","amount":200,"currency":"usd","status":"failed","failure_reason":"declined","reason":"duplicate","created":1700000000}`,
			payment.Intent{Reference: "pi_1", Refunds: []payment.ProviderRefund{{
				Reference: "pyr_1", Intent: "pi_1", Amount: 200, Currency: "usd", Status: "failed", Failure: "declined", Reason: "duplicate",
				CreatedAt: time.Unix(1700000000, 0).UTC(),
			}}},
			true,
		},
		{"a refund that is none", "refund.created", `{"id":"re_1","payment_intent":null}`, payment.Intent{}, false},
		{
			"a dispute", "charge.dispute.funds_withdrawn",
			`{"id":"dp_1","payment_intent":"pi_1","amount":500,"currency":"usd","status":"needs_response","reason":"fraudulent","evidence_details":{"due_by":1700000000},"balance_transactions":[{"amount":-500}]}`,
			payment.Intent{Reference: "pi_1", Disputed: true, Disputes: []payment.Dispute{{
				Reference: "dp_1", Amount: 500, Currency: "usd", Status: "needs_response", Reason: "fraudulent",
				DueBy: time.Unix(1700000000, 0).UTC(), FundsWithdrawn: true,
			}}},
			true,
		},
		{
			"a dispute that was won, counted as Stripe counts its currency", "charge.dispute.funds_reinstated",
			`{"id":"dp_1","payment_intent":"pi_1","amount":50000,"currency":"isk","status":"won","balance_transactions":[{"amount":-500},{"amount":500}]}`,
			payment.Intent{Reference: "pi_1", Disputed: true, Disputes: []payment.Dispute{{Reference: "dp_1", Amount: 500, Currency: "isk", Status: "won"}}},
			true,
		},
		{"a refund of a charge without an intent", "charge.refunded", `{"id":"ch_1","payment_intent":null}`, payment.Intent{}, false},
		{"another type", "customer.created", `{"id":"cus_1"}`, payment.Intent{}, false},
	}
	hook, _ := stripepay.NewHook(clock(now))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := hook.Payment(webhook.Event{Type: tt.kind, Object: []byte(tt.object)})
			got.Metadata = nil
			if err != nil || ok != tt.ok || ok && fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%+v, %v, %v; want %+v", got, ok, err, tt.want)
			}
		})
	}
	for name, e := range map[string]webhook.Event{
		"an object of the wrong shape": {Type: "payment_intent.succeeded", Object: []byte(`[]`)},
		"a part of a króna":            {Type: "payment_intent.succeeded", Object: []byte(`{"id":"pi_1","amount":550,"currency":"isk"}`)},
		"a refunded part of a króna":   {Type: "charge.refunded", Object: []byte(`{"payment_intent":"pi_1","amount_refunded":550,"currency":"isk"}`)},
	} {
		if _, _, err := hook.Payment(e); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The key tells which request an event is the effect of.
func TestTheKeyOfTheRequestIsRead(t *testing.T) {
	t.Parallel()
	hook, _ := stripepay.NewHook(clock(now), provider.Account{Provider: "acme", Secrets: []string{"whsec_1"}})
	for request, want := range map[string]string{
		`{"id":"req_1","idempotency_key":"pbk_1"}`: "pbk_1", `{"id":null,"idempotency_key":null}`: "", `"req_1"`: "", `null`: "",
	} {
		body := `{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1"}},"request":` + request + `}`
		events, err := hook.Verify(t.Context(), []byte(body), func(string) string { return sign(body, "whsec_1", now) })
		if err != nil || events[0].Key != want {
			t.Errorf("%s: %+v, %v", request, events, err)
			continue
		}
		if i, _, err := hook.Payment(events[0]); err != nil || i.Key != want {
			t.Errorf("%s: %q, %v", request, i.Key, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(body), sign(body, "whsec_other", now))
	f.Add([]byte(""), "t=1,v1=")
	hook, _ := stripepay.NewHook(clock(now), provider.Account{Provider: "acme", Secrets: []string{"whsec_1"}})
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		if _, err := hook.Verify(t.Context(), body, func(string) string { return header }); err == nil {
			t.Errorf("accepted %q for %q", header, body)
		}
	})
}

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	hook, err := stripepay.NewHook(clock(now), provider.Account{Provider: "acme", Secrets: []string{"whsec_1"}})
	if err != nil {
		t.Fatal(err)
	}
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hook, Now: now, Tolerance: stripepay.Tolerance, ByHeaders: true, CoversBody: true,
		Sign: func(at time.Time) ([]byte, map[string]string) {
			return []byte(body), map[string]string{"Stripe-Signature": sign(body, "whsec_1", at)}
		},
	})
}
