package payments_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

var three = []string{"first", "second", "third"}

// everywhere can be paid at each provider.
func everywhere() payments.CreateRequest {
	methods := map[string]string{}
	for _, name := range three {
		methods[name] = "pm_" + name
	}
	return payments.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethods: methods, Confirm: true}
}

// route tells the operations of a payment: provider outcome, in order.
func route(p payment.Payment) string {
	var steps []string
	for _, op := range p.Operations {
		steps = append(steps, fmt.Sprintf("%s %s", op.Provider, op.Outcome))
	}
	return strings.Join(steps, ", ")
}

func (r *rig) charges() (per []int) {
	for _, p := range r.all {
		per = append(per, p.captured())
	}
	return per
}

func always(kind fault.Kind) script {
	return func(context.Context, payment.Action, int) error { return fault.New(kind, "scripted", "") }
}

func TestErrorKindsThatAllowFailover(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(kind))
				res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				moved := r.all[1].called() > 0
				if want := kind.Rule().Failover || kind == fault.Unsupported; moved != want {
					t.Fatalf("the second was called: %t, want %t (%s)", moved, want, route(res.Payment))
				}
				if !moved {
					return
				}
				if err != nil || res.Payment.Status != payment.Succeeded || res.Payment.Provider != "second" ||
					res.Payment.Error != nil || !strings.HasSuffix(route(res.Payment), ", second succeeded") {
					t.Errorf("%+v, %v", res.Payment, err)
				}
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
					t.Errorf("charges %s", got)
				}
			})
		})
	}
}

// After an unknown outcome nothing that is said later leads elsewhere.
func TestAfterAnUnknownOutcomeNoOtherProviderIsAsked(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]fault.Kind{"unavailable": fault.Unavailable, "unauthorized": fault.Unauthorized, "rate limited": fault.RateLimited} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.provider.failAfter(fails(fault.UnknownOutcome, 1))
				r.provider.failBefore(fails(later, 2, 3, 4))
				res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || res.Payment.Status != payment.Processing {
					t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
				}
				p := r.waitClosed(t, res.Payment.ID, time.Hour)
				if p.Status != payment.Succeeded || p.Provider != "first" || r.all[1].called()+r.all[2].called() != 0 || fmt.Sprint(r.charges()) != "[1 0 0]" {
					t.Errorf("%s at %s, charges %v", p.Status, p.Provider, r.charges())
				}
			})
		})
	}
}

func TestAllProvidersAreDown(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		for _, p := range r.all {
			p.failBefore(always(fault.Unavailable))
		}
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if !fault.Is(err, fault.Unavailable) || res.Payment.ID == "" || res.Payment.Status != payment.RequiresConfirmation {
			t.Fatalf("%+v, %v", res.Payment, err)
		}
		for _, p := range r.all {
			p.failBefore(nil)
		}
		again, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || again.Payment.ID != res.Payment.ID || again.Payment.Provider != "first" || again.Payment.Status != payment.Succeeded {
			t.Fatalf("the same key, once they are back: %+v, %v", again.Payment, err)
		}
		if ops := again.Payment.Operations; len(ops) != 3 || ops[0].Tries != 2 || ops[0].ProviderKey != res.Payment.Operations[0].ProviderKey || ops[1].ProviderKey == ops[0].ProviderKey {
			t.Errorf("a provider has one key for one request: %+v", ops)
		}
		if got := fmt.Sprint(r.charges()); got != "[1 0 0]" {
			t.Errorf("charges %s", got)
		}
	})
}

