package orderpay_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/orderpay"
)

// inOneTown is how many payments are made in one town, with a seed of its own. There is one town
// without PATCHBAY_FAULTED_PAYMENTS.
const inOneTown = 200

// How long the test takes, on virtual time: most payments are made in the first quarter of an hour,
// the others when the provider of orders is back after an outage in which it forgets its keys.
const (
	outageAt   = 10 * time.Minute
	outageEnds = outageAt + orderpay.KeyKept + 20*time.Minute
	calmAt     = outageEnds + 20*time.Minute
	patience   = 9 * time.Hour // of a caller
	aftermath  = 90 * time.Minute
)

// TestFaultedPaymentsBesideStripe makes payments at an account at Stripe and one at a provider of
// another shape, while requests, answers and events are lost and the gateway is killed. In the end
// it compares what callers were told, and what the store has, with the providers' own books.
func TestFaultedPaymentsBesideStripe(t *testing.T) {
	t.Parallel()
	n, seed := inOneTown, uint64(time.Now().UnixNano())
	if text := os.Getenv("PATCHBAY_FAULTED_PAYMENTS"); text != "" {
		n = int(number(t, text))
	}
	if text := os.Getenv("PATCHBAY_CHAOS_SEED"); text != "" {
		seed = number(t, text)
	}
	var all sums
	for ; n > 0; n -= inOneTown {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { all.add(live(t, seed, min(n, inOneTown))) })
		seed++
	}
	t.Attr("count", fmt.Sprintf("%d payments, %d charged, %d doubled, %d lost, %d need review; %d faults, %d kills, %d events lost",
		all.payments, all.charged, all.doubled, all.lost, all.reviews, all.faults, all.kills, all.events))
}

// sums counts what has happened.
type sums struct{ payments, charged, doubled, lost, reviews, faults, kills, events int }

func (s *sums) add(o sums) {
	s.payments, s.charged, s.doubled, s.lost = s.payments+o.payments, s.charged+o.charged, s.doubled+o.doubled, s.lost+o.lost
	s.reviews, s.faults, s.kills, s.events = s.reviews+o.reviews, s.faults+o.faults, s.kills+o.kills, s.events+o.events
}

// live makes n payments in a town.
func live(t *testing.T, seed uint64, n int) (counted sums) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, seed)
		w.boot()
		ctx, stop := context.WithCancel(t.Context())
		go w.tell(ctx)
		go w.upset(ctx)
		shoppers := make([]*shopper, n)
		var all sync.WaitGroup
		for i := range shoppers {
			shoppers[i] = newShopper(w, i)
			all.Go(func() { shoppers[i].shop(ctx) })
		}
		all.Wait()
		<-time.After(aftermath)
		counted = w.reconcile(t, shoppers)
		stop()
		last := w.process.Load()
		last.stop()
		<-last.done
	})
	return counted
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// upset kills the gateway again and again, and has the provider of orders out of reach for a while.
func (w *town) upset(ctx context.Context) {
	began := time.Now()
	for {
		at := time.Since(began)
		busy := at < outageAt+5*time.Minute || at > outageEnds
		w.dark.Store(at >= outageAt && at < outageEnds)
		if at >= calmAt {
			w.calm.Store(true)
			return
		}
		wait := time.Duration(20+w.n(40)) * time.Second
		if !busy {
			wait = 10 * time.Minute
		}
		if sleep(ctx, wait) != nil {
			return
		}
		w.boot()
	}
}

// shopper makes one payment, and does with it what comes next.
type shopper struct {
	town    *town
	n       int
	id      string
	status  payment.Status // what the caller was told last
	refund  int64
	failing string // why it gave up
}

func newShopper(w *town, n int) *shopper { return &shopper{town: w, n: n} }

func (s *shopper) order() string { return strconv.Itoa(s.n) }

func (s *shopper) key(of string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/payments", of+"-"+s.order(), []byte(of))
}

func (s *shopper) request() payments.CreateRequest {
	card, token := "pm_card_visa", orderpay.Pays
	switch s.n % 10 {
	case 7:
		card, token = "pm_card_chargeDeclined", orderpay.Declined
	case 8:
		token = orderpay.FailsCapture
	}
	r := payments.CreateRequest{
		Amount: 2000, Currency: "usd", Confirm: true, Metadata: map[string]string{"order": s.order()}, PaymentMethods: map[string]string{},
	}
	if s.n%3 != 1 {
		r.PaymentMethods[atStripe] = card
	}
	if s.n%3 != 2 {
		r.PaymentMethods[atOrders] = token
	}
	if s.n%5 >= 3 {
		r.CaptureMethod = payment.CaptureManual
	}
	return r
}

