package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
)

// shop starts a gateway that ends a try after a second and retries soon.
type shop struct{ *gateway.Shop }

func newShop(t testing.TB, policies ...string) shop {
	t.Helper()
	if len(policies) == 0 {
		policies = []string{"payments: {timeout: 1s, backoff: {initial: 50ms, max: 100ms}}"}
	}
	return shop{gateway.StartShop(t, policies...)}
}

// anywhere pays with a card that each account knows.
func anywhere(more ...object) object {
	o := pay("", append([]object{{"paymentMethods": object{"stripe": "pm_card_visa", "stripe-eu": "pm_card_visa"}}}, more...)...)
	delete(o, "paymentMethod")
	return o
}

func (s shop) pay(t testing.TB, more ...object) gateway.Answer {
	t.Helper()
	return s.Do(t, "POST", "/api/payments", anywhere(more...), gateway.Key(t.Name()))
}

// attempts returns the providers that were tried, in order, each with the outcome.
func attempts(a gateway.Answer) string {
	var all []string
	list, _ := a.JSON["attempts"].([]any)
	for _, one := range list {
		o, _ := one.(object)
		all = append(all, fmt.Sprintf("%v %v", o["provider"], o["outcome"]))
	}
	return strings.Join(all, ", ")
}

// wantCharges checks how often each account has charged.
func (s shop) wantCharges(t testing.TB, first, second int) {
	t.Helper()
	for _, account := range []struct {
		name string
		sim  *stripesim.Sim
		want int
	}{{"the first", s.First, first}, {"the second", s.Second, second}} {
		taken := 0
		for _, entry := range account.sim.Book() {
			if entry.Captured > 0 {
				taken++
			}
		}
		if taken != account.want {
			t.Errorf("%s has taken money %d times, want %d: %+v", account.name, taken, account.want, account.sim.Book())
		}
	}
}

func standing(m faultserver.Mishap) faultserver.Fault {
	return faultserver.Fault{Standing: true, Mishap: m}
}

// committed applies a fault to the next create after it was executed.
func committed(m faultserver.Mishap) faultserver.Fault {
	return faultserver.Fault{Match: stripesim.On(payment.Create), After: true, Mishap: m}
}

func TestAPaymentGoesToTheNextProviderWhereTheFirstProvablyDidNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		inject  func(first *stripesim.Sim)
		outcome string
	}{
		{"refuses connections", func(f *stripesim.Sim) { f.Refuse() }, "not_sent"},
		{"answers 401", func(f *stripesim.Sim) { f.Inject(standing(stripesim.Unauthorized())) }, "not_executed"},
		{"answers 403", func(f *stripesim.Sim) { f.Inject(standing(stripesim.Forbidden())) }, "not_executed"},
		{"answers 429 for longer than we can wait", func(f *stripesim.Sim) {
			f.Inject(standing(stripesim.RateLimited(time.Minute)))
		}, "not_executed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			c.inject(s.First)
			p := s.pay(t)
			if p.Status != 201 || p.Text("status") != "succeeded" || p.Text("provider") != "stripe-eu" ||
				attempts(p) != "stripe "+c.outcome+", stripe-eu succeeded" {
				t.Fatalf("got %d %s, want 201, succeeded, provider stripe-eu, attempts %v", p.Status, p.Body, "stripe "+c.outcome+", stripe-eu succeeded")
			}
			s.wantCharges(t, 0, 1)
			again := s.pay(t)
			if again.Status != 201 || again.Text("id") != p.Text("id") || again.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("repeated: got %d %s, want 201, id %v, Idempotency-Replayed true", again.Status, again.Body, p.Text("id"))
			}
			s.wantCharges(t, 0, 1)
		})
	}
}

