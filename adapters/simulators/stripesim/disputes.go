package stripesim

import (
	"slices"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// dispute is a dispute of a charge.
type dispute struct {
	id      string
	amount  int64
	created time.Time
	status  string
	moved   []object // balance transactions: withdrawn, reinstated
}

func (i *intent) disputeObject(d *dispute) object {
	return object{
		"id": d.id, "object": "dispute", "amount": d.amount, "balance_transactions": d.moved, "charge": i.charge.id,
		"created": d.created.Unix(), "currency": i.currency, "evidence_details": object{"due_by": d.created.Add(7 * 24 * time.Hour).Unix()},
		"metadata": object{}, "payment_intent": i.id, "reason": "fraudulent", "status": d.status,
	}
}

// Dispute opens a dispute over the received amount of an intent, as a buyer does.
func (s *Sim) Dispute(t faultserver.T, reference string) (id string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.known(t, reference)
	d := &dispute{id: newID("dp"), amount: i.received, created: s.now(), status: "needs_response", moved: []object{}}
	i.disputes = append(i.disputes, d)
	s.tell("charge.dispute.created", i.disputeObject(d), "")
	d.moved = append(d.moved, object{"id": newID("txn"), "object": "balance_transaction", "amount": -d.amount})
	s.tell("charge.dispute.funds_withdrawn", i.disputeObject(d), "")
	return d.id
}

// Decide sets the status of a dispute: under_review, won or lost. When it is won, the money is
// reinstated.
func (s *Sim) Decide(t faultserver.T, id, status string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.intents {
		for _, d := range i.disputes {
			if d.id == id {
				s.decide(i, d, status)
				return
			}
		}
	}
	t.Fatalf("stripesim: there is no %s", id)
}

func (s *Sim) decide(i *intent, d *dispute, status string) {
	d.status = status
	switch status {
	case "won":
		s.tell("charge.dispute.closed", i.disputeObject(d), "")
		d.moved = append(d.moved, object{"id": newID("txn"), "object": "balance_transaction", "amount": d.amount})
		s.tell("charge.dispute.funds_reinstated", i.disputeObject(d), "")
	case "lost":
		s.tell("charge.dispute.closed", i.disputeObject(d), "")
	default:
		s.tell("charge.dispute.updated", i.disputeObject(d), "")
	}
}

func (s *Sim) disputes(q *request) (object, *failure) {
	reference := q.text("payment_intent")
	if reference != "" && s.find(reference) == nil {
		return nil, missing("payment_intent", "payment_intent", reference)
	}
	var all []object
	for _, i := range slices.Backward(s.intents) {
		if reference != "" && i.id != reference {
			continue
		}
		for _, d := range slices.Backward(i.disputes) {
			all = append(all, i.disputeObject(d))
		}
	}
	return q.page("/v1/disputes", "dispute", all)
}
