package payments

import (
	"context"
	"slices"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// closedQueue is the queue of payments without an open operation. They wait for their
// callers' keys to expire, or, if something is open at their provider, for the next sweep.
const closedQueue = "payments_rest"

// queueClosed puts a payment without an open operation into closedQueue. It is due when its next key
// expires or its provider is to be asked, whichever is first.
func (s *Service) queueClosed(st *stored) {
	r := &st.record
	r.Queue, r.Owner, r.Due = "", "", time.Time{}
	wait := func(due time.Time) {
		if r.Queue == "" || due.Before(r.Due) {
			r.Queue, r.Due = closedQueue, due
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

// keptUntil returns until when an operation's key is kept: for idempotency.Kept after the
// operation was last begun or ended. If the operation is from an older copy of the store,
// the key may have been used again later, so the time counts from the restore.
func (s *Service) keptUntil(op *payment.Operation) time.Time {
	last := lastUsed(op)
	if at := s.restoredAt(); op.KnownSince.Before(at) {
		last = later(last, at)
	}
	return last.Add(idempotency.Kept)
}

// lastUsed returns when an operation was last begun or ended.
func lastUsed(op *payment.Operation) time.Time {
	return later(op.LastTry(), op.EndedAt)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// countAges asks the provider about a payment if that is due, and counts the time of its keys. It
// removes the keys that have expired, with the answers that were given under them.
func (s *Service) countAges(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	p := &st.payment
	now := s.ageing.ClaimedAt(c)
	st.clockAhead = now.Sub(s.Clock.Now())
	if due := sweepDue(p); !due.IsZero() && !now.Before(due) {
		if err := s.sweep(ctx, &st); err != nil {
			s.Log.WarnContext(ctx, "provider does not tell how a payment stands; it is asked again", "payment", c.ID, "tenant", c.Tenant, "error", err)
		}
	}
	for i := range p.Operations {
		if op := &p.Operations[i]; op.Key != "" && op.Age.Count(s.keptUntil(op), now) {
			op.Key, op.Fingerprint, op.Age = "", "", idempotency.Age{}
			op.ClearAnswer()
		}
	}
	if !slices.ContainsFunc(p.Operations, func(op payment.Operation) bool { return op.Key == st.record.Idem }) {
		st.record.Idem = ""
	}
	// Conflict: the payment was changed in the meantime; it will be claimed here again.
	if err := s.save(ctx, &st); err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.WarnContext(ctx, "keys of a payment are not given up; it is tried again", "payment", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}

var errErased = fault.New(fault.Conflict, "payment_erased", "what this payment said of a person was erased, and what was answered with it")

// PersonalObjects calls found for every payment whose customer is the person, or whose metadata
// names the person. It reads all payments of the tenant, and calls progress with how many
// it has read.
func (s *Service) PersonalObjects(ctx context.Context, p user.Person, progress func(int) error, found func(user.PersonalObject) error) error {
	return s.records.WalkPast(ctx, p.Tenant, ports.Filter{}, progress, record.Unreadable(found), func(st stored) error {
		if !st.payment.Concerns(p.Is) {
			return nil
		}
		t := user.PersonalObject{
			ID: st.payment.ID, View: shown(st.payment),
			Erase: func(ctx context.Context) error { return s.erase(ctx, st) },
		}
		if err := requireClosed(&st.payment); err != nil {
			t.Pending = err.Message
		}
		return found(t)
	})
}

func (s *Service) erase(ctx context.Context, st stored) error {
	return s.records.Update(ctx, &st, func(st *stored) error {
		if err := requireClosed(&st.payment); err != nil {
			return err
		}
		st.payment.Erase(s.Clock.Now())
		return nil
	})
}

// requireClosed returns Conflict while an operation is open: its request is needed to find
// out what became of it.
func requireClosed(p *payment.Payment) *fault.Error {
	if open := p.Open(); open != nil {
		return fault.New(fault.Conflict, codeInProgress, "its "+string(open.Action)+" is under way, or nobody knows yet how it ended")
	}
	return nil
}

// shown returns a payment as it is exported to a person: without the stored answers, and
// without the secrets that allow anybody to confirm it.
func shown(p payment.Payment) payment.Payment {
	p.Conceal()
	p.Past, p.Operations = nil, slices.Clone(p.Operations)
	for i := range p.Operations {
		p.Operations[i].ClearAnswer()
		p.Operations[i].Fingerprint, p.Operations[i].Age = "", idempotency.Age{}
	}
	return p
}

// Subject reports whether the payment of an event belongs to the person.
// NotFound: the event is about no payment, or about one that the store does not have.
func (s *Service) Subject(ctx context.Context, e webhook.Event, p user.Person) (event.Subject, error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return event.Subject{}, fault.New(fault.NotFound, "no_payment", "the event is not about a payment")
	}
	st, err := s.subject(ctx, e.Provider, intent)
	if err != nil {
		return event.Subject{}, err
	}
	one := st.payment
	return event.Subject{Tenant: one.Tenant, Theirs: one.Tenant == p.Tenant && one.Concerns(p.Is), Erased: !one.ErasedAt.IsZero()}, nil
}
