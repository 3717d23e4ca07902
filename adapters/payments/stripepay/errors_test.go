package stripepay_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/payments/stripepay"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

const canary = "sk_test_canary"

// says is an answer of Stripe's.
type says struct {
	status int
	header map[string]string
	body   string
}

func problem(fields string) string { return `{"error":{` + fields + `}}` }

// row is what one operation makes of an answer.
type row struct {
	name  string
	says  says
	kind  fault.Kind
	code  string
	param string
}

// anyOperation are answers that mean the same whatever was asked.
var anyOperation = []row{
	{"a 401", says{401, nil, problem(`"type":"invalid_request_error","message":"Invalid API Key provided: ` + canary + `"`)}, fault.Unauthorized, "provider_misconfigured", ""},
	{"a 403", says{403, nil, problem(`"type":"invalid_request_error","message":"permissions"`)}, fault.Refused, "provider_refused", ""},
	{"a 403 of an older kind", says{403, nil, problem(`"type":"permission_error","message":"permissions"`)}, fault.Refused, "provider_refused", ""},
	{"a 429", says{429, nil, problem(`"type":"invalid_request_error","code":"rate_limit","message":"slow"`)}, fault.RateLimited, "rate_limit", ""},
	{"a lock that was not to be had", says{429, nil, problem(`"type":"invalid_request_error","code":"lock_timeout","message":"locked"`)}, fault.RateLimited, "lock_timeout", ""},
	{"a lock that was not to be had, as a 409", says{409, nil, problem(`"type":"invalid_request_error","code":"lock_timeout","message":"locked"`)}, fault.RateLimited, "lock_timeout", ""},
	{"the same request under way", says{409, nil, problem(`"type":"invalid_request_error","code":"idempotency_key_in_use","message":"in use"`)}, fault.UnknownOutcome, "idempotency_key_in_use", ""},
	{"a key of another request", says{400, nil, problem(`"type":"idempotency_error","message":"other parameters"`)}, fault.UnknownOutcome, "idempotency_mismatch", ""},
	{"a conflict without a code", says{409, nil, problem(`"type":"invalid_request_error","message":"in conflict"`)}, fault.UnknownOutcome, "idempotency_key_in_use", ""},
	{"a 500", says{500, nil, problem(`"type":"api_error","message":"oops"`)}, fault.UnknownOutcome, "no_answer", ""},
	{"a 500 without a body", says{500, nil, ""}, fault.UnknownOutcome, "no_answer", ""},
	{"a 502 in HTML", says{502, nil, "<html>" + canary}, fault.UnknownOutcome, "no_answer", ""},
	{"a 503 that looks like a refusal", says{503, nil, problem(`"type":"invalid_request_error","message":"no"`)}, fault.UnknownOutcome, "no_answer", ""},
	{"a 504", says{504, nil, `{}`}, fault.UnknownOutcome, "no_answer", ""},
	{"a 200 that is no JSON", says{200, nil, `{"id":"pi_`}, fault.UnknownOutcome, "no_answer", ""},
	{"a 200 without a body", says{200, nil, ""}, fault.UnknownOutcome, "no_answer", ""},
	{"a 200 that is something else", says{200, nil, `{"hello":"` + canary + `"}`}, fault.UnknownOutcome, "no_answer", ""},
	{"a 204", says{204, nil, ""}, fault.UnknownOutcome, "no_answer", ""},
	{"a redirect", says{302, map[string]string{"Location": "https://" + canary + ".example.com"}, ""}, fault.UnknownOutcome, "no_answer", ""},
	{"a 400 of somebody in between", says{400, nil, "<html>Bad Request"}, fault.UnknownOutcome, "no_answer", ""},
	{"a 400 of a type that nobody knows", says{400, nil, problem(`"type":"new_error","message":"new"`)}, fault.UnknownOutcome, "no_answer", ""},
	{"a 404 of an address that is none", says{404, nil, problem(`"type":"invalid_request_error","message":"Unrecognized request URL"`)}, fault.UnknownOutcome, "no_answer", ""},
	{"a 404 of somebody in between", says{404, nil, "not found"}, fault.UnknownOutcome, "no_answer", ""},
	{"a 408", says{408, nil, ""}, fault.UnknownOutcome, "no_answer", ""},
	{"no such intent", says{404, nil, problem(`"type":"invalid_request_error","code":"resource_missing","param":"intent","message":"No such payment_intent"`)}, fault.NotFound, "resource_missing", ""},
}

