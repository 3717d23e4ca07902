package payments

import (
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// inFlight is how long after the end of a process a provider may still execute its requests.
const inFlight = time.Minute

// RestoreNoticed starts reading what the providers hold. It is called after Restored has
// begun to return another restore.
func (s *Service) RestoreNoticed() {
	select {
	case s.noticed <- struct{}{}:
	default:
	}
}

// followRestores reads what the providers hold after each restore, until ctx ends.
func (s *Service) followRestores(ctx context.Context) {
	for ctx.Err() == nil {
		read := s.restoredAt()
		reading, stop := context.WithCancel(ctx)
		work := guard.Group{Log: s.Log}
		work.Keep(reading, "payments before the store was put back", s.takeInventory)
		for ctx.Err() == nil && s.restoredAt().Equal(read) {
			select {
			case <-ctx.Done():
			case <-s.noticed:
			}
		}
		stop()
		work.Wait()
	}
}

// takeInventory reads what each provider holds after an older copy of the store was restored,
// and merges it into the payments.
func (s *Service) takeInventory(ctx context.Context) {
	r, restored := s.restore()
	if !restored {
		return
	}
	s.Log.WarnContext(ctx, "an older copy of the store was put back; a new payment waits until it is known what the providers hold")
	missing := false
	s.logSkipped(ctx, r)
	for _, name := range s.relevantProviders(r) {
		if _, ok := s.gateway(name); !ok {
			missing = true
			s.Log.ErrorContext(ctx, "a provider that may hold payments which the store does not know of is not configured; no payment is made until it is", "provider", name)
		}
	}
	walks := guard.Group{Log: s.Log}
	for _, g := range s.Gateways {
		if slices.Contains(s.SkipAfterRestore, g.Name()) {
			continue
		}
		walks.Keep(ctx, "payments before the store was put back", func(ctx context.Context) {
			s.readProvider(ctx, g, r)
			s.attachFound(ctx, func(t foundIntent) bool { return t.Provider == g.Name() && !t.canceled })
		})
	}
	walks.Wait()
	s.attachFound(ctx, func(t foundIntent) bool { return t.canceled })
	if missing || ctx.Err() != nil {
		return
	}
	s.Log.InfoContext(ctx, "it is known what the providers hold, and all of it is in the store")
	s.inventory.update(r, func() { s.inventory.merged = true })
	for s.Recalled != nil && !r.Recalled {
		err := s.Recalled(ctx, r.At)
		if err == nil {
			return
		}
		s.Log.WarnContext(ctx, "it is not kept that what the providers hold was taken in; it is tried again", "error", err)
		if !pause(ctx, maxLookupRetry) {
			return
		}
	}
}

// logSkipped logs the providers that are not read because the configuration says so.
func (s *Service) logSkipped(ctx context.Context, r Restore) {
	for _, name := range s.SkipAfterRestore {
		if _, configured := s.gateway(name); configured || slices.Contains(r.Providers, name) {
			s.Log.WarnContext(ctx, "a provider is not asked what it holds: payments.skip_after_restore names it", "provider", name)
		} else {
			s.Log.WarnContext(ctx, "payments.skip_after_restore names a provider that nothing waits for", "provider", name)
		}
	}
}

// readProvider records every intent of ours that a provider has made since the copy. Intents
// made during the first walk, or soon after it by a call that was in progress, are found by a
// last walk after inFlight, and after the time that the provider takes to list what it has made.
// inFlight counts from the start of walkThrough, by a timer: the time of the restore may come from
// another clock.
func (s *Service) readProvider(ctx context.Context, g ports.PaymentGateway, r Restore) {
	from := r.start()
	settled := inFlight + g.Capabilities().Lookup.Lag
	quiet, stop := context.WithTimeout(ctx, settled)
	defer stop()
	for first := true; ; first = false {
		last := quiet.Err() != nil
		began := s.Clock.Now()
		now, ok := s.readSince(ctx, g, r, from)
		if !ok {
			return
		}
		if earlier := r.startAt(now); first && earlier.Before(from) { // our clock is ahead
			if _, ok = s.readSince(ctx, g, r, earlier); !ok {
				return
			}
		}
		if last {
			s.inventory.update(r, func() { s.inventory.read[g.Name()] = true })
			return
		}
		if from = now.Add(-settled); now.IsZero() {
			from = began.Add(-clockMargin)
		}
		if <-quiet.Done(); ctx.Err() != nil {
			return
		}
	}
}

// readSince records every intent of ours that a provider has made since a time. It returns
// the provider's time at the beginning. A page that fails is tried again. ok is false if ctx
// has ended.
func (s *Service) readSince(ctx context.Context, g ports.PaymentGateway, restore Restore, since time.Time) (began time.Time, ok bool) {
	r := payment.ListRequest{From: since, Limit: 100}
	var said time.Time
	for {
		page, err := s.listPage(ctx, g, r)
		switch {
		case fault.Is(err, fault.Unsupported): // there is no other way to find out
			s.Log.WarnContext(ctx, "a provider cannot tell what it holds; payments are made without knowing", "provider", g.Name())
			return began, true
		case err != nil:
			if now := s.Clock.Now(); ctx.Err() == nil && (said.IsZero() || now.Sub(said) >= time.Minute) {
				said = now // without the error, which the log of the outage has: this line logs the consequence
				s.Log.WarnContext(ctx, "it is not known what a provider holds; no payment is made until it is", "provider", g.Name(), "kind", fault.KindOf(err).String())
			}
			if !pause(ctx, minLookupRetry) {
				return began, false
			}
			continue
		}
		if r.Cursor == "" {
			began = page.Now
		}
		s.inventory.update(restore, func() {
			for _, i := range page.Intents {
				s.inventory.add(g.Name(), i)
			}
		})
		if r.Cursor = page.Next; page.Next == "" {
			return began, true
		}
	}
}

// add records an intent of a provider. The newest intents come first.
func (r *inventory) add(provider string, i payment.Intent) {
	id, tenant := i.Metadata[payment.MetaPayment], i.Metadata[payment.MetaTenant]
	if id == "" || tenant == "" {
		return
	}
	t := foundIntent{Made: payment.Made{Provider: provider, Reference: i.Reference}, id: id, tenant: tenant, canceled: i.Status == payment.Canceled}
	switch known, ok := r.first[id]; {
	case !ok || known.canceled:
		r.first[id] = t
	case !t.canceled && t.Made != known.Made:
		r.further[t.Made] = t
	}
}

func (s *Service) listPage(ctx context.Context, g ports.PaymentGateway, r payment.ListRequest) (payment.IntentPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	return g.List(ctx, r)
}

// find reads a payment for a caller. If the store does not have it, it may have been found at
// a provider after a restore, or may still be found. Errors as for madeBefore.
func (s *Service) find(ctx context.Context, tenant, id string) (stored, error) {
	st, err := s.records.Get(ctx, tenant, id)
	if !fault.Is(err, fault.NotFound) {
		return st, err
	}
	held := s.Held()
	if t, ok := s.foundFor(id); ok && t.tenant == tenant && (!t.canceled || !held) {
		if err := s.attach(ctx, t); err != nil {
			return stored{}, err
		}
		return s.records.Get(ctx, tenant, id)
	}
	if held {
		return stored{}, errInventoryPending
	}
	return st, err
}

// foundFor returns the intent that was found for a payment since the restore.
func (s *Service) foundFor(id string) (foundIntent, bool) {
	if _, restored := s.restore(); !restored {
		return foundIntent{}, false
	}
	s.inventory.mu.Lock()
	defer s.inventory.mu.Unlock()
	t, ok := s.inventory.first[id]
	return t, ok
}

// reclaim finds the payment of a key that was read from its provider after a restore, and
// gives it the key again. ok is false if there is none. Conflict with
// idempotency.CodeMismatch: the request is for another amount.
func (s *Service) reclaim(ctx context.Context, tenant string, r CreateRequest, key idempotency.Key, generation int) (st stored, ok bool, err error) {
	if key.Empty() {
		return stored{}, false, nil
	}
	id := s.paymentID(key, generation)
	if t, ok := s.foundFor(id); ok && !t.canceled && t.tenant == tenant {
		if err := s.attach(ctx, t); err != nil {
			return stored{}, false, err
		}
	}
	st, err = s.records.Get(ctx, tenant, id)
	if fault.Is(err, fault.NotFound) || err == nil && !st.payment.Found {
		return stored{}, false, nil
	}
	if err != nil {
		return stored{}, false, err
	}
	if st.payment.Amount != r.Amount || st.payment.Currency != r.Currency {
		return stored{}, false, fault.New(fault.Conflict, idempotency.CodeMismatch, "this idempotency key was used for a payment of another amount")
	}
	if older, err := s.records.Find(ctx, ports.ByIdem, key.Scoped); err == nil && older.payment.ID != id { // an earlier use still has the key
		err = s.records.Update(ctx, &older, func(st *stored) error { st.record.Idem = ""; return nil })
		if err != nil {
			return stored{}, false, err
		}
	}
	err = s.records.Update(ctx, &st, func(st *stored) error {
		p, create := &st.payment, &st.payment.Operations[0]
		if !p.Found {
			return nil // another repeat has done it
		}
		p.Found, st.record.Idem = false, key.Scoped
		asked := withDefaults(r)
		p.Description, p.ReturnURL, p.ExpiresAt = r.Description, r.ReturnURL, r.ExpiresAt
		p.CaptureMethod, p.Confirmation = asked.CaptureMethod, asked.Confirmation
		create.Key, create.Fingerprint, create.EndedAt = key.Scoped, key.Fingerprint, s.Clock.Now()
		create.Request = s.requestOf(r)
		return nil
	})
	return st, err == nil, err
}

// adoptFound attaches the intent that was found after a restore to a payment that has no intent
// in the store, and reads the payment again. Errors as for madeBefore, also while the open
// operation of the payment has not adopted the intent yet.
func (s *Service) adoptFound(ctx context.Context, st *stored) error {
	for st.payment.ProviderReference == "" {
		p := st.payment
		made, err := s.existingIntent(p.ID)
		if made == nil || err != nil {
			return err
		}
		if err := s.attach(ctx, foundIntent{Made: *made, id: p.ID, tenant: p.Tenant}); err != nil {
			return err
		}
		if p.Open() != nil {
			return errInventoryPending
		}
		fresh, err := s.records.Get(ctx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		*st = fresh
	}
	return nil
}