func TestAnOpenBreakerIsSkippedAndTrafficReturns(t *testing.T) {
	t.Parallel()
	s := newShop(t, "default: {attempts: 1, breaker: {minimum_calls: 3, open: 10s}}")
	s.First.Refuse()
	key := func(n int) gateway.Header { return gateway.Key(fmt.Sprint("b", n)) }
	body := anywhere()
	for n := range 3 {
		if p := s.Do(t, "POST", "/api/payments", body, key(n)); p.Status != 201 || p.Text("provider") != "stripe-eu" {
			t.Fatalf("got %d %s, want 201, provider stripe-eu", p.Status, p.Body)
		}
	}
	s.First.Resume() // it works again, which the gateway does not know yet
	p := s.Do(t, "POST", "/api/payments", body, key(3))
	list, _ := p.JSON["attempts"].([]any)
	left, _ := list[0].(object)
	if p.Status != 201 || attempts(p) != "stripe not_sent, stripe-eu succeeded" || fmt.Sprint(left["error"]) == "" ||
		!strings.Contains(fmt.Sprint(left["error"]), "breaker_open") {
		t.Fatalf("got %d %s, want 201, attempts \"stripe not_sent, stripe-eu succeeded\", an error, \"breaker_open\" in it", p.Status, p.Body)
	}
	if n := len(s.First.Requests()); n != 0 {
		t.Errorf("%d requests reached the first, want 0", n)
	}
	n := 4
	gateway.Eventually(t, 40*time.Second, "payments go to the first again", func() bool {
		n++
		return s.Do(t, "POST", "/api/payments", body, key(n)).Text("provider") == "stripe"
	})
}

func TestAPaymentThatMayHaveBeenTakenStaysWithItsProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		inject func(first *stripesim.Sim)
		heals  bool // only later, after the answer
	}{
		{"hangs after it committed", func(f *stripesim.Sim) { f.Inject(committed(faultserver.Hang())) }, false},
		{"resets after it committed", func(f *stripesim.Sim) { f.Inject(committed(faultserver.Reset())) }, false},
		{"ends in the midst of its answer", func(f *stripesim.Sim) { f.Inject(committed(faultserver.Truncate())) }, false},
		{"answers what cannot be read after it committed", func(f *stripesim.Sim) { f.Inject(committed(stripesim.Malformed())) }, false},
		{"answers 500 after it committed, and again to each repeat", func(f *stripesim.Sim) { f.FailAfterCommit(payment.Create) }, false},
		{"answers 502 without having done anything", func(f *stripesim.Sim) {
			f.Inject(faultserver.Fault{Mishap: stripesim.BadGateway()})
		}, false},
		{"hangs from then on", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Hang()), standing(faultserver.Hang()))
		}, true},
		{"resets after it committed, then answers 401", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Reset()), standing(stripesim.Unauthorized()))
		}, true},
		{"resets after it committed, then refuses connections", func(f *stripesim.Sim) { f.Inject(committed(faultserver.Crash())) }, true},
		{"resets after it committed, then answers 429", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Reset()), standing(stripesim.RateLimited(time.Minute)))
		}, true},
		{"is behind a proxy that answers 401, 403, 404, 405 and 429 after it committed", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Page(403)), once(faultserver.Page(401)), once(faultserver.Page(404)))
			f.Inject(once(faultserver.Page(405)), once(faultserver.Page(429)), once(stripesim.Forbidden()))
		}, true},
		{"is behind a proxy that answers 403 after it committed, and from then on", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Page(403)), standing(faultserver.Page(403)))
		}, true},
		{"resets after it committed, then answers 403", func(f *stripesim.Sim) {
			f.Inject(committed(faultserver.Reset()), standing(stripesim.Forbidden()))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			c.inject(s.First)
			p := s.pay(t)
			switch {
			case p.Status == 201 && !c.heals && p.Text("status") == "succeeded":
			case p.Status == 202 && p.Text("status") == "processing":
			default:
				t.Fatalf("got %d %s, want 201 succeeded or 202 processing", p.Status, p.Body)
			}
			if again := s.pay(t); again.Status != p.Status && again.Status != 409 || again.Status == p.Status && again.Text("id") != p.Text("id") {
				t.Errorf("repeated: got %d %s, want %d about the same payment, or 409", again.Status, again.Body, p.Status)
			}
			s.First.Heal()
			done := settled(t, s.Gateway, p.Text("id"), "succeeded")
			if done.Text("provider") != "stripe" || done.Number("amountCaptured") != 1999 {
				t.Errorf("got %s, want provider stripe, amountCaptured 1999", done.Body)
			}
			s.wantCharges(t, 1, 0)
			if n := len(s.Second.Requests()); n != 0 {
				t.Errorf("%d requests went to the second: got %+v, want 0", n, s.Second.Requests())
			}
		})
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Inject(faultserver.Fault{Mishap: stripesim.RateLimited(time.Second)})
	begin := time.Now()
	p := s.pay(t)
	if waited := time.Since(begin); p.Status != 201 || p.Text("provider") != "stripe" || waited < time.Second {
		t.Fatalf("after %s: got %d %s, want 201, provider stripe, waited at least %v", waited, p.Status, p.Body, time.Second)
	}
	s.wantCharges(t, 1, 0)
}

