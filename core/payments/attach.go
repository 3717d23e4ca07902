package payments

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/payment"
	"patchbay/core/record"
)

const (
	// attachesAtOnce is how many payments of one provider are attached concurrently.
	attachesAtOnce = 8
	// maxAttachRetry is the longest wait before a failed attach is tried again.
	maxAttachRetry = 10 * time.Minute
)

// attachFound merges the selected intents that were found after a restore into the store.
// Failures are tried again with growing waits. An intent that cannot be attached is logged.
func (s *Service) attachFound(ctx context.Context, which func(foundIntent) bool) {
	s.inventory.mu.Lock()
	left := slices.AppendSeq(slices.Collect(maps.Values(s.inventory.first)), maps.Values(s.inventory.further))
	s.inventory.mu.Unlock()
	left = slices.DeleteFunc(left, func(t foundIntent) bool { return !which(t) })
	for wait := minLookupRetry; len(left) > 0; wait = min(2*wait, maxAttachRetry) {
		if left = s.attachAll(ctx, left); len(left) > 0 && !pause(ctx, wait) {
			return
		}
	}
}

// attachAll attaches the intents, and returns those that must be tried again.
func (s *Service) attachAll(ctx context.Context, found []foundIntent) (left []foundIntent) {
	var mu sync.Mutex
	work := guard.Group{Log: s.Log}
	slots := make(chan struct{}, attachesAtOnce)
	for _, t := range found {
		slots <- struct{}{}
		work.Go("payments before the store was put back", func() {
			defer func() { <-slots }()
			if s.attachFailed(ctx, t) {
				mu.Lock()
				defer mu.Unlock()
				left = append(left, t)
			}
		})
	}
	work.Wait()
	return left
}

// attachFailed attaches one intent, and reports whether it must be tried again.
func (s *Service) attachFailed(ctx context.Context, t foundIntent) (again bool) {
	err := ctx.Err()
	if err == nil {
		err = guard.Do(func() error { return s.attach(ctx, t) })
	}
	if err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "what a provider holds of a payment is not taken in", "payment", t.id, "tenant", t.tenant,
			"provider", t.Provider, "error", err)
	}
	return err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict)
}

// attach gives a payment the intent that was found for it. If the store does not have the
// payment, attach makes it. Conflict: the intent belongs to another payment or another
// account.
func (s *Service) attach(ctx context.Context, t foundIntent) error {
	records := s.records
	records.New = func(string, string) stored { return stored{payment: s.blank(t)} }
	_, err := records.Put(ctx, t.tenant, t.id, func(st *stored) error {
		p := &st.payment
		switch op := p.Open(); {
		case st.record.Rev == 0: // the store does not have it
			return s.readState(ctx, st)
		case !t.canceled && s.hasAnother(p, t):
			if reason, detail := foreignReason(p, t.Provider, t.Reference); !p.Review(reason, detail, s.Clock.Now()) { // the buyer may have paid both
				return record.ErrUnchanged
			}
		case p.ProviderReference != "" && s.outdated(p):
			return cmp.Or(s.resync(ctx, t.tenant, t.id), record.ErrUnchanged)
		case p.ProviderReference != "", op != nil && op.Request.Made != nil:
			return record.ErrUnchanged
		case op != nil: // the next try of the open operation adopts the intent
			op.Request.Made = &t.Made
		default:
			p.Provider, p.ProviderReference, p.Account = t.Provider, t.Reference, s.account(t.Provider)
			return s.readState(ctx, st)
		}
		return nil
	})
	return err
}

// hasAnother reports whether a payment has, or is about to adopt, an intent other than the
// one that was found.
func (s *Service) hasAnother(p *payment.Payment, t foundIntent) bool {
	own, account := payment.Made{Provider: p.Provider, Reference: p.ProviderReference}, p.Account
	if op := p.Open(); own.Reference == "" && op != nil && op.Request.Made != nil {
		own, account = *op.Request.Made, s.account(op.Request.Made.Provider)
	}
	same := t.Reference == own.Reference && account != "" && account == s.account(t.Provider) // the same account under another name
	return own.Reference != "" && own != t.Made && !same
}

// blank returns a payment that the store does not have, before it is filled from its provider.
func (s *Service) blank(t foundIntent) payment.Payment {
	account := s.account(t.Provider)
	return payment.Payment{
		ID: t.id, Tenant: t.tenant, Status: payment.Processing, Provider: t.Provider, ProviderReference: t.Reference, Account: account,
		CaptureMethod: payment.CaptureAutomatic, Found: true,
		Operations: []payment.Operation{{
			ID: s.IDs.New("op"), Action: payment.Create, Provider: t.Provider, Account: account, Outcome: payment.Unknown, Turn: 1,
		}},
	}
}

// fill sets the fields of a new payment from its intent.
func fill(p *payment.Payment, i payment.Intent) {
	p.Amount, p.Currency, p.CreatedAt, p.CustomerID = i.Amount, i.Currency, i.CreatedAt, i.Metadata[payment.MetaUser]
	p.Operations[0].ProviderKey, p.Operations[0].StartedAt = i.Metadata[payment.MetaOperation], i.CreatedAt
	if i.Status == payment.RequiresCapture {
		p.CaptureMethod = payment.CaptureManual
	}
	p.Metadata = maps.Clone(i.Metadata)
	maps.DeleteFunc(p.Metadata, func(name, _ string) bool { return payment.Reserved(name) })
}
