package payments

import (
	"time"

	"patchbay/core/payment"
	"patchbay/core/worker"
)

// mark identifies one try of an operation, so that the try is recognized after a save
// whose answer was lost.
type mark struct {
	id   string
	turn int
	at   time.Time
}

func markOf(op *payment.Operation) mark { return mark{op.ID, op.Turn, op.LastTry().UTC().Round(0)} }

// in reports whether the payment contains the try.
func (m mark) in(p *payment.Payment) bool {
	op := p.Operation(m.id)
	return op != nil && markOf(op) == m
}

// hold claims the record for this process. The claim takes effect with the next save.
func (s *Service) hold(st *stored) {
	st.record.Queue = s.queueOf(st.payment)
	worker.Hold(&st.record, s.Owner, s.Clock.Now().Add(st.ahead+lease))
}

// release lets any worker claim the record from due on, by our clock.
func (s *Service) release(st *stored, due time.Time) {
	st.record.Queue, st.record.Owner, st.record.Due = s.queueOf(st.payment), "", due.Add(st.ahead)
}