func TestProviderWithOpenBreakerIsNotCalled(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.provider.leaveAlone(fault.New(fault.Unavailable, "breaker_open", "it keeps failing"))
		var saves atomic.Int64
		count := func(op string) error {
			if op == memjournal.Saved {
				saves.Add(1)
			}
			return nil
		}
		r.fail.Store(&count)
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || route(res.Payment) != "first not_sent, second succeeded" || r.provider.called() != 0 {
			t.Fatalf("%s, %v, %d calls", route(res.Payment), err, r.provider.called())
		}
		if e := res.Payment.Operations[0].Error; e == nil || e.Code != "breaker_open" {
			t.Errorf("why it was left out: %+v", e)
		}
		if n := saves.Load(); n != 2 {
			t.Errorf("%d commits, want 2 as for one provider", n)
		}
		r.provider.leaveAlone(nil)
		back, err := r.Create(t.Context(), tenant, everywhere(), key("k2", "a"))
		if err != nil || back.Payment.Provider != "first" {
			t.Errorf("it is back: %s, %v", route(back.Payment), err)
		}
	})
}

// A token of one provider means nothing to another.
func TestProvidersEligibleForTheCreate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request payments.CreateRequest
		want    string // where all but the last fail
	}{
		"a bare payment method is the first's":       {payments.CreateRequest{PaymentMethod: "pm", Confirm: true}, "first not_sent"},
		"a method for two":                           {payments.CreateRequest{PaymentMethods: map[string]string{"first": "a", "third": "c"}, Confirm: true}, "first not_sent, third succeeded"},
		"a bare method beside a named one":           {payments.CreateRequest{PaymentMethod: "a", PaymentMethods: map[string]string{"third": "c"}, Confirm: true}, "first not_sent, third succeeded"},
		"one for the third alone":                    {payments.CreateRequest{PaymentMethods: map[string]string{"third": "c"}, Confirm: true}, "third succeeded"},
		"unconfirmed without a method: any":          {payments.CreateRequest{}, "first not_sent, second not_sent, third succeeded"},
		"confirmed without a method: the first":      {payments.CreateRequest{Confirm: true}, "first not_sent"},
		"a customer at the first alone":              {payments.CreateRequest{CustomerID: "cus_1"}, "first not_sent"},
		"customers at two":                           {payments.CreateRequest{Customers: map[string]string{"first": "a", "third": "c"}}, "first not_sent, third succeeded"},
		"a user of ours is nobody's customer":        {payments.CreateRequest{CustomerID: "usr_1"}, "first not_sent, second not_sent, third succeeded"},
		"a method here and a customer there: nobody": {payments.CreateRequest{PaymentMethods: map[string]string{"first": "a"}, Customers: map[string]string{"third": "c"}, Confirm: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.all[0].failBefore(always(fault.Unavailable))
				r.all[1].failBefore(always(fault.Unavailable))
				c.request.Amount, c.request.Currency = 1250, "eur"
				res, err := r.Create(t.Context(), tenant, c.request, key("k", "a"))
				if got := route(res.Payment); got != c.want {
					t.Errorf("%q, want %q (%v)", got, c.want, err)
				}
				if c.want == "" && !fault.Is(err, fault.Invalid) {
					t.Errorf("nobody may: %v", err)
				}
			})
		})
	}
}

// What a provider cannot do is asked of the next, and is no failure of the first.
func TestUnsupportingProviderIsSkipped(t *testing.T) {
	t.Parallel()
	cannot := fault.New(fault.Unsupported, "currency_unsupported", "not in this currency")
	manual := func() payments.CreateRequest {
		r := everywhere()
		r.CaptureMethod = payment.CaptureManual
		return r
	}
	for name, c := range map[string]struct {
		prepare func(r *rig)
		request payments.CreateRequest
		want    string
		status  payment.Status
	}{
		"it declares that it cannot capture later": {func(r *rig) { r.all[0].atOnce = true }, manual(), "second succeeded", payment.RequiresCapture},
		"it is not asked to capture later":         {func(r *rig) { r.all[0].atOnce = true }, everywhere(), "first succeeded", payment.Succeeded},
		"two of three declare it":                  {func(r *rig) { r.all[0].atOnce, r.all[2].atOnce = true, true }, manual(), "second succeeded", payment.RequiresCapture},
		"it says so when it is asked": {
			func(r *rig) { r.all[0].failBefore(func(context.Context, payment.Action, int) error { return cannot }) },
			everywhere(), "first not_sent, second succeeded", payment.Succeeded,
		},
		"it cannot word it": {func(r *rig) { r.all[0].unworded = cannot }, everywhere(), "first not_sent, second succeeded", payment.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				c.prepare(r)
				res, err := r.Create(t.Context(), tenant, c.request, key("k", "a"))
				if err != nil || route(res.Payment) != c.want || res.Payment.Status != c.status || res.Payment.Error != nil {
					t.Errorf("%s, %s, %v; want %s", res.Payment.Status, route(res.Payment), err, c.want)
				}
			})
		})
	}
}

