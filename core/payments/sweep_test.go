package payments_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// paysBy makes a payment that its provider leaves open.
func (r *rig) paysBy(t *testing.T, method string) payment.Payment {
	t.Helper()
	res, err := r.Create(t.Context(), tenant, payments.CreateRequest{Amount: 900, Currency: "usd", PaymentMethod: method, Confirm: true}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Payment
}

// becomes is what happens at the provider, of which nobody tells.
func (p *provider) becomes(ref string, change func(*payment.Intent)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.intents[ref])
}

func paid(i *payment.Intent) {
	i.Status, i.AmountCaptured, i.NextAction = payment.Succeeded, i.Amount, nil
}

// sightings notes when the provider was asked, since now.
func (p *provider) sightings() func() []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	start := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = func() {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, time.Since(start))
	}
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestPaymentOpenAtProviderIsPolled(t *testing.T) {
	for _, method := range []string{"pm_buyer", "pm_bank"} {
		t.Run(method, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				p := r.paysBy(t, method)
				r.provider.becomes(p.ProviderReference, paid)
				<-time.After(3 * time.Minute)
				if got := r.status(t, p.ID); got.Status != payment.Succeeded || got.AmountCaptured != 900 {
					t.Errorf("%s after three minutes, and its webhook lost", got.Status)
				}
				if st, err := r.journal.Get(t.Context(), tenant, "payment", p.ID); err != nil || st.Queue != "" {
					t.Errorf("%v: it still waits in %q", err, st.Queue)
				}
			})
		})
	}
}

// The buyer pays in the browser, and the webhook is lost. A payment that is confirmed here
// has nothing to tell before.
func TestPaymentConfirmedInTheBrowserIsDetected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		status       payment.Status
		confirmation payment.Confirmation
		want         payment.Status
	}{
		{"the client confirms", payment.RequiresConfirmation, payment.ConfirmClient, payment.Succeeded},
		{"the client confirms, and gives the method", payment.RequiresPaymentMethod, payment.ConfirmClient, payment.Succeeded},
		{"it is not said who confirms", payment.RequiresConfirmation, "", payment.Succeeded},
		{"it is confirmed here", payment.RequiresConfirmation, payment.ConfirmServer, payment.RequiresConfirmation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.left(t, payment.Payment{Status: tt.status, Confirmation: tt.confirmation, ProviderReference: "pi_1"}, payment.Operation{Outcome: payment.Done})
				r.provider.becomes("pi_1", func(i *payment.Intent) { i.Status, i.AmountCaptured = tt.status, 0 })
				r.status(t, "pay_old")
				<-time.After(2 * time.Minute)
				r.provider.becomes("pi_1", paid)
				<-time.After(20 * time.Minute)
				if p := r.status(t, "pay_old"); p.Status != tt.want {
					t.Errorf("%s, want %s", p.Status, tt.want)
				}
			})
		})
	}
	t.Run("a payment that was just made", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			create := request()
			create.Confirm = false
			res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
			if err != nil || res.Payment.Confirmation != payment.ConfirmClient {
				t.Fatalf("%+v, %v", res.Payment, err)
			}
			r.provider.becomes("pi_1", paid)
			<-time.After(3 * time.Minute)
			if p := r.status(t, res.Payment.ID); p.Status != payment.Succeeded {
				t.Error(p.Status)
			}
		})
	})
}

func TestPollingSchedule(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		asked := r.provider.sightings()
		p := r.paysBy(t, "pm_buyer")
		<-time.After(40 * 24 * time.Hour)
		at := asked()
		if len(at) < 30 || len(at) > 35 {
			t.Fatalf("asked %d times in 40 days: %v", len(at), at)
		}
		for i, want := range []time.Duration{time.Minute, 11 * time.Minute, 71 * time.Minute, 431 * time.Minute, 31*time.Hour + 11*time.Minute} {
			if late := at[i] - want; late < 0 || late > 10*time.Minute {
				t.Errorf("time %d after %s, want %s", i+1, at[i], want)
			}
		}
		if last := at[len(at)-1]; last > 31*24*time.Hour {
			t.Errorf("asked after %s", last)
		}
		if got := r.status(t, p.ID); got.Status != payment.RequiresAction || got.NextAction == nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestPendingRefundIsPolled(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		id := res.Payment.ID
		set := func(status string) {
			r.provider.mu.Lock()
			defer r.provider.mu.Unlock()
			for key, one := range r.provider.refunds {
				one.Status = status
				r.provider.refunds[key] = one
			}
		}
		r.provider.mu.Lock()
		r.provider.refundsBegin = "pending"
		r.provider.mu.Unlock()
		refund, err := r.Refund(t.Context(), tenant, id, 250, idempotency.Key{})
		if err != nil || refund.Operation.Outcome != payment.Pending {
			t.Fatalf("%+v, %v", refund.Operation, err)
		}
		set("failed")
		r.provider.becomes(res.Payment.ProviderReference, func(i *payment.Intent) { i.AmountRefunded = 0 })
		<-time.After(3 * time.Minute)
		got := r.status(t, id)
		if op := got.Operation(refund.Operation.ID); op.Outcome != payment.NotExecuted || got.AmountRefunded != 0 {
			t.Errorf("%+v, %d refunded", op, got.AmountRefunded)
		}
	})
}

// While the provider cannot be asked, nothing is counted, and nobody else waits for it.
func TestHangingProviderDelaysNoOtherSweep(t *testing.T) {
	withProviders(t, []string{"acme", "umbrella"}, func(t *testing.T, r *rig) {
		pay := func(name string) payment.Payment {
			res, err := r.Create(t.Context(), tenant, payments.CreateRequest{
				Amount: 900, Currency: "usd", PaymentMethods: map[string]string{name: "pm_buyer"}, Confirm: true,
			}, idempotency.Key{})
			if err != nil {
				t.Fatal(err)
			}
			return res.Payment
		}
		for range 200 {
			pay("acme")
		}
		hung := time.Now().Add(20 * time.Minute)
		r.provider.mu.Lock()
		r.provider.looked = func() {
			if time.Now().Before(hung) {
				<-time.After(9 * time.Second)
			}
		}
		r.provider.blind = fault.New(fault.Unavailable, "scripted", "")
		r.provider.mu.Unlock()
		p := pay("umbrella")
		r.all[1].becomes(p.ProviderReference, paid)
		<-time.After(4 * time.Minute)
		if got := r.status(t, p.ID); got.Status != payment.Succeeded {
			t.Errorf("%s: it waits for a provider that is not its own", got.Status)
		}
	})
}
