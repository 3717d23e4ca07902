package stripepay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/defaultpolicy"
)

// What stands between refuses with any status, whether or not Stripe has done what
// was asked: none of it proves anything, and a look that got it has not looked.
func TestARefusalCountsInStripesOwnWordsAlone(t *testing.T) {
	t.Parallel()
	own := problem(`"type":"invalid_request_error","code":"resource_missing","param":"intent","message":"No."`)
	for name, s := range map[string]says{
		"a page":                          {0, map[string]string{"Content-Type": "text/html"}, "<html>" + canary},
		"nothing":                         {0, nil, ""},
		"a text":                          {0, map[string]string{"Content-Type": "text/plain"}, "Forbidden"},
		"JSON of somebody else's":         {0, nil, `{"message":"` + canary + `"}`},
		"JSON with an error that is text": {0, nil, `{"error":"` + canary + `"}`},
		"an error without a type":         {0, nil, problem(`"message":"` + canary + `"`)},
		"an error of a type of its own":   {0, nil, problem(`"type":"forbidden","message":"` + canary + `"`)},
		"Stripe's error in a page":        {0, map[string]string{"Content-Type": "text/html"}, own},
		"Stripe's error, cut short":       {0, nil, own[:len(own)-2]},
		"Stripe's error in a list":        {0, nil, "[" + own + "]"},
	} {
		for _, s.status = range []int{400, 401, 402, 403, 404, 405, 409, 422, 429} {
			for op, call := range operations {
				t.Run(fmt.Sprintf("%s: %d with %s", op, s.status, name), func(t *testing.T) {
					t.Parallel()
					err := call(t, answered(t, s))
					if f := fault.From(err); f.Kind != fault.UnknownOutcome || f.Code != "no_answer" || f.Proven {
						t.Errorf("%+v", f)
					}
					if err != nil && strings.Contains(err.Error(), canary) {
						t.Errorf("somebody's words are in %q", err)
					}
				})
			}
		}
	}
}

// A page after the commit: the gateway must be able to find the charge, and must
// not say that there is none.
func TestAPageAfterTheCommitIsUnknown(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 402, 403, 404, 405, 409, 429, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			sim := stripesim.Start(t, stripesim.Options{})
			sim.Inject(faultserver.Fault{Match: stripesim.On(payment.Create), After: true, Mishap: faultserver.Page(status)})
			g := open(t, sim)
			r := charge()
			if _, err := g.Create(t.Context(), r); !fault.Is(err, fault.UnknownOutcome) {
				t.Fatalf("%v", err)
			}
			if i, err := g.Create(t.Context(), r); err != nil || len(sim.Book()) != 1 || i.Reference != sim.Book()[0].Reference {
				t.Errorf("the repeat: %s, %v, book %+v", i.Reference, err, sim.Book())
			}
		})
	}
}

func charge() payment.CreateRequest {
	return payment.CreateRequest{
		Key: "k", Amount: 2000, Currency: "usd", PaymentMethod: "pm_card_visa", Confirm: true,
		Metadata: map[string]string{payment.MetaOperation: "op_1"},
	}
}

// Once a try is unknown, Stripe's own refusal of a repeat proves nothing either: it
// may refuse before it looks at the key.
func TestARefusalAfterAnUnknownTryIsNoProof(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]faultserver.Mishap{
		"a 400":                      stripesim.Says(400, "invalid_request_error", "parameter_unknown"),
		"a 400 about the key":        stripesim.Says(400, "idempotency_error", ""),
		"a 401":                      stripesim.Unauthorized(),
		"a 402 without its intent":   stripesim.Says(402, "card_error", "card_declined"),
		"a 403":                      stripesim.Forbidden(),
		"a 404":                      stripesim.Says(404, "invalid_request_error", "resource_missing"),
		"a 409 without a code":       stripesim.Says(409, "invalid_request_error", ""),
		"a 429":                      stripesim.RateLimited(0),
		"a 429 about a lock":         stripesim.LockTimeout(),
		"a page with a 429":          faultserver.Page(429),
		"a page with a 402":          faultserver.Page(402),
		"a 400 about its state":      stripesim.Says(400, "invalid_request_error", "payment_intent_unexpected_state"),
		"a connection that is reset": faultserver.Reset(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := stripesim.Start(t, stripesim.Options{})
			sim.Inject(
				faultserver.Fault{Match: stripesim.On(payment.Create), After: true, Mishap: faultserver.Page(502)},
				faultserver.Fault{Match: stripesim.On(payment.Create), Mishap: refusal, Standing: true},
			)
			policy := defaultpolicy.Provider()
			policy.Backoff.Initial = 1
			_, err := resilience.NewGateway(open(t, sim), resilience.Options{Policy: policy}).Create(t.Context(), charge())
			if !fault.Is(err, fault.UnknownOutcome) || len(sim.Requests()) < 2 || len(sim.Book()) != 1 {
				t.Errorf("%v after %d requests, book %+v", err, len(sim.Requests()), sim.Book())
			}
		})
	}
}

