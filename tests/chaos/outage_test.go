package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
)

const (
	shortOutage  = 5 * time.Second
	longOutage   = 75 * time.Second
	settleWithin = time.Minute // within which outcomes that the provider shows are known
	callers      = 32
)

// TestWhatAnOutageLeftBehindIsSettled checks that, with the default policies, a payment whose
// outcome the provider shows is settled within a minute after an outage.
func TestWhatAnOutageLeftBehindIsSettled(t *testing.T) {
	t.Parallel()
	length := shortOutage
	if os.Getenv("PATCHBAY_CHAOS_PAYMENTS") != "" {
		length = longOutage
	}
	s := gateway.NewShop(t, gateway.ShopOptions{Policies: []string{"payments: {}"}})
	s.Restart(t)
	var mu sync.Mutex
	accepted := map[string]string{} // id by order
	var answered atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for b := range callers {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				order := fmt.Sprintf("order-%d-%d", b, n)
				a, err := gateway.Send(ctx, http.MethodPost, s.Base+"/api/payments", fmt.Appendf(nil,
					`{"amount":1999,"currency":"usd","confirm":true,"paymentMethods":{"stripe":"pm_card_visa","stripe-eu":"pm_card_visa"},"metadata":{"order":%q}}`, order),
					gateway.Header{"Content-Type": "application/json"}, gateway.Key(order))
				answered.Add(1)
				if err == nil && a.Status < 300 {
					mu.Lock()
					accepted[order] = a.Text("id")
					mu.Unlock()
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond): // then the next order
				}
			}
		})
	}
	gateway.Eventually(t, time.Minute, "there is load", func() bool { return answered.Load() > 5*callers })
	for _, account := range []*stripesim.Sim{s.First, s.Second} {
		account.Inject(
			faultserver.Fault{Match: stripesim.On(payment.Create), Standing: true, After: true, Mishap: faultserver.Reset()},
			faultserver.Fault{Standing: true, Mishap: faultserver.Reset()},
		)
	}
	wait(t, 2*time.Second)
	s.First.Refuse()
	s.Second.Refuse()
	wait(t, length)
	stop()
	load.Wait()
	left := map[string]bool{} // payments in processing whose outcome the provider shows
	for _, e := range append(s.First.Book(), s.Second.Book()...) {
		if id := accepted[e.Metadata["order"]]; id != "" && s.Do(t, "GET", "/api/payments/"+id, nil).Text("status") == "processing" {
			left[id] = true
		}
	}
	s.First.Heal()
	s.Second.Heal()
	healed := time.Now()
	if len(left) == 0 {
		t.Fatal("got no payment in processing after the outage, want some")
	}
	n, longest := len(left), time.Duration(0)
	gateway.Eventually(t, 2*settleWithin, "a minute is over", func() bool {
		for id := range left {
			if s.Do(t, "GET", "/api/payments/"+id, nil).Text("status") == "succeeded" {
				longest = time.Since(healed)
				delete(left, id)
			}
		}
		return len(left) == 0 || time.Since(healed) > settleWithin
	})
	t.Attr("count", fmt.Sprintf("after %s without a provider: %d payments whose outcome it shows, %d settled within %s, the last after %s",
		length, n, n-len(left), settleWithin, longest.Round(time.Millisecond)))
	if len(left) > 0 {
		t.Errorf("payments not settled within %s: got %d, want 0", settleWithin, len(left))
	}
}
