package stripesim

import (
	"slices"
	"strings"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// open opens a dispute over the received amount. An inquiry moves no money.
func (s *Sim) open(r *Record, status, reason string) *Dispute {
	r.Disputes = append(r.Disputes, Dispute{
		ID: s.newID("dp"), Amount: r.Intent.State.Received, Created: s.now(), Status: status, Reason: reason,
	})
	r.Intent.State.Disputed = true
	d := &r.Disputes[len(r.Disputes)-1]
	s.emitDispute(r, d, "created")
	if !strings.HasPrefix(status, "warning_") {
		s.move(d, -d.Amount)
		s.emitDispute(r, d, "funds_withdrawn")
	}
	return d
}

// dispute opens the dispute that the buyers of some cards open, and decides it if the card says so.
func (s *Sim) dispute(r *Record, c card) {
	if c.dispute != "won" && c.dispute != "lost" {
		s.open(r, c.dispute, c.reason)
		return
	}
	s.decide(r, s.open(r, "needs_response", c.reason), c.dispute)
}

func (s *Sim) decide(r *Record, d *Dispute, status string) {
	d.Status = status
	switch status {
	case "won":
		s.emitDispute(r, d, "closed")
		s.move(d, d.Amount)
		s.emitDispute(r, d, "funds_reinstated")
	case "lost":
		s.emitDispute(r, d, "closed")
	default:
		s.emitDispute(r, d, "updated")
	}
}

// move adds a balance transaction. It does not change the slice that copies of the dispute share.
func (s *Sim) move(d *Dispute, amount int64) {
	d.Moved = append(slices.Clone(d.Moved), Movement{ID: s.newID("txn"), Object: "balance_transaction", Amount: amount})
}

func (s *Sim) emitDispute(r *Record, d *Dispute, what string) {
	s.emitOf(r, "charge.dispute."+what, "", newDisputeObject(&r.Intent, d), time.Time{})
}

// Dispute opens a dispute over the received amount of an intent, as a buyer does.
func (s *Sim) Dispute(t faultserver.T, reference string) (id string) {
	t.Helper()
	s.touch(t, reference, func(r *Record) { id = s.open(r, "needs_response", "fraudulent").ID })
	return id
}

// Decide sets the status of a dispute: under_review, won or lost. When it is won, the money is
// reinstated.
func (s *Sim) Decide(t faultserver.T, id, status string) {
	t.Helper()
	at := func(r *Record) int { return slices.IndexFunc(r.Disputes, func(d Dispute) bool { return d.ID == id }) }
	reference := s.holder(t, id, func(r *Record) bool { return at(r) >= 0 })
	s.touch(t, reference, func(r *Record) { s.decide(r, &r.Disputes[at(r)], status) })
}
