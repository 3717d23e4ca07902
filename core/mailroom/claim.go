package mailroom

import (
	"time"

	"patchbay/ports"
)

// claim is the right to decide what becomes of a message after a failure: to queue it
// again, to ask the next provider, or to give it up. Whoever is stopped beyond its lease
// loses it without noticing.
type claim struct {
	owner string
	due   time.Time // the end of the lease, by which two claims of one owner are told apart
}

// hold claims the record for this process. The next save makes it so.
func (s *Service) hold(r *ports.Record, now time.Time) {
	r.Owner, r.Due = s.Owner, now.Add(s.lease).Truncate(time.Millisecond) // the coarsest that a store keeps
}

func claimOf(r ports.Record) claim {
	return claim{owner: r.Owner, due: r.Due.Truncate(time.Millisecond)}
}

// holds reports whether the record bears the claim.
func (c claim) holds(r ports.Record) bool {
	now := claimOf(r)
	return c.owner != "" && now.owner == c.owner && now.due.Equal(c.due)
}
