package checkout

import (
	"time"

	"patchbay/core/payment"
	"patchbay/ports"
)

// claim is the right to move an operation on: to ask another provider, or to end it by
// a refusal. Whoever is stopped beyond its lease may lose it without noticing; so each
// such step is a save that succeeds only while the record still bears this claim.
type claim struct {
	owner string
	due   time.Time // the end of the lease, by which two claims of one owner are told apart
}

// mark tells one try of an operation from all others, so that it is known again after a
// save whose answer was lost.
type mark struct {
	id   string
	turn int
	at   time.Time
}

func markOf(op *payment.Operation) mark { return mark{op.ID, op.Turn, op.LastTry().UTC().Round(0)} }

// in reports whether the try is in a payment.
func (m mark) in(p *payment.Payment) bool {
	op := p.Operation(m.id)
	return op != nil && markOf(op) == m
}

// hold claims the record for this process. The next save makes it so.
func (s *Service) hold(st *stored) {
	st.record.Queue = s.queueOf(st.payment)
	st.record.Owner, st.record.Due = s.Owner, s.Clock.Now().Add(st.ahead+lease).Truncate(time.Millisecond)
}

// release lets any worker have the record from due on, by our clock.
func (s *Service) release(st *stored, due time.Time) {
	st.record.Queue, st.record.Owner, st.record.Due = s.queueOf(st.payment), "", due.Add(st.ahead)
}

func claimOf(r ports.Record) claim {
	return claim{owner: r.Owner, due: r.Due.Truncate(time.Millisecond)} // the coarsest that a store keeps
}

// holds reports whether the record bears the claim.
func (c claim) holds(r ports.Record) bool {
	now := claimOf(r)
	return c.owner != "" && now.owner == c.owner && now.due.Equal(c.due)
}
