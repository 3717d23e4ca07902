package checkout

import (
	"bytes"
	"context"
	"encoding/json"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// ApplyWebhook takes a verified event into the payment it speaks of. It touches
// only payments that are pinned to the account whose secret verified the event.
// Applying an event twice, or late, changes nothing.
//
// erased tells that the payment was: what else the event says must not be kept.
//
// NotFound: the payment is not here (yet). Invalid: the event cannot be read.
// Otherwise as for the journal and, where the event is stale, the provider.
func (s *Service) ApplyWebhook(ctx context.Context, e event.Webhook) (erased bool, err error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return false, err
	}
	for {
		st, err := s.subject(ctx, e.Provider, intent)
		if err != nil {
			return false, err
		}
		erased = !st.payment.ErasedAt.IsZero()
		if p := st.payment; p.Provider != e.Provider || p.ProviderReference != "" && p.ProviderReference != intent.Reference {
			s.Log.Warn("checkout: event of another account ignored", "event", e.ID, "provider", e.Provider, "payment", p.ID)
			return erased, nil
		}
		if st.payment.Merge(intent) {
			if err := s.refresh(ctx, &st.payment); err != nil {
				return erased, err
			}
		}
		if unchanged(st) {
			return erased, nil
		}
		err = s.save(ctx, &st)
		if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.UnknownOutcome) || ctx.Err() != nil {
			return erased, err
		}
	}
}

// subject finds the payment of an intent: by the provider's reference, or,
// where the event is here before the answer, by what we wrote into its metadata.
func (s *Service) subject(ctx context.Context, provider string, i payment.Intent) (stored, error) {
	r, err := s.Journal.Find(ctx, kind, ports.ByRef, reference(provider, i.Reference))
	if fault.Is(err, fault.NotFound) && i.Metadata[payment.MetaPayment] != "" {
		r, err = s.Journal.Get(ctx, i.Metadata[payment.MetaTenant], kind, i.Metadata[payment.MetaPayment])
	}
	if err != nil {
		return stored{}, err
	}
	return decode(r)
}

// refresh takes in the provider's present state, where an event leads back and
// cannot be trusted to be the latest. The payment was read before, and is saved
// only if nobody changed it meanwhile.
func (s *Service) refresh(ctx context.Context, p *payment.Payment) error {
	g, ok := s.gateway(p.Provider)
	if !ok {
		return fault.New(fault.Unavailable, "provider_not_configured", "")
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	intent, err := g.Retrieve(ctx, p.ProviderReference)
	if err == nil {
		p.Replace(intent)
	}
	return err
}

func unchanged(st stored) bool {
	body, err := json.Marshal(st.payment)
	return err == nil && bytes.Equal(body, st.record.Body)
}
