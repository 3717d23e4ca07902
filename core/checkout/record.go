package checkout

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// stored is a payment with the record it is kept in. told is what the feed
// knows of it already.
//
// ahead is how far the store's clock is ahead of ours, as far as a claim has told: when
// something is due is said by the store's clock.
type stored struct {
	payment payment.Payment
	record  ports.Record
	told    told
	ahead   time.Duration
	cause   error // what the provider was last heard to fail with; for the log
}

func decode(r ports.Record) (stored, error) {
	p, err := ports.Decode(r, func(p payment.Payment) bool { return p.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	p.NextLookAt = nextLookAt(p, r)
	return stored{payment: p, record: r, told: known(p)}, nil
}

// nextLookAt is when the open operation of a payment is looked into next, zero where it has
// none, or somebody is at it.
func nextLookAt(p payment.Payment, r ports.Record) time.Time {
	if r.Owner != "" || p.Open() == nil {
		return time.Time{}
	}
	return r.Due
}

// reference is the unique value under which a provider's object is found.
func reference(provider, object string) string {
	if object == "" {
		return ""
	}
	return provider + ":" + object
}

// save writes st, having freshened what is derived from the payment. What the
// feed does not know yet goes there in the same write.
func (s *Service) save(ctx context.Context, st *stored) error {
	p := &st.payment
	p.UpdatedAt = s.Clock.Now()
	p.Audit(p.UpdatedAt)
	planSweep(p, p.UpdatedAt)
	if err := st.freeze(); err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(fault.Internal, "checkout.encode", err)
	}
	r := &st.record
	before := r.Body
	r.Tenant, r.Kind, r.ID, r.Body = p.Tenant, kind, p.ID, body
	r.Ref = reference(p.Provider, p.ProviderReference)
	r.Index = ports.Index{Status: string(p.Status), Customer: p.CustomerID, Created: p.CreatedAt}
	r.Index.Flag, r.Index.Flagged = flagOf(p)
	r.Events = s.news(st.told, *p)
	if p.Open() == nil {
		rest(st)
	}
	if err := s.Journal.Save(ctx, r)[0]; err != nil {
		r.Body = before // what is surely stored
		return err
	}
	p.NextLookAt = nextLookAt(*p, *r)
	s.count(st.told, *p)
	s.report(ctx, st.told, st)
	st.told = known(*p)
	return nil
}

// freeze keeps the answer to repeats of the keys of operations that have ended: the
// payment as it stood then. As long as nothing has changed since, that is the payment
// itself, so that the copy is made only when it is about to change. What is not to be
// sent again is not kept.
func (st *stored) freeze() error {
	p := &st.payment
	var then []byte
	for i := range p.Operations {
		op := &p.Operations[i]
		if !op.Outcome.Open() {
			if op.EndedAt.IsZero() {
				op.EndedAt = p.UpdatedAt
			}
			if !retryable(op) || op.Key == "" {
				op.Body = ""
			}
		}
		if op.Answer != nil || op.Key == "" || op.Erased || !slices.Contains(st.told.answered, op.ID) {
			continue
		}
		if then == nil {
			var err error
			if then, err = answerOf(st.record.Body); err != nil {
				return err
			}
		}
		op.Answer = then
	}
	return nil
}

// answered are the operations to whose keys the payment, as it stands, is the answer.
func answered(p payment.Payment) []string {
	var ids []string
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Key != "" && op.Answer == nil && !op.Erased && !op.Outcome.Open() && !retryable(op) {
			ids = append(ids, op.ID)
		}
	}
	return ids
}

// answerOf is a stored payment without what no answer shows.
func answerOf(body []byte) ([]byte, error) {
	var p payment.Payment
	if err := ports.DecodeJSON("payment", body, &p); err != nil {
		return nil, err
	}
	for i := range p.Operations {
		op := &p.Operations[i]
		op.Answer, op.Body, op.Request, op.Key, op.Fingerprint = nil, "", payment.Request{}, "", ""
	}
	answer, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "checkout.freeze", err)
	}
	return answer, nil
}

// update changes a payment until the change is saved: where somebody else was
// quicker it reads again. change must not call anybody, and may be called
// several times; it is a merge, so that twice is the same as once. After an
// error st holds what could not be saved.
func (s *Service) update(ctx context.Context, st *stored, change func(*stored) error) error {
	return s.updateBy(ctx, ports.Once, st, change)
}

// updateBy is update with a way to make each call of the journal.
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
			if fault.Is(failed, fault.Conflict) && fresh.record.Rev == st.record.Rev { // nobody was quicker: it is the reference that is taken
				final = errForeign(st.payment.ProviderReference)
			}
			fresh.ahead, fresh.cause = st.ahead, st.cause
			*st = fresh
			return final, nil
		},
	})
}

// errForeign is the failure to keep an object of the provider's that another payment has.
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

// insert stores a new payment. Where the answer was lost it looks whether the
// payment is there.
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
func (s *Service) byKey(ctx context.Context, key idem.Key) (stored, error) {
	r, err := s.Journal.Find(ctx, kind, ports.ByIdem, key.Scoped)
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}