func TestADeclinedCardGoesNowhereElse(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.pay(t, object{"paymentMethods": object{"stripe": "pm_card_chargeDeclinedInsufficientFunds", "stripe-eu": "pm_card_visa"}})
	if p.Status != 402 || p.Text("error", "decline_code") != "insufficient_funds" || p.Text("error", "type") != "card_error" {
		t.Fatalf("got %d %s, want 402, error.decline_code insufficient_funds, error.type card_error", p.Status, p.Body)
	}
	s.wantCharges(t, 0, 0)
	if n := len(s.Second.Requests()); n != 0 {
		t.Errorf("%d requests went to the second, want 0", n)
	}
}

func TestACardOfOneAccountIsNotTakenToAnother(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Refuse()
	p := s.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("k"))
	if p.Status != 503 || p.Header.Get("Retry-After") == "" || p.Text("error", "payment_id") == "" {
		t.Fatalf("got %d %s, want 503, a Retry-After, an error.payment_id", p.Status, p.Body)
	}
	if n := len(s.Second.Requests()); n != 0 {
		t.Errorf("%d requests went to the second, want 0", n)
	}
	s.First.Resume()
	again := s.Do(t, "POST", "/api/payments", pay("pm_card_visa"), gateway.Key("k"))
	if again.Status != 201 || again.Text("id") != p.Text("error", "payment_id") || again.Text("provider") != "stripe" {
		t.Fatalf("got %d %s, want 201, id %v, provider stripe", again.Status, again.Body, p.Text("error", "payment_id"))
	}
	s.wantCharges(t, 1, 0)
}

func TestWithEveryProviderDownTheSameKeyTriesAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Refuse()
	s.Second.Refuse()
	p := s.pay(t)
	if p.Status != 503 || p.Header.Get("Retry-After") == "" || p.Text("error", "type") != "api_error" {
		t.Fatalf("got %d %s, want 503, a Retry-After, error.type api_error", p.Status, p.Body)
	}
	s.Second.Resume()
	again := s.pay(t)
	if again.Status != 201 || again.Text("id") != p.Text("error", "payment_id") || again.Text("provider") != "stripe-eu" {
		t.Fatalf("got %d %s, want 201, id %v, provider stripe-eu", again.Status, again.Body, p.Text("error", "payment_id"))
	}
	s.wantCharges(t, 0, 1)
}

func TestOperationsGoToThePaymentsOwnProvider(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Refuse()
	held := s.pay(t, object{"captureMethod": "manual"})
	if held.Status != 201 || held.Text("status") != "requires_capture" || held.Text("provider") != "stripe-eu" {
		t.Fatalf("got %d %s, want 201, requires_capture, provider stripe-eu", held.Status, held.Body)
	}
	open := s.Do(t, "POST", "/api/payments", object{"amount": 500, "currency": "eur", "confirmation": "server"}, gateway.Key("open"))
	if open.Status != 201 || open.Text("provider") != "stripe-eu" {
		t.Fatalf("got %d %s, want 201, provider stripe-eu", open.Status, open.Body)
	}
	s.First.Resume()
	for _, c := range []struct{ path, status string }{
		{held.Text("id") + "/capture", "succeeded"},
		{open.Text("id") + "/confirm", "succeeded"},
	} {
		var body any
		if strings.HasSuffix(c.path, "/confirm") {
			body = object{"paymentMethod": "pm_card_visa"}
		}
		if p := s.Do(t, "POST", "/api/payments/"+c.path, body); p.Status != 200 || p.Text("status") != c.status {
			t.Errorf("%s: got %d %s, want 200, %v", c.path, p.Status, p.Body, c.status)
		}
	}
	if r := s.Do(t, "POST", "/api/payments/"+held.Text("id")+"/refunds", object{"amount": 700}); r.Status != 201 || r.Text("status") != "succeeded" {
		t.Errorf("got %d %s, want 201, succeeded", r.Status, r.Body)
	}
	s.Second.Refuse()
	s.Do(t, "POST", "/api/payments/"+held.Text("id")+"/refunds", object{"amount": 100}).HasStatus(t, 503, "a refund while its provider is down")
	s.wantCharges(t, 0, 2)
	if n := len(s.First.Requests()); n != 0 {
		t.Errorf("%d requests went to the first, want 0", n)
	}
}