var onCreate = []row{
	{"a decline", says{402, nil, problem(`"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"Your card was declined."`)}, fault.Declined, "card_declined", ""},
	{"an expired card", says{402, nil, problem(`"type":"card_error","code":"expired_card","message":"expired"`)}, fault.Declined, "expired_card", ""},
	{"a card error with a 400", says{400, nil, problem(`"type":"card_error","code":"invalid_number","message":"number"`)}, fault.Declined, "invalid_number", ""},
	{"a request that failed", says{402, nil, problem(`"type":"invalid_request_error","code":"payment_intent_payment_attempt_failed","message":"failed"`)}, fault.Declined, "payment_intent_payment_attempt_failed", ""},
	{"too small an amount", says{400, nil, problem(`"type":"invalid_request_error","code":"amount_too_small","param":"amount","message":"small"`)}, fault.Invalid, "amount_too_small", "amount"},
	{"a parameter that is unknown", says{400, nil, problem(`"type":"invalid_request_error","code":"parameter_unknown","param":"colour","message":"unknown"`)}, fault.Invalid, "parameter_unknown", ""},
	{"a parameter without a code", says{400, nil, problem(`"type":"invalid_request_error","param":"metadata[order]","message":"long"`)}, fault.Invalid, "invalid_request", "metadata"},
	{"a payment method that is not there", says{400, nil, problem(`"type":"invalid_request_error","code":"resource_missing","param":"payment_method","message":"No such PaymentMethod"`)}, fault.Invalid, "resource_missing", "paymentMethod"},
	{"a customer that is not there", says{404, nil, problem(`"type":"invalid_request_error","code":"resource_missing","param":"customer","message":"No such customer"`)}, fault.Invalid, "resource_missing", "customerId"},
	{"a currency that the account cannot charge", says{400, nil, problem(`"type":"invalid_request_error","param":"currency","message":"Invalid currency: xts."`)}, fault.Unsupported, "currency_unsupported", "currency"},
	{"a payment that cannot be captured later", says{400, nil, problem(`"type":"invalid_request_error","code":"parameter_invalid_string","param":"capture_method","message":"manual"`)}, fault.Unsupported, "parameter_invalid_string", "captureMethod"},
	{"no payment method to confirm with", says{400, nil, problem(`"type":"invalid_request_error","code":"payment_intent_unexpected_state","message":"missing a payment method"`)}, fault.Invalid, "payment_method_missing", "paymentMethod"},
	{"a code that is no word", says{400, nil, problem(`"type":"invalid_request_error","code":"` + canary + ` X","message":"` + canary + `"`)}, fault.Invalid, "invalid_request", ""},
}

var onCapture = []row{
	{"an intent that cannot be captured", says{400, nil, problem(`"type":"invalid_request_error","code":"payment_intent_unexpected_state","message":"state"`)}, fault.Conflict, "unexpected_state", ""},
	{"a charge captured already", says{400, nil, problem(`"type":"invalid_request_error","code":"charge_already_captured","message":"state"`)}, fault.Conflict, "unexpected_state", ""},
	{"an authorisation that has expired", says{400, nil, problem(`"type":"invalid_request_error","code":"charge_expired_for_capture","message":"state"`)}, fault.Conflict, "unexpected_state", ""},
	{"more than was authorised", says{400, nil, problem(`"type":"invalid_request_error","code":"amount_too_large","param":"amount_to_capture","message":"large"`)}, fault.Invalid, "amount_too_large", "amount"},
}

var onRefund = []row{
	{"more than is left", says{400, nil, problem(`"type":"invalid_request_error","param":"amount","message":"greater than unrefunded amount"`)}, fault.Invalid, "amount_too_large", "amount"},
	{"nothing left", says{400, nil, problem(`"type":"invalid_request_error","code":"charge_already_refunded","message":"refunded"`)}, fault.Conflict, "unexpected_state", ""},
	{"nothing paid", says{400, nil, problem(`"type":"invalid_request_error","param":"payment_intent","message":"no successful charge"`)}, fault.Conflict, "unexpected_state", ""},
	{"a disputed charge", says{400, nil, problem(`"type":"invalid_request_error","code":"charge_disputed","message":"disputed"`)}, fault.Conflict, "unexpected_state", ""},
	{"no such intent", says{404, nil, problem(`"type":"invalid_request_error","code":"resource_missing","param":"payment_intent","message":"No such payment_intent"`)}, fault.NotFound, "resource_missing", ""},
}

// operations are all that a gateway does, by name.
var operations = map[string]func(t *testing.T, g *stripepay.Gateway) error{
	"create": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Create(t.Context(), payment.CreateRequest{Key: "k", Amount: 100, Currency: "usd", Confirm: true})
		return err
	},
	"confirm": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Confirm(t.Context(), payment.ConfirmRequest{Key: "k", Reference: "pi_1"})
		return err
	},
	"capture": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Capture(t.Context(), payment.CaptureRequest{Key: "k", Reference: "pi_1"})
		return err
	},
	"cancel": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Cancel(t.Context(), payment.CancelRequest{Key: "k", Reference: "pi_1"})
		return err
	},
	"refund": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Refund(t.Context(), payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 100, Currency: "usd"})
		return err
	},
	"retrieve": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Retrieve(t.Context(), "pi_1")
		return err
	},
	"refunds": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Refunds(t.Context(), "pi_1")
		return err
	},
	"disputes": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.Disputes(t.Context(), "pi_1")
		return err
	},
	"list": func(t *testing.T, g *stripepay.Gateway) error {
		_, err := g.List(t.Context(), payment.ListRequest{Limit: 10})
		return err
	},
}

