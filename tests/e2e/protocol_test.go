package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// quick ends a try after a second, and keeps breakers closed.
const quick = "payments: {timeout: 1s, backoff: {initial: 50ms, max: 100ms}, breaker: {minimum_calls: 1000}}"

// only returns the id of the only payment.
func only(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	list := g.Do(t, "GET", "/api/payments", nil).Data()
	if len(list) != 1 {
		t.Fatalf("%d payments, want 1: %v", len(list), list)
	}
	id, _ := list[0]["id"].(string)
	return id
}

// TestALateRepeatOfACreateThatDidNothing checks that a create that did nothing is over once another
// operation was made on its payment: a late repeat of its key gets the payment's state and starts
// nothing.
func TestALateRepeatOfACreateThatDidNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		action, status string
		body           object
		charges        int
	}{
		{"confirm", "succeeded", object{}, 1},
		{"cancel", "canceled", nil, 0},
	} {
		t.Run("after a "+row.action, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.First.Refuse()
			s.Second.Refuse()
			if a := s.pay(t); a.Status != 503 {
				t.Fatalf("got %d %s, want 503", a.Status, a.Body)
			}
			s.First.Resume()
			s.Second.Resume()
			id := only(t, s.Gateway)
			var body any
			if row.body != nil {
				body = row.body
			}
			if a := s.Do(t, "POST", "/api/payments/"+id+"/"+row.action, body, gateway.Key("another")); a.Status != 200 || a.Text("status") != row.status {
				t.Fatalf("%s: got %d %s, want 200, %v", row.action, a.Status, a.Body, row.status)
			}
			for range 2 {
				a := s.pay(t)
				if a.Status != 201 || a.Text("id") != id || a.Text("status") != row.status || a.Header.Get("Idempotency-Replayed") != "true" {
					t.Errorf("the create's key again: got %d %s, replayed %q, want 201, id %v, %v, Idempotency-Replayed true", a.Status, a.Body, a.Header.Get("Idempotency-Replayed"), id, row.status)
				}
			}
			s.wantCharges(t, row.charges, 0)
		})
	}
}

// gone lets creates be executed and loses their answers, and lets everything else fail.
func gone() []faultserver.Fault {
	return []faultserver.Fault{
		{Match: stripesim.On(payment.Create), Standing: true, After: true, Mishap: faultserver.Reset()},
		standing(faultserver.Reset()),
	}
}

// busy answers creates with 429.
func busy(after time.Duration) faultserver.Fault {
	return faultserver.Fault{Match: stripesim.On(payment.Create), Standing: true, Mishap: stripesim.RateLimited(after)}
}

// stalled is a create whose first try waits as long as the provider has asked.
type stalled struct {
	shop
	key   gateway.Header
	since string        // when its payment was last saved
	done  chan struct{} // closed when its caller is answered, or has given up
}

func stall(t *testing.T, s shop) stalled {
	t.Helper()
	s.First.Inject(busy(8 * time.Second))
	w := stalled{shop: s, key: gateway.Key(t.Name()), done: make(chan struct{})}
	body := []byte(`{"amount":1999,"currency":"usd","confirm":true,"paymentMethods":{"stripe":"pm_card_visa","stripe-eu":"pm_card_visa"}}`)
	go func() {
		defer close(w.done)
		_, _ = gateway.Send(context.Background(), http.MethodPost, s.Base+"/api/payments", body,
			gateway.Header{"Content-Type": "application/json"}, w.key)
	}()
	gateway.Eventually(t, 20*time.Second, "the provider is asked", func() bool { return len(s.First.Requests()) == 1 })
	s.First.Heal()
	s.First.Inject(gone()...)
	w.since = s.Do(t, "GET", "/api/payments/"+only(t, s.Gateway), nil).Text("updatedAt")
	return w
}

// lost waits until another worker has sent the request again, by this gateway, and its answer is
// lost; all later requests get 429.
func (w stalled) lost(t *testing.T, at *gateway.Gateway) {
	t.Helper()
	gateway.Eventually(t, 30*time.Second, "another has asked, and knows nothing", func() bool {
		return len(w.First.Book()) == 1 && at.Do(t, "GET", "/api/payments/"+only(t, at), nil).Text("updatedAt") != w.since
	})
	w.First.Heal()
	w.First.Inject(busy(0), standing(faultserver.Reset()))
}

// once checks that the payment ends as one charge.
func (w stalled) once(t *testing.T, at *gateway.Gateway) {
	t.Helper()
	<-w.done
	creates := stripesim.On(payment.Create)
	gateway.Eventually(t, 40*time.Second, "the first try has come to its end", func() bool {
		n := 0
		for _, r := range w.First.Requests() {
			if creates(&http.Request{Method: r.Method, URL: &url.URL{Path: r.Path}}, nil) {
				n++
			}
		}
		return n >= 6 // one, three of the other worker, and two more
	})
	repeats := 0
	gateway.Eventually(t, 40*time.Second, "the key is repeated", func() bool {
		if a := at.Do(t, "POST", "/api/payments", anywhere(), w.key); a.Status >= 300 && a.Status != 409 {
			t.Errorf("the key repeated: got %d %s, want 2xx or 409", a.Status, a.Body)
		}
		repeats++
		return repeats == 50
	})
	w.First.Heal()
	settled(t, at, only(t, at), "succeeded")
	w.wantCharges(t, 1, 0)
}

