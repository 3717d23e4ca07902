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

// uses returns how many successive uses of one key the store may not know.
func (r Restore) uses() int { return int(max(r.Lost+pad, r.At.Sub(r.from()))/idempotency.Kept) + 1 }

// from returns since when a provider may hold intents that the copy does not know. It allows
// for clocks that are wrong or were set.
func (r Restore) from() time.Time {
	since := r.Since
	if since.IsZero() || since.After(r.At) {
		since = r.At.Add(-idempotency.Kept)
	}
	return since.Add(-pad)
}

// fromAt is from by the provider's clock, which shows whether this machine's clock was ahead.
func (r Restore) fromAt(now time.Time) time.Time {
	from, longest := r.from(), now.Add(-idempotency.Kept-pad)
	if wrong := r.Since.IsZero() || from.After(now); !now.IsZero() && wrong && longest.Before(from) {
		return longest
	}
	return from
}

// recollection is what the providers hold of payments that the store may not know after a
// restore. A payment's ID is derived from its caller's key. So the metadata of an intent
// shows which request it was made for, at any provider, even if the provider has forgotten
// the key.
type recollection struct {
	mu       sync.Mutex
	of       time.Time              // time of the restore
	known    map[string]bool        // by provider name: all its intents have been read
	made     map[string]trace       // by payment ID
	second   map[payment.Made]trace // further intents of payments in made
	recalled bool                   // all of it has been merged into the journal
}

// reset drops what was found after an earlier restore.
func (r *recollection) reset(of time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.of.Equal(of) || r.made == nil {
		r.of, r.known, r.recalled = of, make(map[string]bool), false
		r.made, r.second = make(map[string]trace), make(map[payment.Made]trace)
	}
}

// learn calls take to record what was found after a restore, unless there was another since.
func (r *recollection) learn(after Restore, take func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of.Equal(after.At) {
		take()
	}
}

// trace is an intent that a provider holds.
type trace struct {
	payment.Made
	id, tenant string // of the payment
	over       bool   // it is canceled: an intent that is not takes precedence
}

// restore returns the last restore, and whether what the providers hold must still be merged
// into the journal. Until it is known what they hold, no payment is created.
func (s *Service) restore() (Restore, bool) {
	r := s.lastRestore()
	if r.At.IsZero() || r.Recalled {
		return r, false
	}
	s.before.reset(r.At)
	s.before.mu.Lock()
	defer s.before.mu.Unlock()
	return r, !s.before.recalled
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
	return restored && !s.knownAt(s.holders(r))
}

// madeBefore returns the intent that a provider holds for a payment, nil if there is none.
// Unavailable with code restored_store: it is not known yet.
func (s *Service) madeBefore(id string) (*payment.Made, error) {
	r, restored := s.restore()
	if !restored {
		return nil, nil
	}
	known := s.knownAt(s.holders(r))
	if found, ok := s.traceOf(id); ok && (!found.over || known) {
		return &found.Made, nil
	}
	if known {
		return nil, nil
	}
	return nil, errRecollecting
}

var errRecollecting = &fault.Error{
	Kind: fault.Unavailable, Code: CodeRestored, RetryAfter: blind,
	Message: "an older copy of the store was put back, and it is not known yet what the providers hold; nothing was done",
}

// holders returns the providers that may hold what the store does not know: those that are
// configured now, and those that were configured when the copy was made or first used.
func (s *Service) holders(r Restore) []string {
	names := slices.Clone(r.Providers)
	for _, g := range s.Gateways {
		names = append(names, g.Name())
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(s.SkipAfterRestore, name) })
}

// knownAt reports whether all that these providers hold is known.
func (s *Service) knownAt(providers []string) bool {
	s.before.mu.Lock()
	defer s.before.mu.Unlock()
	return !slices.ContainsFunc(providers, func(name string) bool { return !s.before.known[name] })
}

// madeUnseen returns the intent that was made for an operation that is open in a restored
// copy of the store. Any provider may hold it, since the one that the copy names may have
// refused. The call is not repeated until this is known. Errors as for madeBefore.
func (s *Service) madeUnseen(p *payment.Payment, op *payment.Operation) (*payment.Made, error) {
	if !op.Creates() || p.ProviderReference != "" {
		return nil, nil
	}
	if made := op.Request.Made; made != nil {
		if made.Provider == op.Provider {
			return nil, nil // the call adopts this intent
		}
		return made, nil
	}
	return s.madeBefore(p.ID)
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
	for g := from; g <= last+r.uses(); g++ {
		id := s.paymentID(key, g)
		_, traced := s.traceOf(id)
		switch st, err := s.records.Get(ctx, tenant, id); {
		case err == nil:
			last, found = g, traced || st.payment.Found
		case !fault.Is(err, fault.NotFound):
			return 0, false, err
		case traced:
			last, found = g, true
		}
	}
	return last, found, nil
}

// usedSince reports whether a key that the restored copy has may have been used for another
// payment since: the key had expired by then.
func (s *Service) usedSince(p *payment.Payment, key idempotency.Key) bool {
	op, at := p.Under(key.Scoped), s.restoredAt()
	return op != nil && op.KnownSince.Before(at) && lastOf(op).Add(idempotency.Kept-pad).Before(at)
}

// refundedBefore looks for a refund that was made under a caller's key after the restored
// copy was made. The provider may have forgotten the key. If the look fails, the answer has
// an error, and no refund may be requested.
func (s *Service) refundedBefore(ctx context.Context, g ports.PaymentGateway, p payment.Payment, op payment.Operation) (answer, bool) {
	if !s.knownBefore(&p, op) || op.Action != payment.Refund {
		return answer{}, false
	}
	found := findRefund(ctx, g, op, s.laterUses(&p, op)...)
	switch {
	case found.err != nil:
		return answer{err: fault.Wrap(fault.Unavailable, "payments.refund", found.err)}, true
	case !found.looked:
		return answer{}, false
	case found.refund.Amount != op.Amount && !op.All:
		return answer{err: fault.New(fault.Conflict, idempotency.CodeMismatch, "this idempotency key was used for a refund of another amount")}, true
	}
	return found, true
}

// knownBefore reports whether an operation may have been done under its caller's key after
// the restored copy was made: the payment is older than the restore.
func (s *Service) knownBefore(p *payment.Payment, op payment.Operation) bool {
	return op.Key != "" && p.Operations[0].KnownSince.Before(s.restoredAt())
}

// laterUses returns the later uses of a key by which a provider may know an operation that
// has advanced further than the restored copy knows.
func (s *Service) laterUses(p *payment.Payment, op payment.Operation) (later []use) {
	if !s.knownBefore(p, op) {
		return nil
	}
	for range s.lastRestore().uses() {
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
	if !s.outdated(&st.payment) || !s.available(provider) || !s.sweeps.take(provider) {
		return
	}
	tenant, id := st.payment.Tenant, st.payment.ID
	s.calls.Go("payment of an older copy of the store", func() {
		defer s.sweeps.give(provider)
		ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
		defer cancel()
		_ = s.renew(ctx, tenant, id) // the next read tries again
	})
}

// renew syncs an outdated payment with its provider. Errors as for Sync.
func (s *Service) renew(ctx context.Context, tenant, id string) error {
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
