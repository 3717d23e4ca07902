package checkout

import (
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// CodeRestored is the code of what cannot be done before it is known what the providers hold.
const CodeRestored = "restored_store"

// Restore tells of an older copy of the journal that was put in its place.
type Restore struct {
	// At is when the copy was first used, zero where there never was one.
	At time.Time
	// Since is a time before which nothing happened that the copy does not know; zero
	// where that is not known.
	Since time.Time
	// Recalled tells that what the providers hold was taken into the journal.
	Recalled bool
	// Providers are those that were configured when the copy was made, or first used.
	Providers []string
	// Lost is the longest time of which the store knows nothing: of this restore, or of one
	// before.
	Lost time.Duration
}

// uses is how many uses of one key in a row the store may not know of.
func (r Restore) uses() int { return int(max(r.Lost+pad, r.At.Sub(r.from()))/idem.Kept) + 1 }

// from is since when a provider may hold what the copy does not know. Clocks are wrong,
// and are set.
func (r Restore) from() time.Time {
	since := r.Since
	if since.IsZero() || since.After(r.At) {
		since = r.At.Add(-idem.Kept)
	}
	return since.Add(-pad)
}

// fromAt is from by the provider's clock, which tells where the one of this machine was
// ahead of it.
func (r Restore) fromAt(now time.Time) time.Time {
	from, longest := r.from(), now.Add(-idem.Kept-pad)
	if wrong := r.Since.IsZero() || from.After(now); !now.IsZero() && wrong && longest.Before(from) {
		return longest
	}
	return from
}

// recollection is what the providers hold of payments that the store may not know of,
// since an older copy of it was put back. A payment's id is made of its caller's key, so
// that an intent tells by its metadata which request it was made for, at whichever
// provider, and though that has forgotten the key.
type recollection struct {
	mu       sync.Mutex
	of       time.Time              // the restore that it is about
	known    map[string]bool        // by the provider's name: all that it holds is
	made     map[string]trace       // by the payment's id
	second   map[payment.Made]trace // of payments that have one in made
	recalled bool                   // all of it was taken into the journal
}

// reset forgets what was found after an earlier restore.
func (r *recollection) reset(of time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.of.Equal(of) || r.made == nil {
		r.of, r.known, r.recalled = of, make(map[string]bool), false
		r.made, r.second = make(map[string]trace), make(map[payment.Made]trace)
	}
}

// learn takes something in of what is found after a restore, unless there was another since.
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
	over       bool   // it was canceled: another one counts more
}

// restore is the last restore, and whether what the providers hold is still to be taken into
// the journal: until then it has to be known before a payment is made.
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

// Held reports whether no payment is made, since it is not known what the providers hold.
func (s *Service) Held() bool {
	r, restored := s.restore()
	return restored && !s.knownAt(s.holders(r))
}

// madeBefore is the intent that a provider holds for a payment, nil if there is none.
// Unavailable with code restored_store until that is known.
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
	return nil, errRecollecting()
}

func errRecollecting() error {
	err := fault.New(fault.Unavailable, CodeRestored,
		"an older copy of the store was put back, and it is not known yet what the providers hold; nothing was done")
	err.RetryAfter = blind
	return err
}

// holders are the providers that may hold what the store does not know of: those that are
// configured, and those that were when the copy was made, or first used.
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

// madeUnseen is what was made of an operation that an older copy of the store has open, as
// it was when the copy was made: at whichever provider, since the one that was being called
// may have refused. Such a call is not made again before it is known. Errors as madeBefore.
func (s *Service) madeUnseen(p *payment.Payment, op *payment.Operation) (*payment.Made, error) {
	if !op.Creates() || p.ProviderReference != "" {
		return nil, nil
	}
	if made := op.Request.Made; made != nil {
		if made.Provider == op.Provider {
			return nil, nil // it is that which is called for
		}
		return made, nil
	}
	return s.madeBefore(p.ID)
}

// lastUse is the generation of the last use of a key that is known, from a given one on, and
// whether that was read from its provider, and was given the key by nobody yet. Where there is
// no use it is the one that is given. What the store had of those between may be lost.
func (s *Service) lastUse(ctx context.Context, tenant string, key idem.Key, from int) (last int, found bool, err error) {
	r := s.lastRestore()
	if r.At.IsZero() || key.Empty() {
		return from, false, nil
	}
	last = from
	for g := from; g <= last+r.uses(); g++ {
		id := s.paymentID(key, g)
		_, traced := s.traceOf(id)
		switch st, err := s.load(ctx, tenant, id); {
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

// usedSince reports whether a key may have been used for another payment since the copy of the
// store that was put back, which has it: it had expired by then.
func (s *Service) usedSince(p *payment.Payment, key idem.Key) bool {
	op, at := p.Under(key.Scoped), s.restoredAt()
	return op != nil && op.KnownSince.Before(at) && lastOf(op).Add(idem.Kept-pad).Before(at)
}

// refundedBefore looks for a refund that was made under a caller's key after the copy of the
// store that was put back. The provider may have forgotten the key. The look has failed
// where it returns an error: nothing may be asked for then.
func (s *Service) refundedBefore(ctx context.Context, g ports.PaymentGateway, p payment.Payment, op payment.Operation) (answer, bool) {
	if !s.knownBefore(&p, op) || op.Action != payment.Refund {
		return answer{}, false
	}
	found := findRefund(ctx, g, op, s.laterUses(&p, op)...)
	switch {
	case found.err != nil:
		return answer{err: fault.Wrap(fault.Unavailable, "checkout.refund", found.err)}, true
	case !found.looked:
		return answer{}, false
	case found.refund.Amount != op.Amount && !op.All:
		return answer{err: fault.New(fault.Conflict, idem.CodeMismatch, "this idempotency key was used for a refund of another amount")}, true
	}
	return found, true
}

// knownBefore reports whether an operation may have been done under its caller's key after the
// copy of the store that was put back: the payment was not made since that.
func (s *Service) knownBefore(p *payment.Payment, op payment.Operation) bool {
	return op.Key != "" && p.Operations[0].KnownSince.Before(s.restoredAt())
}

// laterUses are those by which a provider may know an operation that has come further than
// an older copy of the store knows.
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

// outdated reports whether the provider may know more of a payment than an older copy of
// the store that was put back: nobody has asked it since.
func (s *Service) outdated(p *payment.Payment) bool {
	return p.ProviderReference != "" && p.KnownSince.Before(s.restoredAt())
}

func (s *Service) restoredAt() time.Time { return s.lastRestore().At }

// refresh asks about an outdated payment in the background, since somebody has read it.
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
		_ = s.renew(ctx, tenant, id) // who reads it again asks again
	})
}

// renew brings an outdated payment up to date, as far as its provider tells. Errors as Sync.
func (s *Service) renew(ctx context.Context, tenant, id string) error {
	_, err := s.Sync(ctx, tenant, id)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	st, err := s.load(ctx, tenant, id)
	if err != nil {
		return err
	}
	st.payment.KnownSince = s.restoredAt() // the provider does not have it, and it will not come back
	return s.save(ctx, &st)
}
