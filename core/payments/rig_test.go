package payments_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const tenant = "default"

// rig is a payments.Service on a journal and providers in memory, on virtual time.
type rig struct {
	*payments.Service
	journal  *memjournal.Journal
	provider *provider                             // the first
	all      []*provider                           // in their order
	fail     atomic.Pointer[func(op string) error] // asked by the journal
	copied   time.Time                             // when the last backup was made
}

// onVirtualTime runs a test on virtual time with the resolver at work.
func onVirtualTime(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	withProviders(t, []string{"acme"}, test)
}

// withProviders is onVirtualTime with several providers.
func withProviders(t *testing.T, names []string, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{journal: memjournal.New(clock.System{})}
		var gateways []ports.PaymentGateway
		for _, name := range names {
			p := newProvider(name)
			r.all, gateways = append(r.all, p), append(gateways, p)
		}
		r.provider = r.all[0]
		r.journal.Fail = func(op string) error {
			if fail := r.fail.Load(); fail != nil {
				return (*fail)(op)
			}
			return nil
		}
		r.Service = payments.New(payments.Options{
			Journal: r.journal, Gateways: gateways, Events: r.provider,
			Clock: clock.System{}, IDs: ids.UUIDs{}, Owner: "one", Log: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		synctest.Wait() // what it saves for itself at its start is none of the test's
		test(t, r)
		stop()
		<-done
	})
}

// failNth makes the journal fail at the nth of these moments.
func (r *rig) failNth(moment string, nth int64, kind fault.Kind) {
	var count atomic.Int64
	fail := func(op string) error {
		if op == moment && count.Add(1) == nth {
			return fault.New(kind, "scripted", "")
		}
		return nil
	}
	r.fail.Store(&fail)
}

func key(value, body string) idempotency.Key {
	return idempotency.New(tenant, "POST /api/payments", value, []byte(body))
}

func request() payments.CreateRequest {
	return payments.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok", Confirm: true}
}

func (r *rig) pay(t *testing.T, k string) (payments.Result, error) {
	t.Helper()
	return r.Create(t.Context(), tenant, request(), key(k, "a"))
}

func (r *rig) status(t *testing.T, id string) payment.Payment {
	t.Helper()
	p, err := r.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitClosed waits on virtual time until no operation of the payment is open.
func (r *rig) waitClosed(t *testing.T, id string, limit time.Duration) payment.Payment {
	t.Helper()
	for end := time.Now().Add(limit); ; {
		p := r.status(t, id)
		if p.Open() == nil {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("still open after %s: %+v", limit, p)
		}
		<-time.After(time.Second)
	}
}

func fails(kind fault.Kind, calls ...int) func(context.Context, payment.Action, int) error {
	return func(_ context.Context, _ payment.Action, n int) error {
		for _, c := range calls {
			if c == n {
				return fault.New(kind, "scripted", "")
			}
		}
		return nil
	}
}
