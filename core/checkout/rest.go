package checkout

import (
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// restQueue is where payments without an open operation wait: for their callers' keys
// to be given up, and to be asked about where something is open at their provider.
const restQueue = "payments_rest"

// rest puts a payment on which nothing is under way where it waits for its next
// key to be given up, or for the provider to be asked, whichever is first.
func (s *Service) rest(st *stored) {
	r := &st.record
	r.Queue, r.Owner, r.Due = "", "", time.Time{}
	wait := func(due time.Time) {
		if r.Queue == "" || due.Before(r.Due) {
			r.Queue, r.Due = restQueue, due
		}
	}
	for _, op := range st.payment.Operations {
		if op.Key != "" {
			wait(op.Age.Due(s.keptUntil(&op)))
		}
	}
	if due := sweepDue(&st.payment); !due.IsZero() {
		wait(due)
	}
}

// keptUntil is until when an operation's key is kept: for as long after it has come to
// its end as a caller may still not know. Of what an older copy of the store has, it may
// have been used again since.
func (s *Service) keptUntil(op *payment.Operation) time.Time {
	last := lastOf(op)
	if at := s.restoredAt(); op.KnownSince.Before(at) && last.Before(at) {
		last = at
	}
	return last.Add(idem.Kept)
}

// lastOf is when an operation was begun or ended last.
func lastOf(op *payment.Operation) time.Time {
	if last := op.LastTry(); !op.EndedAt.After(last) {
		return last
	}
	return op.EndedAt
}

// age asks the provider about a payment that is due for it, counts the time of its keys, and
// gives up those that were kept for long enough, with the answers that were given under them.
func (s *Service) age(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	p := &st.payment
	now := s.ageing.Taken(c)
	st.ahead = now.Sub(s.Clock.Now())
	if due := sweepDue(p); !due.IsZero() && !now.Before(due) {
		if err := s.sweep(ctx, &st); err != nil {
			s.Log.WarnContext(ctx, "provider does not tell how a payment stands; it is asked again", "payment", c.ID, "tenant", c.Tenant, "error", err)
		}
	}
	for i := range p.Operations {
		if op := &p.Operations[i]; op.Key != "" && op.Age.Count(s.keptUntil(op), now) {
			op.Key, op.Fingerprint, op.Age = "", "", idem.Age{}
			op.Unremember()
		}
	}
	if !slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Key == st.record.Idem }) {
		st.record.Idem = ""
	}
	// Conflict: something was done with it meanwhile; it comes here again.
	if err := s.save(ctx, &st); err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.WarnContext(ctx, "keys of a payment are not given up; it is tried again", "payment", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}
