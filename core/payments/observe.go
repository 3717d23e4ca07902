package payments

import (
	"bytes"
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// ApplyWebhook merges a verified event into its payment. It changes only payments that are
// held by the account whose secret verified the event. Applying an event twice or late
// changes nothing. If the event is incomplete or may be stale, ApplyWebhook asks the
// provider for the present state.
//
// NotFound: the store does not have the payment (yet). Invalid: the event cannot be read.
// Otherwise the errors of the journal and, if it was asked, of the provider.
func (s *Service) ApplyWebhook(ctx context.Context, e webhook.Event) (a webhook.Applied, err error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return a, err
	}
	st, err := s.subject(ctx, e.Provider, intent)
	if err != nil {
		return a, err
	}
	err = s.update(ctx, &st, func(st *stored) error {
		if err := s.locate(ctx, st); err != nil {
			return err
		}
		p := &st.payment
		if intent.Object != "" {
			intent.Reference = p.ProviderReference
		}
		a.Erased = !p.ErasedAt.IsZero()
		if reason, detail := stranger(p, e.Provider, intent); reason != "" {
			if p.Review(reason, detail, s.Clock.Now()) {
				s.Log.WarnContext(ctx, "webhook does not fit its payment", "webhook", e.ID, "payment", p.ID, "tenant", p.Tenant, "reason", reason)
			}
		} else if p.Merge(intent) || intent.Object != "" {
			if err := s.ask(ctx, st); err != nil {
				return err
			}
		}
		return st.changed()
	})
	return a, err
}

// stranger returns the reason for a review if an intent names a payment but is not its own.
// Such an intent is never merged. A person must check whether the buyer has paid twice.
func stranger(p *payment.Payment, provider string, i payment.Intent) (reason, detail string) {
	switch {
	case p.Provider != provider:
		return payment.ReviewOtherAccount, provider + ": " + i.Reference
	case p.ProviderReference != "" && p.ProviderReference != i.Reference, p.ProviderReference == "" && !p.Made(i):
		return payment.ReviewSecondIntent, i.Reference
	}
	return "", ""
}

// subject finds the payment of an intent by the provider's reference, or by that of another
// object of the payment. If the event came
// before the answer of the call, it finds it by the metadata of the intent.
func (s *Service) subject(ctx context.Context, provider string, i payment.Intent) (stored, error) {
	st, err := s.records.Find(ctx, ports.ByRef, reference(provider, i.Reference))
	if fault.Is(err, fault.NotFound) && i.Object != "" {
		st, err = s.ofObject(ctx, provider, i.Object)
	}
	if fault.Is(err, fault.NotFound) && i.Metadata[payment.MetaPayment] != "" {
		return s.load(ctx, i.Metadata[payment.MetaTenant], i.Metadata[payment.MetaPayment])
	}
	return st, err
}

// changed returns record.ErrUnchanged if the payment is as it is stored.
func (st *stored) changed() error {
	if body, err := json.Marshal(st.payment); err == nil && bytes.Equal(body, st.record.Body) {
		return record.ErrUnchanged
	}
	return nil
}
