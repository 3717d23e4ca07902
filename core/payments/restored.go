package payments

import (
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/ports"
)

// CodeRestored is the code of errors until it is known what the providers hold after a restore.
const CodeRestored = "restored_store"

// Restore describes a restore: an older copy of the journal was put in its place.
type Restore struct {
	// At is when the copy was first used, zero if there was no restore.
	At time.Time
	// Since is a time before which the copy is complete; zero if that is not known.
	Since time.Time
	// Recalled means that what the providers hold has been merged into the journal.
	Recalled bool
	// Providers are those that were configured when the copy was made or first used.
	Providers []string
	// Lost is the longest time of which the store knows nothing, of this restore or of
	// an earlier one.
	Lost time.Duration
}

// missedUses returns how many successive uses of one key the store may not know.
func (r Restore) missedUses() int {
	return int(max(r.Lost+clockMargin, r.At.Sub(r.start()))/idempotency.Kept) + 1
}

// start returns since when a provider may hold intents that the copy does not know. It allows
// for clocks that are wrong or were set.
func (r Restore) start() time.Time {
	since := r.Since
	if since.IsZero() || since.After(r.At) {
		since = r.At.Add(-idempotency.Kept)
	}
	return since.Add(-clockMargin)
}

// startAt is start by the provider's clock, which shows whether this machine's clock was ahead.
func (r Restore) startAt(now time.Time) time.Time {
	from, longest := r.start(), now.Add(-idempotency.Kept-clockMargin)
	if wrong := r.Since.IsZero() || from.After(now); !now.IsZero() && wrong && longest.Before(from) {
		return longest
	}
	return from
}

// inventory is what the providers hold of payments that the store may not know after a
// restore. A payment's ID is derived from its caller's key. So the metadata of an intent
// shows which request it was made for, at any provider, even if the provider has forgotten
// the key.
type inventory struct {
	mu      sync.Mutex
	of      time.Time                    // time of the restore
	read    map[string]bool              // by provider name: all its intents have been read
	first   map[string]foundIntent       // by payment ID
	further map[payment.Made]foundIntent // further intents of payments in first
	merged  bool                         // all of it has been merged into the journal
}

// reset drops what was found after an earlier restore.
func (r *inventory) reset(of time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.of.Equal(of) || r.first == nil {
		r.of, r.read, r.merged = of, make(map[string]bool), false
		r.first, r.further = make(map[string]foundIntent), make(map[payment.Made]foundIntent)
	}
}

// update calls change to record what was found after a restore, unless there was another since.
func (r *inventory) update(after Restore, change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of.Equal(after.At) {
		change()
	}
}

// foundIntent is an intent that a provider holds.
type foundIntent struct {
	payment.Made
	id, tenant string // of the payment
	canceled   bool   // it is canceled: an intent that is not takes precedence
}

// restore returns the last restore, and whether what the providers hold must still be merged
// into the journal. Until it is known what they hold, no payment is created.
func (s *Service) restore() (Restore, bool) {
	r := s.lastRestore()
	if r.At.IsZero() || r.Recalled {
		return r, false
	}
	s.inventory.reset(r.At)
	s.inventory.mu.Lock()
	defer s.inventory.mu.Unlock()
	return r, !s.inventory.merged
}

func (s *Service) lastRestore() Restore {
	if s.Restored == nil {
		return Restore{}
	}
	return s.Restored()
}

// Held reports whether new payments are held because it is not known what the providers hold.
func (s *Service) Held() bool {
	r, restored := s.restore()
	return restored && !s.allRead(s.relevantProviders(r))
}

// existingIntent returns the intent that a provider holds for a payment, nil if there is none.
// Unavailable with code restored_store: it is not known yet.
func (s *Service) existingIntent(id string) (*payment.Made, error) {
	r, restored := s.restore()
	if !restored {
		return nil, nil
	}
	known := s.allRead(s.relevantProviders(r))
	if found, ok := s.foundFor(id); ok && (!found.canceled || known) {
		return &found.Made, nil
	}
	if known {
		return nil, nil
	}
	return nil, errInventoryPending
}

var errInventoryPending = &fault.Error{
	Kind: fault.Unavailable, Code: CodeRestored, RetryAfter: minLookupRetry,
	Message: "an older copy of the store was put back, and it is not known yet what the providers hold; nothing was done",
}

// relevantProviders returns the providers that may hold what the store does not know: those that are
// configured now, and those that were configured when the copy was made or first used.
func (s *Service) relevantProviders(r Restore) []string {
	names := slices.Clone(r.Providers)
	for _, g := range s.Gateways {
		names = append(names, g.Name())
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(s.SkipAfterRestore, name) })
}

// allRead reports whether all that these providers hold is known.
func (s *Service) allRead(providers []string) bool {
	s.inventory.mu.Lock()
	defer s.inventory.mu.Unlock()
	return !slices.ContainsFunc(providers, func(name string) bool { return !s.inventory.read[name] })
}

