package checkout

import (
	"context"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// codeRecollecting is the code of a payment that cannot be made yet.
const codeRecollecting = "restored_store"

// recollection is what the providers hold of payments that the store may not know of,
// since an older copy of it was put back. A payment's id is made of its caller's key, so
// that an intent tells by its metadata which request it was made for, at whichever
// provider, and though that has forgotten the key.
type recollection struct {
	mu   sync.Mutex
	done map[string]bool  // providers that were walked through
	made map[string]trace // by the payment's id
}

// trace is an intent that a provider holds.
type trace struct {
	payment.Made
	over bool // it was canceled: another one counts more
}

// restoredAt is when an older copy was put back, zero where that is so long ago that no
// caller's key is left from before, or where it never was.
func (s *Service) restoredAt() time.Time {
	if s.Restored == nil {
		return time.Time{}
	}
	at := s.Restored()
	if at.IsZero() || s.Clock.Now().Sub(at) > idem.Kept {
		return time.Time{}
	}
	return at
}

// madeBefore is the intent that a provider holds for a payment, nil if there is none.
// Unavailable with code restored_store until all providers have been walked through.
func (s *Service) madeBefore(id string) (*payment.Made, error) {
	if s.restoredAt().IsZero() {
		return nil, nil
	}
	s.before.mu.Lock()
	defer s.before.mu.Unlock()
	if found, ok := s.before.made[id]; ok && (!found.over || s.before.all(s.Gateways)) {
		return &found.Made, nil
	}
	if s.before.all(s.Gateways) {
		return nil, nil
	}
	err := fault.New(fault.Unavailable, codeRecollecting,
		"an older copy of the store was put back, and it is not known yet what the providers hold; nothing was done")
	err.RetryAfter = blind
	return nil, err
}

// all reports whether all providers have been walked through.
func (r *recollection) all(gateways []ports.PaymentGateway) bool {
	for _, g := range gateways {
		if !r.done[g.Name()] {
			return false
		}
	}
	return true
}

// note takes in an intent of a provider, of which the newest come first.
func (r *recollection) note(provider string, i payment.Intent) {
	id := i.Metadata[payment.MetaPayment]
	if known, ok := r.made[id]; id == "" || ok && !known.over {
		return
	}
	r.made[id] = trace{payment.Made{Provider: provider, Reference: i.Reference}, i.Status == payment.Canceled}
}

// recall notes where the intent of a payment is that the store does not know of.
func (s *Service) recall(p *payment.Payment) error {
	if p.ProviderReference != "" {
		return nil
	}
	made, err := s.madeBefore(p.ID)
	if made != nil {
		p.Provider, p.ProviderReference = made.Provider, made.Reference
	}
	return err
}

// madeUnseen is what was made of an operation that an older copy of the store has open, as
// it was when the copy was made: at whichever provider, since the one that was being called
// may have refused. Such a call is not made again before it is known. Errors as madeBefore.
func (s *Service) madeUnseen(p *payment.Payment, op *payment.Operation) (*payment.Made, error) {
	if !op.Creates() || op.Request.Made != nil || p.ProviderReference != "" {
		return nil, nil
	}
	return s.madeBefore(p.ID)
}

// recollect walks through what each provider holds, where an older copy was put back.
func (s *Service) recollect(ctx context.Context) {
	at := s.restoredAt()
	if at.IsZero() {
		return
	}
	s.Log.WarnContext(ctx, "an older copy of the store was put back; no payment is made until it is known what the providers hold")
	walks := guard.Group{Log: s.Log}
	for _, g := range s.Gateways {
		walks.Keep(ctx, "payments before the store was put back", func(ctx context.Context) { s.walkThrough(ctx, g, at.Add(-idem.Kept-pad)) })
	}
	walks.Wait()
	if ctx.Err() == nil {
		s.Log.InfoContext(ctx, "it is known what the providers hold; payments are made")
	}
}

// walkThrough notes every intent of ours that a provider has made since. What fails is
// tried again, from where it was broken off.
func (s *Service) walkThrough(ctx context.Context, g ports.PaymentGateway, since time.Time) {
	r := payment.ListRequest{From: since, Limit: 100}
	for {
		page, err := s.page(ctx, g, r)
		if err != nil {
			s.Log.WarnContext(ctx, "it is not known what a provider holds; no payment is made until it is", "provider", g.Name(), "error", err)
			select {
			case <-time.After(blind):
				continue
			case <-ctx.Done():
				return
			}
		}
		s.before.mu.Lock()
		for _, i := range page.Intents {
			s.before.note(g.Name(), i)
		}
		s.before.done[g.Name()] = page.Next == ""
		s.before.mu.Unlock()
		if r.Cursor = page.Next; page.Next == "" {
			return
		}
	}
}

func (s *Service) page(ctx context.Context, g ports.PaymentGateway, r payment.ListRequest) (payment.IntentPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	return g.List(ctx, r)
}
