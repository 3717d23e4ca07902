package stripesim

import (
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

// refund is a refund, or the part of an authorisation that a capture or cancellation has released.
type refund struct {
	id       string
	amount   int64
	created  time.Time
	metadata map[string]string
	reason   string
	status   string // succeeded if empty
	released bool
}

// live reports whether the buyer has the money or will get it.
func (r *refund) live() bool { return r.status != "failed" && r.status != "canceled" }

func (i *intent) refundObject(r *refund) object {
	metadata := r.metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	o := object{
		"id": r.id, "object": "refund", "amount": r.amount, "charge": i.charge.id, "created": r.created.Unix(), "currency": i.currency,
		"metadata": metadata, "payment_intent": i.id, "reason": orNull(r.reason), "status": "succeeded",
	}
	if r.status != "" {
		o["status"] = r.status
	}
	if r.status == "failed" {
		o["failure_reason"] = "expired_or_canceled_card"
	}
	return o
}

// giveBack makes a refund. A refund to a bank account has an id of another form.
func (s *Sim) giveBack(i *intent, amount int64, q *request) *refund {
	c, _ := cardOf(i.method)
	prefix := "re"
	if c.bank {
		prefix = "pyr"
	}
	r := &refund{id: newID(prefix), amount: amount, created: s.now(), status: c.refund}
	key := ""
	if q != nil {
		r.metadata, r.reason, key = q.metadata(), q.text("reason"), q.key
	}
	i.refunds = append(i.refunds, r)
	s.tell("charge.refunded", i.chargeObject(), key)
	s.tell("refund.created", i.refundObject(r), key)
	return r
}

// release releases an authorised amount, which Stripe represents as a refund too.
func (s *Sim) release(i *intent, amount int64, key string) {
	if amount <= 0 {
		return
	}
	r := &refund{id: newID("re"), amount: amount, created: s.now(), released: true}
	i.refunds = append(i.refunds, r)
	s.tell("charge.refunded", i.chargeObject(), key)
	s.tell("refund.created", i.refundObject(r), key)
}

// GiveBack makes a refund in the dashboard.
func (s *Sim) GiveBack(t faultserver.T, reference string, amount int64) (id string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.known(t, reference)
	if left := i.received - i.entry().Refunded; amount > left {
		t.Fatalf("stripesim: %d of %s are left", left, reference)
	}
	return s.giveBack(i, amount, nil).id
}

// Take makes a capture in the dashboard.
func (s *Sim) Take(t faultserver.T, reference string, amount int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.known(t, reference)
	if amount > i.capturable {
		t.Fatalf("stripesim: %d of %s can be captured", i.capturable, reference)
	}
	s.take(i, amount, "")
}

// Clear completes a bank payment, which takes days.
func (s *Sim) Clear(t faultserver.T, reference string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.known(t, reference)
	if i.status != payment.Processing {
		t.Fatalf("stripesim: %s is %s", reference, i.status)
	}
	i.charge.paid = true
	s.take(i, i.amount, "")
}

// Conclude changes the status of a refund: succeeded, failed or canceled.
func (s *Sim) Conclude(t faultserver.T, refund, status string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.intents {
		for _, r := range i.refunds {
			if r.id == refund {
				r.status = status
				s.tell("charge.refund.updated", i.refundObject(r), "")
				return
			}
		}
	}
	t.Fatalf("stripesim: there is no %s", refund)
}

// known returns an intent, and fails the test if it does not exist.
func (s *Sim) known(t faultserver.T, reference string) *intent {
	t.Helper()
	i := s.find(reference)
	if i == nil {
		t.Fatalf("stripesim: there is no %s", reference)
	}
	return i
}