// shop makes the payment, captures what was authorised, and refunds a part of some.
func (s *shopper) shop(ctx context.Context) {
	start := time.Duration(s.town.n(int(outageAt+time.Minute)/int(time.Second))) * time.Second
	if s.n%5 == 0 {
		start += outageEnds
	}
	_ = sleep(ctx, start)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, declined := s.do(ctx, func(ctx context.Context, g *process) (payments.Result, error) {
		return g.Create(ctx, tenant, s.request(), s.key("create"))
	})
	for try := range 3 {
		if declined || p.Status != payment.RequiresCapture {
			break
		}
		p, _ = s.do(ctx, func(ctx context.Context, g *process) (payments.Result, error) {
			return g.Capture(ctx, tenant, p.ID, 1500, s.key(fmt.Sprint("capture", try)))
		})
	}
	if p.Status == payment.Succeeded && s.n%4 == 0 {
		s.refund = 300
		p, _ = s.do(ctx, func(ctx context.Context, g *process) (payments.Result, error) {
			return g.Refund(ctx, tenant, p.ID, s.refund, s.key("refund"))
		})
	}
	s.status = p.Status
	if p.ID == "" {
		s.failing = "it was never answered"
	}
}

// do makes a request until it is answered for good, and waits until nothing of it is pending.
func (s *shopper) do(ctx context.Context, ask func(context.Context, *process) (payments.Result, error)) (p payment.Payment, declined bool) {
	for wait := time.Second; ; wait = min(2*wait, 5*time.Minute) {
		res, err := ask(ctx, s.town.process.Load())
		if res.Payment.ID != "" {
			s.id = res.Payment.ID
		}
		switch {
		case fault.Is(err, fault.Declined):
			return res.Payment, true
		case err == nil && !res.Operation.Outcome.Open():
			return s.settled(ctx), false
		case err != nil && !transient(err):
			s.failing = err.Error()
			return s.settled(ctx), false
		}
		if sleep(ctx, wait) != nil {
			s.failing = fmt.Sprintf("not answered for good: %v", err)
			return res.Payment, false
		}
	}
}

// transient reports whether the same request may be answered otherwise later.
func transient(err error) bool {
	f := fault.From(err)
	return f.Kind.Rule().Retry || f.Kind.Rule().Failover || f.Kind == fault.Overloaded || f.Kind == fault.Canceled ||
		f.Code == idempotency.CodeInFlight || f.Code == "operation_in_progress"
}

// settled reads the payment until nothing of it is pending.
func (s *shopper) settled(ctx context.Context) payment.Payment {
	for {
		p, err := s.town.process.Load().Get(ctx, tenant, s.id)
		if err == nil && p.Status != payment.Processing && p.Open() == nil && settledRefunds(p) {
			return p
		}
		if sleep(ctx, 10*time.Second) != nil {
			s.failing = fmt.Sprintf("it stays %s: %v", p.Status, err)
			return p
		}
	}
}

func settledRefunds(p payment.Payment) bool {
	for _, r := range p.Refunds {
		if !r.Released && !r.Status.Final() {
			return false
		}
	}
	return true
}

// charged are the entries of both books that took money, or are about to, by order.
func (w *town) charged() map[string][]payment.BookEntry {
	all := map[string][]payment.BookEntry{}
	for _, e := range append(w.stripe.Book(), w.orders.Book()...) {
		if e.Captured > 0 || e.Status == payment.RequiresCapture || e.Status == payment.Processing {
			all[e.Metadata["order"]] = append(all[e.Metadata["order"]], e)
		}
	}
	return all
}

// reconcile compares what callers were told, what the store has, and the providers' books.
func (w *town) reconcile(t *testing.T, shoppers []*shopper) sums {
	t.Helper()
	charged := w.charged()
	all := sums{payments: len(shoppers), charged: len(charged)}
	places := map[string]int{}
	for _, s := range shoppers {
		entries := charged[s.order()]
		switch p, why := w.wrong(t, s, entries); {
		case why == "":
			places[p.Provider+" "+string(p.Status)]++
			if p.NeedsReview {
				all.reviews++
			}
		case len(entries) > 1 || len(entries) == 1 && entries[0].Refunds > 1:
			all.doubled++
			t.Errorf("payment %s doubled: %s", s.order(), why)
		default:
			all.lost++
			t.Errorf("payment %s lost: %s", s.order(), why)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%v; %v", places, w.counts)
	all.faults, all.kills, all.events = w.counts["faults"], w.counts["kills"], w.counts["events lost"]
	return all
}

// wrong returns the payment of a shopper, and what is wrong with it.
func (w *town) wrong(t *testing.T, s *shopper, entries []payment.BookEntry) (payment.Payment, string) {
	t.Helper()
	if s.failing != "" {
		return payment.Payment{}, s.failing
	}
	p, err := w.process.Load().Get(t.Context(), tenant, s.id)
	paid := p.Status == payment.Succeeded || p.Status == payment.RequiresCapture
	switch {
	case err != nil:
		return p, err.Error()
	case len(entries) > 1:
		return p, fmt.Sprintf("%+v", entries)
	case p.Open() != nil || p.Status == payment.Processing:
		return p, "it is still open: " + string(p.Status)
	case p.Status != s.status:
		return p, fmt.Sprintf("its caller was told %s, and it is %s", s.status, p.Status)
	case paid != (len(entries) == 1):
		return p, fmt.Sprintf("it is %s, and the books have %+v", p.Status, entries)
	case !paid:
		return p, ""
	case p.AmountCaptured != entries[0].Captured || p.AmountRefunded != entries[0].Refunded || p.AmountRefunded != s.refund:
		return p, fmt.Sprintf("captured %d, refunded %d of %d: %+v", p.AmountCaptured, p.AmountRefunded, s.refund, entries[0])
	}
	return p, ""
}