func TestUnsupportedPaymentIsRefusedBeforeAnyCall(t *testing.T) {
	t.Parallel()
	cannot := fault.New(fault.Unsupported, "currency_unsupported", "not in this currency")
	for name, c := range map[string]struct {
		prepare func(p *provider)
		code    string
	}{
		"declared":   {func(p *provider) { p.atOnce = true }, "capture_method_unsupported"},
		"not worded": {func(p *provider) { p.unworded = cannot }, "currency_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				for _, p := range r.all {
					c.prepare(p)
				}
				request := everywhere()
				request.CaptureMethod = payment.CaptureManual
				_, err := r.Create(t.Context(), tenant, request, key("k", "a"))
				if f := fault.From(err); f.Kind != fault.Unsupported || f.Code != c.code {
					t.Errorf("%v", err)
				}
				if n := r.all[0].called() + r.all[1].called() + r.all[2].called(); n != 0 {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}

func TestLaterOperationsStayAtThePaymentsProvider(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		request := everywhere()
		request.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, request, key("k", "a"))
		if err != nil || res.Payment.Provider != "second" || res.Payment.Status != payment.RequiresCapture {
			t.Fatalf("%+v, %v", res.Payment, err)
		}
		r.provider.failBefore(nil)
		r.all[1].failBefore(always(fault.Unavailable))
		if _, err := r.Capture(t.Context(), tenant, res.Payment.ID, 0, key("c", "a")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("capture: %v", err)
		}
		if r.provider.called() != 1 || r.all[2].called() != 0 {
			t.Errorf("%d and %d calls elsewhere", r.provider.called()-1, r.all[2].called())
		}
	})
}

// The next provider's operation is on disk before it is called.
func TestFailoverIsSavedBeforeTheNextCall(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		r.all[1].failBefore(func(ctx context.Context, _ payment.Action, _ int) error {
			list, err := r.List(ctx, tenant, payments.Filter{}, "", 1)
			if err != nil || len(list.Payments) != 1 {
				return fmt.Errorf("%+v, %w", list, err)
			}
			if got := route(list.Payments[0]); got != "first not_sent, second calling" {
				t.Errorf("on disk while the second is called: %s", got)
			}
			return nil
		})
		if _, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil {
			t.Error(err)
		}
	})
}

// A journal that fails between two providers leaves the payment where it was.
func TestUnsavedFailoverCallsNoProvider(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		r.failNth(memjournal.Save, 2, fault.Internal)
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || res.Payment.Status != payment.Processing || r.all[1].called() != 0 {
			t.Fatalf("%s, %v, %d calls", res.Payment.Status, err, r.all[1].called())
		}
		r.provider.failBefore(nil)
		p := r.waitClosed(t, res.Payment.ID, time.Hour)
		if p.Provider != "first" || fmt.Sprint(r.charges()) != "[1 0 0]" {
			t.Errorf("%s, charges %v", route(p), r.charges())
		}
	})
}

// The answer of the save is lost: what was saved is found, and done once.
func TestFailoverWithUnknownSaveCallsOnce(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		r.failNth(memjournal.Saved, 2, fault.UnknownOutcome)
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || route(res.Payment) != "first not_sent, second succeeded" || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s, %v, charges %v", route(res.Payment), err, r.charges())
		}
	})
}
