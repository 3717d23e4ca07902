package explore

import (
	"context"
	"fmt"
	"strings"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

const (
	amount      = 1000
	createRoute = "POST /api/payments"
	createKeys  = tenant + "|" + createRoute + "|" // the prefix of a create's key
)

// scoped returns a caller's idempotency key for a route, with the request body.
func scoped(route, key, body string) idempotency.Key {
	if key == "" {
		return idempotency.Key{}
	}
	return idempotency.New(tenant, route, key, []byte(body))
}

// creates returns an Act that creates a payment with an idempotency key and records the response.
func creates(at int, key string, r payments.CreateRequest) Act {
	r.Amount, r.Currency = amount, "eur"
	if len(r.PaymentMethods) == 0 {
		r.PaymentMethods = map[string]string{accounts[0]: r.PaymentMethod, accounts[1]: r.PaymentMethod}
		r.PaymentMethod = ""
	}
	k := scoped(createRoute, key, "create")
	return Act{Name: "create " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		result, err := p.monetary().Create(ctx, tenant, r, k)
		return p.recordResponse(k.Scoped, result, err)
	}}
}

// pays returns an Act that creates a payment and confirms it at once.
func pays(at int, key, method string, capture payment.CaptureMethod) Act {
	return creates(at, key, payments.CreateRequest{PaymentMethod: method, Confirm: true, CaptureMethod: capture})
}

// often returns an Act that repeats another one.
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

// does returns an Act for an operation on the payment that was created with the key of.
func does(at int, what, key, of string, do func(ctx context.Context, s *payments.Service, id string, k idempotency.Key) (payments.Result, error)) Act {
	return Act{Name: what + " " + key, At: at, Key: key, do: func(ctx context.Context, p *process) string {
		id := p.world.domain.(*monetary).created(scoped(createRoute, of, "").Scoped)
		if id == "" {
			return "none: no such payment"
		}
		k := scoped(createRoute+"/"+id+"/"+what, key, what)
		result, err := do(ctx, p.monetary(), id, k)
		return p.recordResponse(k.Scoped, result, err)
	}}
}

func confirms(at int, key, of, method string) Act {
	return does(at, "confirm", key, of, func(ctx context.Context, s *payments.Service, id string, k idempotency.Key) (payments.Result, error) {
		return s.Confirm(ctx, tenant, id, payments.ConfirmRequest{PaymentMethod: method}, k)
	})
}

func captures(at int, key, of string, amount int64) Act {
	return does(at, "capture", key, of, func(ctx context.Context, s *payments.Service, id string, k idempotency.Key) (payments.Result, error) {
		return s.Capture(ctx, tenant, id, amount, k)
	})
}

func cancels(at int, key, of string) Act {
	return does(at, "cancel", key, of, func(ctx context.Context, s *payments.Service, id string, k idempotency.Key) (payments.Result, error) {
		return s.Cancel(ctx, tenant, id, k)
	})
}

// refunds returns an Act that requests a refund. Each key has another amount.
func refunds(at int, key, of string, amount int64) Act {
	act := does(at, "refund", key, of, func(ctx context.Context, s *payments.Service, id string, k idempotency.Key) (payments.Result, error) {
		return s.Refund(ctx, tenant, id, amount, k)
	})
	do := act.do
	act.do = func(ctx context.Context, p *process) string {
		d := p.world.domain.(*monetary)
		d.asked(d.created(scoped(createRoute, of, "").Scoped), amount)
		return do(ctx, p)
	}
	return act
}

// created returns the id of the payment that was created with a key, or "" if there is none.
func (d *monetary) created(key string) string {
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

// recordResponse records the response to a caller, unless the process was killed before it responded.
func (p *process) recordResponse(key string, result payments.Result, err error) string {
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
	p.world.domain.(*monetary).answered(key, result.Payment.ID, strings.HasPrefix(key, createKeys), a)
	text := fmt.Sprintf("%s is answered %s", p.name, a)
	if result.Replayed {
		text += ", replayed"
	}
	return text
}