// answered is a gateway whose Stripe gives this answer to everything.
func answered(t *testing.T, s says) *stripepay.Gateway {
	t.Helper()
	return served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for name, value := range s.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
	})
}

func served(t *testing.T, h http.HandlerFunc) *stripepay.Gateway {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	g, err := stripepay.New(stripepay.Options{Name: "stripe", SecretKey: canary, HTTP: httpclient.Options{BaseURL: server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestErrorMapping(t *testing.T) {
	t.Parallel()
	check := func(op string, rows []row) {
		for _, r := range rows {
			t.Run(op+": "+r.name, func(t *testing.T) {
				t.Parallel()
				err := operations[op](t, answered(t, r.says))
				f := fault.From(err)
				if err == nil || f.Kind != r.kind || f.Code != r.code || f.Param != r.param {
					t.Errorf("%v (code %q, param %q), want %v, %q, %q", err, f.Code, f.Param, r.kind, r.code, r.param)
				}
				if f.Op != "stripepay."+op || f.Provider != "stripe" || f.Message == "" {
					t.Errorf("%+v does not say where it comes from", f)
				}
				if said := err.Error() + f.Code + f.Message; strings.Contains(said, canary) {
					t.Errorf("the key is in %q", said)
				}
			})
		}
	}
	for op := range operations {
		check(op, anyOperation)
	}
	check("create", onCreate)
	check("capture", onCapture)
	check("refund", onRefund)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	limited := answered(t, says{429, map[string]string{"Retry-After": "7"}, problem(`"type":"invalid_request_error","code":"rate_limit","message":"slow"`)})
	if err := operations["create"](t, limited); fault.From(err).RetryAfter != 7*time.Second {
		t.Errorf("%v after %s", err, fault.From(err).RetryAfter)
	}
	for value, want := range map[string]bool{"false": true, "true": false, "": false} {
		broken := answered(t, says{500, map[string]string{"Stripe-Should-Retry": value}, ""})
		if err := operations["create"](t, broken); fault.From(err).NoRetry != want {
			t.Errorf("Stripe-Should-Retry %q: %+v", value, fault.From(err))
		}
	}
}

// An answer about something else proves nothing about what was asked.
func TestAnAnswerAboutSomethingElseIsUnknown(t *testing.T) {
	t.Parallel()
	const other = `"object":"payment_intent","amount":100,"currency":"usd","status":"succeeded"`
	for op, body := range map[string]string{
		"confirm": `{"id":"pi_2",` + other + `}`, "capture": `{"id":"pi_2",` + other + `}`, "cancel": `{"id":"pi_2",` + other + `}`,
		"retrieve": `{"id":"pi_2",` + other + `}`, "create": `{"id":"","object":"payment_intent","amount":100,"currency":"usd","status":"succeeded"}`,
		"refund":  `{"id":"re_1","object":"refund","amount":99,"currency":"usd","payment_intent":"pi_1","status":"succeeded"}`,
		"refunds": `{"object":"list","url":"/v1/refunds","data":[{"id":"re_1","object":"refund","amount":1,"payment_intent":"pi_2","status":"succeeded"}]}`,
		"list":    `{"object":"list","url":"/v1/payment_intents","data":[null]}`,
	} {
		if err := operations[op](t, answered(t, says{200, nil, body})); !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// What is odd in one field is still the object that was asked for: it neither counts
// against Stripe nor leaves the payment locked.
func TestAnAnswerThatIsOddInOneFieldIsAnAnswer(t *testing.T) {
	t.Parallel()
	dreaming := answered(t, says{200, nil, `{"id":"pi_1","object":"payment_intent","amount":100,"currency":"usd","status":"dreaming"}`})
	if i, err := dreaming.Retrieve(t.Context(), "pi_1"); err != nil || i.Status != payment.Processing {
		t.Errorf("a status of tomorrow: %+v, %v; want one that is asked for again", i, err)
	}
	g := answered(t, says{200, nil, `{"id":"pi_1","object":"payment_intent","amount":0,"currency":"usd","status":"succeeded"}`})
	if _, err := g.Retrieve(t.Context(), "pi_1"); !fault.Is(err, fault.UnknownOutcome) || !fault.From(err).Blameless {
		t.Errorf("an amount that cannot be: %v; want it unknown, and not held against Stripe", err)
	}
	for id, status := range map[string]string{"pyr_1": "pending", "py_1": "succeeded", "re_1": "dreaming"} {
		g := answered(t, says{200, nil, `{"id":"` + id + `","object":"refund","amount":1,"currency":"usd","payment_intent":"pi_1","status":"` + status + `"}`})
		r, err := g.Refund(t.Context(), payment.RefundRequest{Key: "k", Reference: "pi_1", Amount: 1, Currency: "usd"})
		if err != nil || r.Reference != id || r.Status != status {
			t.Errorf("%s, %s: %+v, %v", id, status, r, err)
		}
	}
}
