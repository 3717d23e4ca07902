package payments_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// largest is a payment that has as much to say as one may.
func largest() payments.CreateRequest {
	o := request()
	o.Metadata = map[string]string{}
	for n := range 45 {
		o.Metadata[fmt.Sprintf("%02d", n)+strings.Repeat("<", 38)] = strings.Repeat("\u0001", 500)
	}
	o.Description, o.PaymentMethods, o.Customers = strings.Repeat("<", 1000), map[string]string{}, map[string]string{}
	for n := range 31 {
		name := fmt.Sprintf("%02d", n) + strings.Repeat("<", 253)
		o.PaymentMethods[name], o.Customers[name] = name, name
	}
	o.Customers["acme"] = "cus_1"
	return o
}

func (r *rig) size(t *testing.T, id string) int { t.Helper(); return len(r.body(t, id)) }

// What did nothing, and may be asked for again, is kept with all that was to be said: it
// makes room for what is asked for since.
func TestFailedTriesDoNotFillThePayment(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		first, err := r.Create(t.Context(), tenant, largest(), key("k", "a"))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		id, most := first.Payment.ID, 0
		for n := range 99 {
			if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", fmt.Sprint(n))); !fault.Is(err, fault.Unavailable) {
				t.Fatalf("%d: %v", n, err)
			}
			most = max(most, r.size(t, id))
		}
		if most > 4<<20 {
			t.Errorf("its record has %d bytes", most)
		}
		r.provider.failBefore(nil)
		if again, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "98")); err != nil || again.Payment.Status != payment.Succeeded {
			t.Errorf("status = %q, error %v; want %q", again.Payment.Status, err, payment.Succeeded)
		}
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges", n)
		}
	})
}

// Nothing is begun of which the store may not keep what has come of it. What the payment
// has already is kept, and it can be given up.
func TestAPaymentWhoseRecordIsFullTakesNoMore(t *testing.T) {
	for name, act := range map[string]func(r *rig, id string, k idempotency.Key) (payments.Result, error){
		"a refund": func(r *rig, id string, k idempotency.Key) (payments.Result, error) {
			return r.Refund(t.Context(), tenant, id, 100, k)
		},
		"a capture": func(r *rig, id string, k idempotency.Key) (payments.Result, error) {
			return r.Capture(t.Context(), tenant, id, 100, k)
		},
		"a confirm": func(r *rig, id string, k idempotency.Key) (payments.Result, error) {
			return r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_ok", ReturnURL: "https://shop.example"}, k)
		},
		"a cancel": func(r *rig, id string, k idempotency.Key) (payments.Result, error) {
			return r.Cancel(t.Context(), tenant, id, k)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				o := request()
				o.Confirm = name != "a confirm" && name != "a cancel"
				if name == "a capture" {
					o.CaptureMethod = payment.CaptureManual
				}
				first, err := r.Create(t.Context(), tenant, o, key("k", "a"))
				if err != nil {
					t.Fatal(err)
				}
				id := first.Payment.ID
				r.rewrite(t, id, func(p *payment.Payment) { // by a version that kept more
					p.Operations[0].Answer = append(append([]byte(`{"description":"`), bytes.Repeat([]byte("x"), 4<<20)...), `"}`...)
				})
				calls, before := r.provider.called(), r.body(t, id)
				_, err = act(r, id, opKey(name, "a"))
				if name == "a cancel" {
					if err != nil || r.status(t, id).Status != payment.Canceled {
						t.Errorf("it cannot be given up: %v", err)
					}
					return
				}
				if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "payment_too_large" {
					t.Errorf("%v", err)
				}
				if n := r.provider.called() - calls; n != 0 || r.body(t, id) != before {
					t.Errorf("%d calls of the provider", n)
				}
			})
		})
	}
}

// However much a caller has to say, a create is well below what a record may have; more is
// refused.
func TestTheLargestPaymentHasRoomForMore(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		o := largest()
		o.PaymentMethods, o.Customers = map[string]string{}, nil
		for _, name := range three {
			o.PaymentMethods[name] = "pm_ok"
		}
		for n := range 32 - len(three) {
			name := fmt.Sprintf("%02d", n) + strings.Repeat("<", 253)
			o.PaymentMethods[name] = name
		}
		for _, p := range r.all[:2] {
			p.failBefore(always(fault.Unavailable))
		}
		first, err := r.Create(t.Context(), tenant, o, key("k", "a"))
		if err != nil || first.Payment.Status != payment.Succeeded {
			t.Fatalf("status = %q, error %v; want %q", first.Payment.Status, err, payment.Succeeded)
		}
		if size := r.size(t, first.Payment.ID); size > 2<<20 {
			t.Errorf("its record has %d bytes", size)
		}
		for n := range 33 {
			o.PaymentMethods[fmt.Sprint(n)] = "pm_ok"
		}
		if _, err := r.Create(t.Context(), tenant, o, key("l", "a")); fault.From(err).Code != "too_many_providers" {
			t.Errorf("%d payment methods: %v", len(o.PaymentMethods), err)
		}
	})
}
