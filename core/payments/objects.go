package payments

import (
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// objectKind is the kind of the records by which a payment is found from an object of its
// provider, such as a capture. The record of a payment has one reference, its intent's.
const objectKind = "payment_object"

// owner is the body of such a record. It has the reference and the tenant of its payment.
type owner struct {
	Payment string `json:"payment"`
}

// index saves a record for each object that the payment has got since it was last saved. The
// payment is saved afterwards, so that no payment has an object by which it is not found.
func (s *Service) index(ctx context.Context, st *stored) error {
	p := &st.payment
	for _, o := range p.Objects[min(st.told.objects, len(p.Objects)):] {
		body, err := json.Marshal(owner{p.ID})
		if err != nil {
			return fault.Wrap(fault.Internal, "payments.encode", err)
		}
		name := reference(p.Provider, o.Reference)
		r := &ports.Record{Tenant: p.Tenant, Kind: objectKind, ID: name, Ref: name, Body: body, Index: ports.Index{Created: p.UpdatedAt}}
		if err := s.Journal.Save(ctx, r)[0]; err != nil && !fault.Is(err, fault.Conflict) { // Conflict: it is there
			return err
		}
	}
	return nil
}

// ofObject finds the payment that has an object of a provider. NotFound.
func (s *Service) ofObject(ctx context.Context, provider, object string) (stored, error) {
	r, err := s.Journal.Find(ctx, objectKind, ports.ByRef, reference(provider, object))
	if err != nil {
		return stored{}, err
	}
	of, err := record.Decode(r, func(o owner) bool { return o.Payment != "" })
	if err != nil {
		return stored{}, err
	}
	return s.load(ctx, r.Tenant, of.Payment)
}
