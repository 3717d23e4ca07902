package bench_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"patchbay/tests/gateway"
)

// BenchmarkOpenBreaker measures the cost of a payment while the breaker of its first provider is
// open, as a ratio to the cost with a healthy one.
func BenchmarkOpenBreaker(b *testing.B) {
	policies := "payments: {attempts: 1, breaker: {minimum_calls: 1, open: 1h}}"
	healthy, open := gateway.StartShop(b, policies), gateway.StartShop(b, policies)
	open.First.Refuse()
	buy := task{"payment", "POST", "/api/payments", text(`{"amount":1999,"currency":"usd","confirm":true,"metadata":{"order":"%d"},` +
		`"paymentMethods":{"stripe":"pm_card_visa","stripe-eu":"pm_card_visa"}}`), 201, 0, 0, ""}
	var numbers atomic.Int64
	var out strings.Builder
	for _, conns := range []int{1, 16} {
		var well, left []figure
		for range rounds {
			well = append(well, load(b, conns, &numbers, caller(strings.TrimPrefix(healthy.Base, "http://"), conns, buy)))
			left = append(left, load(b, conns, &numbers, caller(strings.TrimPrefix(open.Base, "http://"), conns, buy)))
		}
		a, z := median(well), median(left)
		fmt.Fprintf(&out, "payment %3d  healthy %s   breaker open %s   p50 ratio %.2f   (goal 1.30)\n",
			conns, a, z, float64(z.p50)/float64(a.p50))
	}
	if n := len(healthy.Second.Book()); n != 0 {
		b.Errorf("%d healthy payments went to the second, want 0", n)
	}
	if n := len(open.First.Requests()); n != 0 {
		b.Errorf("%d requests reached the provider that was to be left alone, want 0", n)
	}
	fmt.Printf("\nconnections, and payments with the first provider well and left alone\n%s", out.String())
}
