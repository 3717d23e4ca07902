package explore

import (
	"context"
	"fmt"
	"strings"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
)

const (
	amount      = 1000
	createRoute = "POST /api/payments"
	createKeys  = tenant + "|" + createRoute + "|" // what they begin with
)

// scoped is a caller's key for a route, and what is asked under it.
func scoped(route, key, body string) idem.Key {
	if key == "" {
		return idem.Key{}
	}
	return idem.New(tenant, route, key, []byte(body))
}

// creates asks for a payment under a key, and what becomes of it is heard.
func creates(at int, key string, r checkout.CreateRequest) Act {
	r.Amount, r.Currency = amount, "eur"
	if len(r.PaymentMethods) == 0 {
		r.PaymentMethods = map[string]string{accounts[0]: r.PaymentMethod, accounts[1]: r.PaymentMethod}
		r.PaymentMethod = ""
	}
	k := scoped(createRoute, key, "create")
	return Act{Name: "create " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		result, err := p.payments().Create(ctx, tenant, r, k)
		return p.heard(k.Scoped, result, err)
	}}
}

// pays is a create that is confirmed at once.
func pays(at int, key, method string, capture payment.CaptureMethod) Act {
	return creates(at, key, checkout.CreateRequest{PaymentMethod: method, Confirm: true, CaptureMethod: capture})
}

// often does the same many times.
func often(times int, act Act) Act {
	do := act.do
	act.do = func(ctx context.Context, p *process) (answer string) {
		for range times {
			answer = do(ctx, p)
		}
		return answer
	}
	return act
}

// does is an operation on the payment that was created under a key.
func does(at int, what, key, of string, do func(ctx context.Context, s *checkout.Service, id string, k idem.Key) (checkout.Result, error)) Act {
	return Act{Name: what + " " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		id := p.world.domain.(*payments).created(scoped(createRoute, of, "").Scoped)
		if id == "" {
			return "none: no such payment"
		}
		k := scoped(createRoute+"/"+id+"/"+what, key, what)
		result, err := do(ctx, p.payments(), id, k)
		return p.heard(k.Scoped, result, err)
	}}
}

func confirms(at int, key, of, method string) Act {
	return does(at, "confirm", key, of, func(ctx context.Context, s *checkout.Service, id string, k idem.Key) (checkout.Result, error) {
		return s.Confirm(ctx, tenant, id, checkout.ConfirmRequest{PaymentMethod: method}, k)
	})
}

func captures(at int, key, of string, amount int64) Act {
	return does(at, "capture", key, of, func(ctx context.Context, s *checkout.Service, id string, k idem.Key) (checkout.Result, error) {
		return s.Capture(ctx, tenant, id, amount, k)
	})
}

func cancels(at int, key, of string) Act {
	return does(at, "cancel", key, of, func(ctx context.Context, s *checkout.Service, id string, k idem.Key) (checkout.Result, error) {
		return s.Cancel(ctx, tenant, id, k)
	})
}

// refunds asks for an amount back: each key for another.
func refunds(at int, key, of string, amount int64) Act {
	act := does(at, "refund", key, of, func(ctx context.Context, s *checkout.Service, id string, k idem.Key) (checkout.Result, error) {
		return s.Refund(ctx, tenant, id, amount, k)
	})
	do := act.do
	act.do = func(ctx context.Context, p *process) string {
		d := p.world.domain.(*payments)
		d.asked(d.created(scoped(createRoute, of, "").Scoped), amount)
		return do(ctx, p)
	}
	return act
}

// created is the payment that was made under a key, as its caller finds it.
func (d *payments) created(key string) string {
	for _, r := range d.world.records() {
		d.world.mu.Lock()
		made := d.keys[r.ID]
		d.world.mu.Unlock()
		if made == key {
			return r.ID
		}
	}
	return ""
}

func (m *monitor) asked(id string, amount int64) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if m.refunds[id] == nil {
		m.refunds[id] = map[int64]bool{}
	}
	m.refunds[id][amount] = true
}

// heard takes note of an answer, unless the process was killed before it gave it.
func (p *process) heard(key string, result checkout.Result, err error) string {
	if !p.world.live(p) {
		return "none: the process died"
	}
	a := answer{status: result.Payment.Status, open: result.Operation.Outcome.Open()}
	if result.Operation.Action == payment.Refund && err == nil {
		a.status = payment.Status("refund " + string(result.Operation.Outcome))
	}
	if err != nil {
		f := fault.From(err)
		a.kind, a.code = f.Kind.String(), f.Code
	}
	p.world.domain.(*payments).answered(key, result.Payment.ID, strings.HasPrefix(key, createKeys), a)
	text := fmt.Sprintf("%s is answered %s", p.name, a)
	if result.Replayed {
		text += ", replayed"
	}
	return text
}
