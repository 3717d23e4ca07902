package payments

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/ports"
)

// stored is a payment with its record.
type stored struct {
	payment payment.Payment
	record  ports.Record
	saved   payment.Payment // the payment as it is in the store, zero if it is new
	// clockAhead is how far the store's clock is ahead of ours, as far as a claim has shown. Due
	// times are by the store's clock.
	clockAhead time.Duration
	cause      error // the provider's last failure, for the log
	limit      int   // largest size of the record in bytes while an operation is begun for a caller; 0 means none
}

// snapshot returns a copy of a payment that later changes of its operations, refunds, disputes
// and reviews do not reach.
func snapshot(p payment.Payment) payment.Payment {
	p.Operations, p.Refunds = slices.Clone(p.Operations), slices.Clone(p.Refunds)
	p.Disputes, p.Reviews = slices.Clone(p.Disputes), slices.Clone(p.Reviews)
	return p
}

func decode(r ports.Record) (stored, error) {
	p, err := record.Decode(r, func(p payment.Payment) bool { return p.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	p.Seal() // an earlier version may not have sealed it
	p.NextLookAt = nextLookAt(p, r)
	return stored{payment: p, record: r, saved: snapshot(p)}, nil
}

// nextLookAt returns when the open operation of a payment is investigated next. It is zero if
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
	if err := s.index(ctx, st); err != nil {
		return err
	}
	if err := st.storeAnswers(); err != nil {
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
	r.Events = s.eventsOf(&st.saved, p)
	if p.Open() == nil {
		s.queueClosed(st)
	}
	if err := s.Journal.Save(ctx, r)[0]; err != nil {
		r.Body = before // the last body that is known to be stored
		return err
	}
	p.NextLookAt = nextLookAt(*p, *r)
	s.report(ctx, st)
	st.saved, st.limit = snapshot(*p), 0
	return nil
}

// repository returns the Repository of the payments.
func (s *Service) repository() record.Repository[stored] {
	return record.Repository[stored]{
		Journal: s.Journal, Kind: kind, Decode: decode, Save: s.save,
		Record: func(st *stored) *ports.Record { return &st.record },
		Keep:   func(before, fresh *stored) { fresh.clockAhead, fresh.cause = before.clockAhead, before.cause },
		Taken:  func(st *stored) error { return errForeign(st.payment.ProviderReference) },
	}
}

// saveOutcome applies change until it is saved, also while the journal fails: the outcome of a
// call must not get lost. It ends with the lease of the record.
func (s *Service) saveOutcome(ctx context.Context, st *stored, change func(*stored) error) error {
	ctx, cancel := context.WithTimeout(ctx, lease-callDeadline)
	defer cancel()
	return s.records.Insisting().Update(ctx, st, change)
}

// errForeign returns the error for a provider's object that belongs to another payment.
func errForeign(reference string) error {
	return fault.New(fault.Conflict, codeForeign, reference+" belongs to another payment")
}

const codeForeign = "foreign_object"

// insert stores a new payment.
func (s *Service) insert(ctx context.Context, st *stored) error {
	return s.records.Insert(ctx, st, func(there *stored) error {
		if there.payment.Operation(st.payment.Operations[0].ID) == nil {
			return fault.New(fault.Conflict, "payment_taken", "another request made the payment of this key")
		}
		return nil
	})
}

// Get returns a payment. It has an unknown outcome investigated soon. NotFound: the tenant
// has no such payment.
func (s *Service) Get(ctx context.Context, tenant, id string) (payment.Payment, error) {
	st, err := s.find(ctx, tenant, id)
	if err == nil {
		s.hasten(ctx, &st)
		s.refresh(&st)
	}
	return st.payment, err
}

// List returns payments, newest first. A Reference selects the one payment that has it at a
// provider, if that payment fits the rest of the filter.
func (s *Service) List(ctx context.Context, tenant string, f Filter, cursor string, limit int) (Page, error) {
	if f.Reference != "" {
		return s.listReference(ctx, tenant, f)
	}
	all, next, err := s.records.List(ctx, tenant, ports.Filter{Status: string(f.Status), Customer: f.CustomerID}, cursor, limit)
	page := Page{Payments: make([]payment.Payment, len(all)), Next: next}
	for i, st := range all {
		page.Payments[i] = st.payment
	}
	return page, err
}

func (s *Service) listReference(ctx context.Context, tenant string, f Filter) (Page, error) {
	var page Page
	for _, g := range s.Gateways {
		st, err := s.holding(ctx, g.Name(), f.Reference, f.Reference)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return Page{}, err
		}
		if p := st.payment; p.Tenant == tenant &&
			(f.Status == "" || p.Status == f.Status) && (f.CustomerID == "" || p.CustomerID == f.CustomerID) {
			page.Payments = append(page.Payments, p)
		}
	}
	return page, nil
}

// objectKind is the kind of the records by which a payment is found from an object of its
// provider, such as a capture. The record of a payment has one reference, its intent's.
const objectKind = "payment_object"

// owner is the body of such a record. It has the reference and the tenant of its payment.
type owner struct {
	Payment string `json:"payment"`
}

// index saves a record for each object that the payment has got since it was last saved. The
// payment is saved afterwards, so that no payment has an object by which it is not found. An
// object that another payment has needs a review.
func (s *Service) index(ctx context.Context, st *stored) error {
	p := &st.payment
	for _, o := range p.Objects[min(len(st.saved.Objects), len(p.Objects)):] {
		if o.Reference == "" {
			continue
		}
		name := reference(p.Provider, o.Reference)
		err := s.objects.Save(ctx, &record.Entry[owner]{
			Value:  owner{p.ID},
			Record: ports.Record{Tenant: p.Tenant, Kind: objectKind, ID: name, Ref: name, Index: ports.Index{Created: p.UpdatedAt}},
		})
		if fault.Is(err, fault.Conflict) { // the object is known: does it belong to this payment?
			var other stored
			if other, err = s.ofObject(ctx, p.Provider, o.Reference); err == nil && other.payment.ID != p.ID {
				p.Review(payment.ReviewSecondIntent, o.Reference, p.UpdatedAt)
			}
		}
		if err != nil && !fault.Is(err, fault.NotFound) { // its payment was not stored in the end
			return err
		}
	}
	return nil
}

// ofObject finds the payment that has an object of a provider. NotFound.
func (s *Service) ofObject(ctx context.Context, provider, object string) (stored, error) {
	of, err := s.objects.Find(ctx, ports.ByRef, reference(provider, object))
	if err != nil {
		return stored{}, err
	}
	return s.records.Get(ctx, of.Record.Tenant, of.Value.Payment)
}

// holding finds the payment that has an intent of a provider, or another object of it. NotFound.
func (s *Service) holding(ctx context.Context, provider, intent, object string) (stored, error) {
	st, err := s.records.Find(ctx, ports.ByRef, reference(provider, intent))
	if fault.Is(err, fault.NotFound) && object != "" {
		return s.ofObject(ctx, provider, object)
	}
	return st, err
}