func TestOwnOverloadIsNoReasonToGoElsewhere(t *testing.T) {
	t.Parallel()
	s := newShop(t, "payments: {bulkhead: 1}")
	s.First.Inject(committed(faultserver.Hang()))
	slow := make(chan gateway.Answer, 1)
	go func() { slow <- s.pay(t) }()
	gateway.Eventually(t, 10*time.Second, "the first payment is under way", func() bool { return len(s.First.Requests()) == 1 })
	p := s.Do(t, "POST", "/api/payments", anywhere(), gateway.Key("second"))
	if p.Status != 429 || p.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 429, a Retry-After", p.Status, p.Body)
	}
	s.First.Heal()
	settled(t, s.Gateway, (<-slow).Text("id"), "succeeded")
	if n := len(s.Second.Requests()); n != 0 {
		t.Errorf("%d requests went to the second, want 0", n)
	}
	s.wantCharges(t, 1, 0)
}

// TestAWebhookSettlesWhatIsUnknown checks an account that answers no request any more and only
// sends webhooks.
func TestAWebhookSettlesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Inject(committed(faultserver.Hang()), standing(faultserver.Hang()))
	p := s.pay(t)
	if p.Status != 202 || p.Text("status") != "processing" {
		t.Fatalf("got %d %s, want 202, processing", p.Status, p.Body)
	}
	s.First.Notify(s.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	if done := settled(t, s.Gateway, p.Text("id"), "succeeded"); attempts(done) != "stripe succeeded" {
		t.Errorf("got %s, want attempts \"stripe succeeded\"", done.Body)
	}
	s.wantCharges(t, 1, 0)
}

func TestAConfirmationByTheBuyerIsSeen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.First.Notify(s.Base+"/api/webhooks/stripe", gateway.FirstSecret)
	p := s.Do(t, "POST", "/api/payments", object{"amount": 500, "currency": "eur"}, gateway.Key("k"))
	if p.Status != 201 || p.Text("publishableKey") != "pk_test_first" || p.Text("clientSecret") == "" {
		t.Fatalf("got %d %s, want 201, publishableKey pk_test_first, a clientSecret", p.Status, p.Body)
	}
	s.First.Pay(t, p.Text("providerReference"), "pm_card_visa") // in the browser, past the gateway
	settled(t, s.Gateway, p.Text("id"), "succeeded")
}

func TestAnEventSpeaksOnlyForTheAccountThatSignedIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.Do(t, "POST", "/api/payments", object{"amount": 500, "currency": "eur"}, gateway.Key("k"))
	s.First.Pay(t, p.Text("providerReference"), "pm_card_visa")
	events := s.First.Events()
	paid, hook := events[len(events)-1], s.Base+"/api/webhooks/stripe"
	for _, c := range []struct{ secret, status string }{
		{gateway.SecondSecret, "requires_payment_method"},
		{gateway.FirstSecret, "succeeded"},
	} {
		if status, err := s.First.Send(t.Context(), paid, hook, c.secret); status != 200 || err != nil {
			t.Fatalf("got %d %v, want 200", status, err)
		}
		if c.secret == gateway.SecondSecret {
			gateway.Eventually(t, 10*time.Second, "the event is applied", func() bool { return strings.Contains(s.Log(), "webhook does not fit its payment") })
		}
		settled(t, s.Gateway, p.Text("id"), c.status)
	}
}