// unadoptedIntent returns the intent that was made for an operation that is open in a restored
// copy of the store. Any provider may hold it, since the one that the copy names may have
// refused. The call is not repeated until this is known. Errors as for madeBefore.
func (s *Service) unadoptedIntent(p *payment.Payment, op *payment.Operation) (*payment.Made, error) {
	if !op.Creates() || p.ProviderReference != "" {
		return nil, nil
	}
	if made := op.Request.Made; made != nil {
		if made.Provider == op.Provider {
			return nil, nil // the call adopts this intent
		}
		return made, nil
	}
	return s.existingIntent(p.ID)
}

// lastUse returns the generation of the last known use of a key, starting at from, or from
// if there is none. found means that this use was read from its provider, and that nobody
// has repeated the key since. The store may have lost generations in between.
func (s *Service) lastUse(ctx context.Context, tenant string, key idempotency.Key, from int) (last int, found bool, err error) {
	r := s.lastRestore()
	if r.At.IsZero() || key.Empty() {
		return from, false, nil
	}
	last = from
	for g := from; g <= last+r.missedUses(); g++ {
		id := s.paymentID(key, g)
		_, made := s.foundFor(id)
		switch st, err := s.records.Get(ctx, tenant, id); {
		case err == nil:
			last, found = g, made || st.payment.Found
		case !fault.Is(err, fault.NotFound):
			return 0, false, err
		case made:
			last, found = g, true
		}
	}
	return last, found, nil
}

// usedSince reports whether a key that the restored copy has may have been used for another
// payment since: the key had expired by then.
func (s *Service) usedSince(p *payment.Payment, key idempotency.Key) bool {
	op, at := p.Under(key.Scoped), s.restoredAt()
	return op != nil && op.KnownSince.Before(at) && lastUsed(op).Add(idempotency.Kept-clockMargin).Before(at)
}

// earlierRefund looks for a refund that was made under a caller's key after the restored
// copy was made. The provider may have forgotten the key. If the lookup fails, the answer has
// an error, and no refund may be requested.
func (s *Service) earlierRefund(ctx context.Context, g ports.PaymentGateway, p payment.Payment, op payment.Operation) (answer, bool) {
	if !s.predatesRestore(&p, op) || op.Action != payment.Refund {
		return answer{}, false
	}
	found := findRefund(ctx, g, op, s.laterUses(&p, op)...)
	switch {
	case found.err != nil:
		return answer{err: fault.Wrap(fault.Unavailable, "payments.refund", found.err)}, true
	case !found.observed:
		return answer{}, false
	case found.refund.Amount != op.Amount && !op.All:
		return answer{err: fault.New(fault.Conflict, idempotency.CodeMismatch, "this idempotency key was used for a refund of another amount")}, true
	}
	return found, true
}

// predatesRestore reports whether an operation may have been done under its caller's key after
// the restored copy was made: the payment is older than the restore.
func (s *Service) predatesRestore(p *payment.Payment, op payment.Operation) bool {
	return op.Key != "" && p.Operations[0].KnownSince.Before(s.restoredAt())
}

// laterUses returns the later uses of a key by which a provider may know an operation that
// has advanced further than the restored copy knows.
func (s *Service) laterUses(p *payment.Payment, op payment.Operation) (later []use) {
	if !s.predatesRestore(p, op) {
		return nil
	}
	for range s.lastRestore().missedUses() {
		op.Generation++
		key := s.providerKey(p, &op)
		later = append(later, use{op.Generation, key})
	}
	return later
}

// outdated reports whether the provider may know more of a payment than a restored copy of
// the store: it has not been asked since the restore.
func (s *Service) outdated(p *payment.Payment) bool {
	return p.ProviderReference != "" && p.KnownSince.Before(s.restoredAt())
}

func (s *Service) restoredAt() time.Time { return s.lastRestore().At }

// refresh syncs an outdated payment in the background, because somebody has read it.
func (s *Service) refresh(st *stored) {
	provider := st.payment.Provider
	if !s.outdated(&st.payment) || !s.available(provider) || !s.sweeps.acquire(provider) {
		return
	}
	tenant, id := st.payment.Tenant, st.payment.ID
	s.calls.Go("payment of an older copy of the store", func() {
		defer s.sweeps.release(provider)
		ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
		defer cancel()
		_ = s.resync(ctx, tenant, id) // the next read tries again
	})
}

// resync syncs an outdated payment with its provider. Errors as for Sync.
func (s *Service) resync(ctx context.Context, tenant, id string) error {
	_, err := s.Sync(ctx, tenant, id)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	st, err := s.records.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	st.payment.KnownSince = s.restoredAt() // the provider does not have the payment, and it will not reappear
	return s.save(ctx, &st)
}