// A key that was used for another request was used: what became of that is not
// known, and asking once more is of no use. It says nothing of Stripe's health.
func TestAKeyOfAnotherRequest(t *testing.T) {
	t.Parallel()
	sim := stripesim.Start(t, stripesim.Options{})
	g := open(t, sim)
	r := charge()
	if _, err := g.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Description = "as a later version words it"
	_, err := g.Create(t.Context(), r)
	if f := fault.From(err); f.Kind != fault.UnknownOutcome || f.Code != "idempotency_mismatch" || !f.Blameless || !f.NoRetry {
		t.Errorf("%+v", f)
	}
}

// withIntent is one as Stripe tells it with an error.
func withIntent(id, status, operation string) string {
	return `"payment_intent":{"id":"` + id + `","object":"payment_intent","amount":2000,"currency":"usd","status":"` + status +
		`","metadata":{"` + payment.MetaOperation + `":"` + operation + `"}}`
}

// A decline is proof of what became of the tries before it only with the intent
// that this very request has made, or asked to confirm, and that has taken nothing.
func TestWhenADeclineIsProven(t *testing.T) {
	t.Parallel()
	create := func(operation string) func(t *testing.T, g *stripepay.Gateway) (payment.Intent, error) {
		return func(t *testing.T, g *stripepay.Gateway) (payment.Intent, error) {
			r := charge()
			r.Metadata = map[string]string{payment.MetaOperation: operation}
			return g.Create(t.Context(), r)
		}
	}
	confirm := func(t *testing.T, g *stripepay.Gateway) (payment.Intent, error) {
		return g.Confirm(t.Context(), payment.ConfirmRequest{Key: "k", Reference: "pi_1"})
	}
	const unpaid = "requires_payment_method"
	for _, c := range []struct {
		name   string
		call   func(t *testing.T, g *stripepay.Gateway) (payment.Intent, error)
		with   string
		proven bool
		given  bool // the intent, to whoever asked
	}{
		{"a create, with its intent", create("op_1"), "," + withIntent("pi_1", unpaid, "op_1"), true, true},
		{"a create, with none", create("op_1"), "", false, false},
		{"a create, with another's", create("op_1"), "," + withIntent("pi_1", unpaid, "op_2"), false, false},
		{"a create, with one of nobody's", create("op_1"), "," + withIntent("pi_1", unpaid, ""), false, false},
		{"a create that says nothing of itself", create(""), "," + withIntent("pi_1", unpaid, ""), false, true},
		{"a create, with one that cannot be read", create("op_1"), "," + withIntent("xx_1", unpaid, "op_1"), false, false},
		{"a create, with one in a state that nobody knows", create("op_1"), "," + withIntent("pi_1", "dreaming", "op_1"), false, false},
		{"a create, with one that was paid", create("op_1"), "," + withIntent("pi_1", "succeeded", "op_1"), false, true},
		{"a create, with one on its way", create("op_1"), "," + withIntent("pi_1", "processing", "op_1"), false, true},
		{"a confirm, with its intent", confirm, "," + withIntent("pi_1", unpaid, "op_1"), true, true},
		{"a confirm, with none", confirm, "", false, false},
		{"a confirm, with another", confirm, "," + withIntent("pi_2", unpaid, "op_1"), false, false},
		{"a confirm, with one that was paid", confirm, "," + withIntent("pi_1", "requires_capture", "op_1"), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := problem(`"type":"card_error","code":"card_declined","message":"Your card was declined."` + c.with)
			i, err := c.call(t, answered(t, says{402, nil, body}))
			if f := fault.From(err); f.Kind != fault.Declined || f.Proven != c.proven || (i.Reference != "") != c.given {
				t.Errorf("%+v with %q, want proven %t, given %t", f, i.Reference, c.proven, c.given)
			}
		})
	}
}

// What Stripe refuses of one caller's requests leaves it to all others.
func TestRefusalsOfOneCallerLeaveTheProviderToAll(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]struct {
		mishap faultserver.Mishap
		kind   fault.Kind
	}{
		"403: a foreign customer": {stripesim.Forbidden(), fault.Refused},
		"400":                     {stripesim.Says(400, "invalid_request_error", "parameter_unknown"), fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := stripesim.Start(t, stripesim.Options{})
			theirs := func(_ *http.Request, body []byte) bool { return strings.Contains(string(body), "cus_foreign") }
			sim.Inject(faultserver.Fault{Match: theirs, Mishap: refusal.mishap, Standing: true})
			g := resilience.NewGateway(open(t, sim), resilience.Options{Policy: defaultpolicy.Provider()})
			for n := range 40 {
				r := charge()
				r.Key, r.Customer = fmt.Sprint("k", n), "cus_foreign"
				if _, err := g.Create(t.Context(), r); !fault.Is(err, refusal.kind) {
					t.Fatalf("%d: %v", n, err)
				}
			}
			if err := g.Available(); err != nil {
				t.Errorf("after 40: %v", err)
			}
			if _, err := g.Create(t.Context(), charge()); err != nil {
				t.Errorf("another caller: %v", err)
			}
		})
	}
}
