package payments

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// stored is a payment with its record. told is what the feed has already been told of it.
//
// ahead is how far the store's clock is ahead of ours, as far as a claim has shown. Due
// times are by the store's clock.
type stored struct {
	payment payment.Payment
	record  ports.Record
	told    told
	ahead   time.Duration
	cause   error // the provider's last failure, for the log
	limit   int   // largest size of the record in bytes while an operation is begun for a caller; 0 means none
}

func decode(r ports.Record) (stored, error) {
	p, err := ports.Decode(r, func(p payment.Payment) bool { return p.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	p.Seal() // an earlier version may not have sealed it
	p.NextLookAt = nextLookAt(p, r)
	return stored{payment: p, record: r, told: known(p)}, nil
}

// nextLookAt returns when the open operation of a payment is looked into next. It is zero if
// there is none, or if the record is claimed.
func nextLookAt(p payment.Payment, r ports.Record) time.Time {
	if r.Owner != "" || p.Open() == nil {
		return time.Time{}
	}
	return r.Due
}

// reference returns the unique value under which a provider's object is found.
func reference(provider, object string) string {
	if object == "" {
		return ""
	}
	return provider + ":" + object
}

// save updates the fields that are derived from the payment and writes st. The events that
// the feed does not have yet are part of the same write.
func (s *Service) save(ctx context.Context, st *stored) error {
	p := &st.payment
	p.UpdatedAt = s.Clock.Now()
	p.Audit(p.UpdatedAt)
	planSweep(p, p.UpdatedAt)
	if err := st.freeze(); err != nil {
		return err
	}
	p.Seal()
	body, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(fault.Internal, "payments.encode", err)
	}
	if st.limit > 0 && len(body) > st.limit {
		return errTooLarge
	}
	r := &st.record
	before := r.Body
	r.Tenant, r.Kind, r.ID, r.Body = p.Tenant, kind, p.ID, body
	r.Ref = reference(p.Provider, p.ProviderReference)
	r.Index = ports.Index{Status: string(p.Status), Customer: p.CustomerID, Created: p.CreatedAt}
	r.Index.Flag, r.Index.Flagged = flagOf(p)
	r.Events = s.news(st.told, *p)
	if p.Open() == nil {
		s.rest(st)
	}
	err = s.index(ctx, st)
	if err == nil {
		err = s.Journal.Save(ctx, r)[0]
	}
	if err != nil {
		r.Body = before // the last body that is known to be stored
		return err
	}
	p.NextLookAt = nextLookAt(*p, *r)
	s.count(st.told, *p)
	s.report(ctx, st.told, st)
	st.told, st.limit = known(*p), 0
	return nil
}

// update applies change until it is saved: after a conflict it reads the payment again.
// change must be idempotent and must not call other systems, since it may run several times.
// After an error st holds what could not be saved.
func (s *Service) update(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.updateBy(ctx, ports.Once, st, change)
}

// updateBy is update with a function that makes each call of the journal.
func (s *Service) updateBy(ctx context.Context, try func(context.Context, func() error) error, st *stored, change func(*stored) error) error {
	return ports.Update(ctx, ports.Edit{
		Try:    try,
		Change: func() error { return change(st) },
		Save:   func() error { return s.save(ctx, st) },
		Reload: func(failed error) (final, err error) {
			fresh, err := s.load(ctx, st.payment.Tenant, st.payment.ID)
			if err != nil {
				return nil, err
			}
			if fault.Is(failed, fault.Conflict) && fresh.record.Rev == st.record.Rev { // no concurrent change: the conflict is on the reference
				final = errForeign(st.payment.ProviderReference)
			}
			fresh.ahead, fresh.cause = st.ahead, st.cause
			*st = fresh
			return final, nil
		},
	})
}

// errForeign returns the error for a provider's object that belongs to another payment.
func errForeign(reference string) error {
	return fault.New(fault.Conflict, codeForeign, reference+" belongs to another payment")
}

const codeForeign = "foreign_object"

func (s *Service) load(ctx context.Context, tenant, id string) (stored, error) {
	r, err := s.Journal.Get(ctx, tenant, kind, id)
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}

// insert stores a new payment. If the answer was lost, it reads the payment to find out
// whether it was stored.
func (s *Service) insert(ctx context.Context, st *stored) error {
	err := s.save(ctx, st)
	if !fault.Is(err, fault.UnknownOutcome) {
		return err
	}
	ctx, cancel := ports.Grace(ctx)
	defer cancel()
	fresh, rerr := s.load(ctx, st.payment.Tenant, st.payment.ID)
	if rerr != nil {
		return err
	}
	if op := fresh.payment.Operation(st.payment.Operations[0].ID); op == nil {
		return fault.New(fault.Conflict, "payment_taken", "another request made the payment of this key")
	}
	*st = fresh
	return nil
}

// byKey finds the payment that was created under a caller's key.
func (s *Service) byKey(ctx context.Context, key idempotency.Key) (stored, error) {
	r, err := s.Journal.Find(ctx, kind, ports.ByIdem, key.Scoped)
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}