// TestAProcessThatWasStoppedBeyondItsLease stops a process while its attempt waits for Retry-After,
// until its lease has expired. Meanwhile another process sends the request, and the response is
// lost. A later refusal of the first process's request must not count as the result of the other's.
func TestAProcessThatWasStoppedBeyondItsLease(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	database := server.Database(t)
	s := shop{gateway.NewShop(t, gateway.ShopOptions{Database: gateway.OnPostgres(server, database), Policies: []string{quick}})}
	s.Restart(t)
	other := s.Twin(t)
	other.Restart(t)
	w := stall(t, s)
	s.Pause(t)
	if _, err := server.Connect(t, database).Exec(t.Context(), "UPDATE patchbay_record SET due = 1 WHERE queue LIKE 'payments:%'"); err != nil {
		t.Fatal(err)
	}
	w.lost(t, other)
	s.Resume(t)
	w.once(t, other)
}

// TestAClockThatIsSetBeyondALease checks the same with one process whose clock is set: its own
// worker acts as the other process.
func TestAClockThatIsSetBeyondALease(t *testing.T) {
	t.Parallel()
	s := shop{gateway.NewShop(t, gateway.ShopOptions{Policies: []string{quick}})}
	s.OwnClock(t)
	s.Restart(t)
	w := stall(t, s)
	s.SetClock(t, time.Minute)
	w.lost(t, s.Gateway)
	w.once(t, s.Gateway)
}

// TestAPageOfAProxyIsNoRefusal checks that a refusal by a proxy after the provider has executed the
// request does not count as the provider's, so that no other provider is asked.
func TestAPageOfAProxyIsNoRefusal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404, 405, 429} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.First.Inject(committed(faultserver.Answer(status, map[string]string{"Content-Type": "text/html"}, "<html><body>Blocked</body></html>")))
			if a := s.pay(t); a.Status >= 300 {
				t.Errorf("got %d %s, want status below 300", a.Status, a.Body)
			}
			settled(t, s.Gateway, only(t, s.Gateway), "succeeded")
			if a := s.pay(t); a.Status >= 300 {
				t.Errorf("again: got %d %s, want status below 300", a.Status, a.Body)
			}
			s.wantCharges(t, 1, 0)
		})
	}
}

// TestAKeyThatIsUsedAgainAfterAnOlderFileWasPutBack checks keys after a restore. The restored store
// does not know the requests made since the backup, but the provider does: there, the same key is
// the same request.
func TestAKeyThatIsUsedAgainAfterAnOlderFileWasPutBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := filepath.Join(t.TempDir(), "kept.db")
	before := s.Do(t, "POST", "/api/payments", anywhere(), gateway.Key("before"))
	s.Backup(t, file)
	refund := func() gateway.Answer {
		return s.Do(t, "POST", "/api/payments/"+before.Text("id")+"/refunds", object{"amount": 500}, gateway.Key("refund"))
	}
	paid, returned := s.pay(t), refund()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.PutBack(t, file)
	s.Restart(t)
	gateway.Eventually(t, 20*time.Second, "what the providers hold is known", func() bool {
		return !bytes.Contains(s.pay(t).Body, []byte("restored_store"))
	})
	for name, pair := range map[string][2]gateway.Answer{"payment": {paid, s.pay(t)}, "refund": {returned, refund()}} {
		then, now := pair[0], pair[1]
		if then.Status != 201 || now.Status != 201 || now.Text("providerReference") != then.Text("providerReference") {
			t.Errorf("the %s was %d %s, and is %d %s, want 201, providerReference %v", name, then.Status, then.Body, now.Status, now.Body, then.Text("providerReference"))
		}
	}
	if now := s.pay(t).Text("id"); now != paid.Text("id") {
		t.Errorf("the key after a restore: got %s, want %s", now, paid.Text("id"))
	}
	s.wantCharges(t, 2, 0)
	for _, entry := range s.First.Book() {
		if entry.Refunded > 500 {
			t.Errorf("refunded twice: got %+v, want at most 500", entry)
		}
	}
}

// TestWhatTheProviderHasIsNeverAbsent checks an outage that is longer than the period in which a
// call is retried, with a provider whose clock is off: a payment that the provider has is found or
// waited for, and never treated as absent.
func TestWhatTheProviderHasIsNeverAbsent(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"its clock is 6 minutes behind": -6 * time.Minute, "its clock is 6 minutes ahead": 6 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var off atomic.Int64 // of our clock: a step is time that has passed for both
			s := shop{gateway.NewShop(t, gateway.ShopOptions{
				Policies: []string{quick},
				Now:      func() time.Time { return time.Now().Add(skew + time.Duration(off.Load())) },
			})}
			s.OwnClock(t)
			s.Restart(t)
			pass := func(d time.Duration) { s.SetClock(t, time.Duration(off.Add(int64(d)))) }
			s.First.Inject(gone()...)
			if a := s.pay(t); a.Status != 202 {
				t.Fatalf("got %d %s, want 202", a.Status, a.Body)
			}
			s.First.Refuse()
			id := only(t, s.Gateway)
			var last time.Time
			later := func(each time.Duration, done func(status string) bool) func() bool { // so much at a time
				return func() bool {
					if time.Since(last) < time.Second {
						return false
					}
					pass(each)
					last = time.Now()
					status := s.Do(t, "GET", "/api/payments/"+id, nil).Text("status")
					if status != "processing" && status != "succeeded" {
						t.Fatalf("got status %s, want processing or succeeded: it counts as absent", status)
					}
					return done(status)
				}
			}
			tries := 0
			gateway.Eventually(t, time.Minute, "the outage lasts for 80 minutes", later(10*time.Minute, func(string) bool { tries++; return tries == 8 }))
			s.First.Heal()
			gateway.Eventually(t, time.Minute, "it is found", later(2*time.Hour, func(status string) bool { return status == "succeeded" }))
			s.Do(t, "POST", "/api/payments/"+id+"/confirm", object{}, gateway.Key("another")).HasStatus(t, 409, "confirm under another key")
			s.wantCharges(t, 1, 0)
		})
	}
}
