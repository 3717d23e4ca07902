package stripesim_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
)

// clock is one that a test puts forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) pass(by time.Duration) { c.ahead.Add(int64(by)) }

// docs.stripe.com/api/idempotent_requests: "The system may remove keys after they
// are at least 24 hours old. We generate a new request if you reuse a key after the
// original is pruned."
func TestAKeyIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		passed   time.Duration
		form     string // of the repeat
		status   int
		replayed bool
		charges  int
	}{
		"just before":                      {stripesim.KeyKept - time.Minute, paid, 200, true, 1},
		"just before, with another amount": {stripesim.KeyKept - time.Minute, strings.Replace(paid, "2000", "2001", 1), 400, false, 1},
		"a day later":                      {stripesim.KeyKept, paid, 200, false, 2},
		"a day later, with another amount": {stripesim.KeyKept, strings.Replace(paid, "2000", "2001", 1), 200, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var at clock
			s := stripesim.Start(t, stripesim.Options{Now: at.now})
			post(t, s, "k", "/v1/payment_intents", paid)
			at.pass(c.passed)
			status, body, replayed := post(t, s, "k", "/v1/payment_intents", c.form)
			if status != c.status || replayed != c.replayed || len(s.Book()) != c.charges {
				t.Errorf("%d %s, replayed %t, %d charges", status, body, replayed, len(s.Book()))
			}
		})
	}
}

func TestAKeyCanBeForgottenAtOnce(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	post(t, s, "k", "/v1/payment_intents", paid)
	s.Forget(s.Book()[0].Key)
	if status, body, replayed := post(t, s, "k", "/v1/payment_intents", paid); status != 200 || replayed || len(s.Book()) != 2 {
		t.Errorf("%d %s, replayed %t, %d charges", status, body, replayed, len(s.Book()))
	}
}

func TestAKeyInUseIsAConflict(t *testing.T) {
	t.Parallel()
	s := stripesim.Start(t, stripesim.Options{})
	arrived, release := s.Hold(payment.Create)
	first := make(chan int, 1)
	go func() {
		status, _, _ := post(t, s, "k", "/v1/payment_intents", paid)
		first <- status
	}()
	<-arrived
	for _, form := range []string{paid, create} {
		status, body, _ := post(t, s, "k", "/v1/payment_intents", form)
		if status != http.StatusConflict || !strings.Contains(body, `"idempotency_key_in_use"`) || len(s.Book()) != 0 {
			t.Errorf("%d %s", status, body)
		}
	}
	release()
	if status := <-first; status != 200 {
		t.Errorf("the first: %d", status)
	}
	if status, _, replayed := post(t, s, "k", "/v1/payment_intents", paid); status != 200 || !replayed || len(s.Book()) != 1 {
		t.Errorf("then: %d, replayed %t, %d charges", status, replayed, len(s.Book()))
	}
}

// What ends a payment is taken however many requests came before.
func TestAPaymentOfAHundredRequestsCanStillBeEnded(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]payment.Status{"capture": payment.Succeeded, "cancel": payment.Canceled} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			s := stripesim.Start(t, stripesim.Options{})
			post(t, s, "create", "/v1/payment_intents", create+"&capture_method=manual")
			path := "/v1/payment_intents/" + s.Book()[0].Reference
			const declined = "payment_method=pm_card_chargeDeclined&return_url=https://shop.example"
			for n := range 98 {
				if status, body, _ := post(t, s, strconv.Itoa(n), path+"/confirm", declined); status != http.StatusPaymentRequired {
					t.Fatalf("a declined confirm: got %d %s, want 402", status, body)
				}
			}
			post(t, s, "confirm", path+"/confirm", strings.Replace(declined, "chargeDeclined", "visa", 1))
			if got := s.Book()[0].Status; got != payment.RequiresCapture {
				t.Fatalf("status after 100 requests = %q, want %q", got, payment.RequiresCapture)
			}
			if status, body, _ := post(t, s, "one more", path+"/confirm", declined); status != http.StatusBadRequest || !strings.Contains(body, "too_many_requests") {
				t.Errorf("one more confirm: got %d %s, want 400 too_many_requests", status, body)
			}
			for _, replay := range []bool{false, true} {
				status, body, replayed := post(t, s, action, path+"/"+action, "")
				if status != http.StatusOK {
					t.Errorf("%s: got %d %s, want 200", action, status, body)
				}
				if got := s.Book()[0].Status; got != want {
					t.Errorf("status after the %s = %q, want %q", action, got, want)
				}
				if replayed != replay {
					t.Errorf("%s: replayed = %t, want %t", action, replayed, replay)
				}
			}
		})
	}
}
