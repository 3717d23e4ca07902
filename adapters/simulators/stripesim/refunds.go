package stripesim

import (
	"slices"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

func (s *Sim) refund(q *request, r *Record, saved *Saved) *Failure {
	expanded, f := q.expands("charge")
	if f != nil {
		return f
	}
	left, amount := r.left(), q.number("amount")
	switch {
	case r.Intent.State.Status != payment.Succeeded:
		return impossible("", "payment_intent", "This PaymentIntent does not have a successful charge to refund.")
	case left == 0:
		return impossible("charge_already_refunded", "", "Charge has already been refunded.")
	case amount < 0, amount == 0 && q.text("amount") != "":
		return invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	case amount > left:
		return impossible("", "amount", "Refund amount is greater than unrefunded amount on charge.")
	case amount == 0:
		amount = left
	}
	if f := checkMultiple("amount", amount, r.Intent.Currency); f != nil {
		return f
	}
	made := s.giveBack(r, amount, q)
	saved.Expanded, saved.Refund, saved.RefundStatus = expanded, len(r.Refunds), made.Status
	return nil
}

// left returns what can still be refunded.
func (r *Record) left() int64 { return r.Intent.State.Received - r.Entry().Refunded }

// giveBack makes a refund. A refund to a bank account has an id of another form.
func (s *Sim) giveBack(r *Record, amount int64, q *request) Refund {
	c, _ := cardOf(r.Intent.State.Method)
	prefix := "re"
	if c.bank {
		prefix = "pyr"
	}
	made := Refund{ID: s.newID(prefix), Amount: amount, Created: s.now(), Status: "succeeded"}
	if c.refund != "" {
		made.Status = c.refund
	}
	key := ""
	if q != nil {
		made.Metadata, made.Reason, key = q.metadata(), q.text("reason"), q.key
	}
	s.addRefund(r, made, key)
	if c.becomes != "" && s.refundTakes > 0 {
		t := Turn{Refund: len(r.Refunds) - 1, At: s.now().Add(s.refundTakes), Status: c.becomes}
		r.Turns = append(r.Turns, t)
		later := made
		later.Status = t.Status
		s.emitOf(r, "charge.refund.updated", "", newRefundObject(&r.Intent, &later), t.At)
	}
	return made
}

// release releases an authorised amount, which Stripe represents as a refund too.
func (s *Sim) release(r *Record, amount int64, key string) {
	if amount > 0 {
		s.addRefund(r, Refund{ID: s.newID("re"), Amount: amount, Created: s.now(), Status: "succeeded", Released: true}, key)
	}
}

func (s *Sim) addRefund(r *Record, made Refund, key string) {
	r.Refunds = append(r.Refunds, made)
	r.count()
	s.emit(r, "charge.refunded", key)
	s.emitOf(r, "refund.created", key, newRefundObject(&r.Intent, &made), time.Time{})
}

// GiveBack makes a refund in the dashboard.
func (s *Sim) GiveBack(t faultserver.T, reference string, amount int64) (id string) {
	t.Helper()
	s.touch(t, reference, func(r *Record) {
		if left := r.left(); amount > left {
			t.Fatalf("stripesim: %d of %s are left", left, reference)
		}
		id = s.giveBack(r, amount, nil).ID
	})
	return id
}

// Take makes a capture in the dashboard.
func (s *Sim) Take(t faultserver.T, reference string, amount int64) {
	t.Helper()
	s.touch(t, reference, func(r *Record) {
		if most := r.Intent.State.Capturable; amount > most {
			t.Fatalf("stripesim: %d of %s can be captured", most, reference)
		}
		s.take(r, amount, "")
	})
}

// Clear completes a bank payment, which takes days.
func (s *Sim) Clear(t faultserver.T, reference string) {
	t.Helper()
	s.touch(t, reference, func(r *Record) {
		if at := r.Intent.State.Status; at != payment.Processing {
			t.Fatalf("stripesim: %s is %s", reference, at)
		}
		r.Intent.State.Charge.Paid = true
		s.take(r, r.Intent.Amount, "")
	})
}

// Conclude changes the status of a refund: succeeded, failed or canceled.
func (s *Sim) Conclude(t faultserver.T, refund, status string) {
	t.Helper()
	at := func(r *Record) int {
		return slices.IndexFunc(r.Refunds, func(f Refund) bool { return f.ID == refund })
	}
	reference := s.holder(t, refund, func(r *Record) bool { return at(r) >= 0 })
	s.touch(t, reference, func(r *Record) {
		f := &r.Refunds[at(r)]
		f.Status = status
		r.count()
		s.emitOf(r, "charge.refund.updated", "", newRefundObject(&r.Intent, f), time.Time{})
	})
}
