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

// restQueue is where payments without an open operation wait for their callers'
// keys to be given up.
const restQueue = "payments_rest"

// rest puts a payment on which nothing is under way where it waits for its next
// key to be given up.
func rest(st *stored) {
	r := &st.record
	r.Queue, r.Owner, r.Due = "", "", time.Time{}
	for _, op := range st.payment.Operations {
		if due := op.StartedAt.Add(idem.Kept); op.Key != "" && (r.Queue == "" || due.Before(r.Due)) {
			r.Queue, r.Due = restQueue, due
		}
	}
}

// age gives up the keys of a payment that were kept for long enough, with the
// answers that were given under them.
func (s *Service) age(ctx context.Context, c ports.Claim) {
	st, err := decode(c.Record)
	if err != nil {
		s.Log.Error("checkout: payment cannot be read", "payment", c.ID, "error", err)
		return
	}
	now, p := s.Clock.Now(), &st.payment
	for i := range p.Operations {
		if op := &p.Operations[i]; op.Key != "" && !now.Before(op.StartedAt.Add(idem.Kept)) {
			op.Key, op.Fingerprint, op.Answer = "", "", nil
		}
	}
	if !slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Key == st.record.Idem }) {
		st.record.Idem = ""
	}
	// Conflict: something was done with it meanwhile; it comes here again.
	if err := s.save(ctx, &st); err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.Warn("checkout: keys not given up; it is tried again", "payment", c.ID, "error", err)
	}
}
