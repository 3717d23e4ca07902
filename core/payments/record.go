package payments

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/record"
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
	p, err := record.Decode(r, func(p payment.Payment) bool { return p.ID == r.ID })
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

// repository returns the Repository of the payments.
func (s *Service) repository() record.Repository[stored] {
	return record.Repository[stored]{
		Journal: s.Journal, Kind: kind, Decode: decode, Save: s.save,
		Record: func(st *stored) *ports.Record { return &st.record },
		Keep:   func(before, fresh *stored) { fresh.ahead, fresh.cause = before.ahead, before.cause },
		Taken:  func(st *stored) error { return errForeign(st.payment.ProviderReference) },
	}
}

// update applies change until it is saved: see record.Repository.
func (s *Service) update(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.records.Update(ctx, st, change)
}

// insist is update for an outcome that must not get lost.
func (s *Service) insist(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.records.Insisting().Update(ctx, st, change)
}

// errForeign returns the error for a provider's object that belongs to another payment.
func errForeign(reference string) error {
	return fault.New(fault.Conflict, codeForeign, reference+" belongs to another payment")
}

const codeForeign = "foreign_object"

func (s *Service) load(ctx context.Context, tenant, id string) (stored, error) {
	return s.records.Get(ctx, tenant, id)
}

// insert stores a new payment.
func (s *Service) insert(ctx context.Context, st *stored) error {
	return s.records.Insert(ctx, st, func(there *stored) error {
		if there.payment.Operation(st.payment.Operations[0].ID) == nil {
			return fault.New(fault.Conflict, "payment_taken", "another request made the payment of this key")
		}
		return nil
	})
}

// byKey finds the payment that was created under a caller's key.
func (s *Service) byKey(ctx context.Context, key idempotency.Key) (stored, error) {
	return s.records.Find(ctx, ports.ByIdem, key.Scoped)
}
