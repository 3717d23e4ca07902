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
// Applying an event twice, or late, changes nothing. Where it does not tell all, or
// may be late, the provider is asked.
//
// NotFound: the payment is not here (yet). Invalid: the event cannot be read.
// Otherwise as for the journal and, where it is asked, the provider.
func (s *Service) ApplyWebhook(ctx context.Context, e event.Webhook) (a event.Applied, err error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return a, err
	}
	var doubt ports.Doubt
	for {
		st, err := s.subject(ctx, e.Provider, intent)
		if err != nil {
			return a, err
		}
		p := &st.payment
		if found, err := s.locate(ctx, p); err != nil {
			return a, err
		} else if found {
			continue
		}
		a.Erased = !p.ErasedAt.IsZero()
		if reason, detail := stranger(p, e.Provider, intent); reason != "" {
			if p.Review(reason, detail, s.Clock.Now()) {
				s.Log.WarnContext(ctx, "webhook does not fit its payment", "webhook", e.ID, "payment", p.ID, "tenant", p.Tenant, "reason", reason)
			}
		} else if p.Merge(intent) {
			if err := s.ask(ctx, &st); err != nil {
				return a, err
			}
		}
		if unchanged(st) {
			return a, nil
		}
		err = s.save(ctx, &st)
		again := fault.Is(err, fault.Conflict) || fault.Is(err, fault.UnknownOutcome)
		if err = doubt.Over(err); !again || ctx.Err() != nil {
			return a, err
		}
	}
}

// stranger tells of an intent that names a payment and is not its own: it is never
// taken in. Somebody must look whether the buyer has paid twice.
func stranger(p *payment.Payment, provider string, i payment.Intent) (reason, detail string) {
	switch {
	case p.Provider != provider:
		return payment.ReviewOtherAccount, provider + ": " + i.Reference
	case p.ProviderReference != "" && p.ProviderReference != i.Reference, p.ProviderReference == "" && !p.Made(i):
		return payment.ReviewSecondIntent, i.Reference
	}
	return "", ""
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

func unchanged(st stored) bool {
	body, err := json.Marshal(st.payment)
	return err == nil && bytes.Equal(body, st.record.Body)
}
