package checkout

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idem"
	"patchbay/core/payment"
	"patchbay/ports"
)

// inFlight is how long after a process has ended a provider may still do what that has
// asked for.
const inFlight = time.Minute

// RestoreNoticed has what the providers hold be read, after Restored has begun to tell of
// another restore.
func (s *Service) RestoreNoticed() {
	select {
	case s.noticed <- struct{}{}:
	default:
	}
}

// recollecting reads what the providers hold after each restore, until ctx ends.
func (s *Service) recollecting(ctx context.Context) {
	for ctx.Err() == nil {
		reading, stop := context.WithCancel(ctx)
		work := guard.Group{Log: s.Log}
		work.Keep(reading, "payments before the store was put back", s.recollect)
		select {
		case <-ctx.Done():
		case <-s.noticed:
		}
		stop()
		work.Wait()
	}
}

// recollect learns what each provider holds, where an older copy of the store was put back,
// and takes it into the payments.
func (s *Service) recollect(ctx context.Context) {
	r, restored := s.restore()
	if !restored {
		return
	}
	s.Log.WarnContext(ctx, "an older copy of the store was put back; a new payment waits until it is known what the providers hold")
	missing := false
	s.tellSkipped(ctx, r)
	for _, name := range s.holders(r) {
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
			s.walkThrough(ctx, g, r)
			s.takeIn(ctx, func(t trace) bool { return t.Provider == g.Name() && !t.over })
		})
	}
	walks.Wait()
	s.takeIn(ctx, func(t trace) bool { return t.over })
	if missing || ctx.Err() != nil {
		return
	}
	s.Log.InfoContext(ctx, "it is known what the providers hold, and all of it is in the store")
	s.before.learn(r, func() { s.before.recalled = true })
	for s.Recalled != nil && !r.Recalled {
		err := s.Recalled(ctx, r.At)
		if err == nil {
			return
		}
		s.Log.WarnContext(ctx, "it is not kept that what the providers hold was taken in; it is tried again", "error", err)
		if !pause(ctx, blindest) {
			return
		}
	}
}

// tellSkipped tells which providers are not asked what they hold, since the configuration
// says so.
func (s *Service) tellSkipped(ctx context.Context, r Restore) {
	for _, name := range s.SkipAfterRestore {
		if _, configured := s.gateway(name); configured || slices.Contains(r.Providers, name) {
			s.Log.WarnContext(ctx, "a provider is not asked what it holds: payments.skip_after_restore names it", "provider", name)
		} else {
			s.Log.WarnContext(ctx, "payments.skip_after_restore names a provider that nothing waits for", "provider", name)
		}
	}
}

// walkThrough notes every intent of ours that a provider has made since the copy. What is
// made while that is being read, or soon after by a call that was under way, is read after
// a while. That is measured without the clock, which may be set meanwhile.
func (s *Service) walkThrough(ctx context.Context, g ports.PaymentGateway, r Restore) {
	from, wait := r.from(), min(max(r.At.Add(inFlight).Sub(s.Clock.Now()), 0), inFlight)
	quiet, stop := context.WithTimeout(ctx, wait)
	defer stop()
	for first := true; ; first = false {
		last := quiet.Err() != nil
		began := s.Clock.Now()
		now, ok := s.walkOnce(ctx, g, r, from)
		if !ok {
			return
		}
		if earlier := r.fromAt(now); first && earlier.Before(from) { // our clock is ahead
			if _, ok = s.walkOnce(ctx, g, r, earlier); !ok {
				return
			}
		}
		if last {
			s.before.learn(r, func() { s.before.known[g.Name()] = true })
			return
		}
		if from = now.Add(-inFlight); now.IsZero() {
			from = began.Add(-pad)
		}
		<-quiet.Done()
	}
}

// walkOnce notes every intent of ours that a provider has made since a time, and returns
// what its clock said at the beginning. What fails is tried again, from where it was broken
// off. It is false where ctx has ended.
func (s *Service) walkOnce(ctx context.Context, g ports.PaymentGateway, restore Restore, since time.Time) (began time.Time, ok bool) {
	r := payment.ListRequest{From: since, Limit: 100}
	var said time.Time
	for {
		page, err := s.page(ctx, g, r)
		switch {
		case fault.Is(err, fault.Unsupported): // there is no other way
			s.Log.WarnContext(ctx, "a provider cannot tell what it holds; payments are made without knowing", "provider", g.Name())
			return began, true
		case err != nil:
			if now := s.Clock.Now(); ctx.Err() == nil && (said.IsZero() || now.Sub(said) >= time.Minute) {
				said = now // without its error, of which the outage tells: this line says what else follows
				s.Log.WarnContext(ctx, "it is not known what a provider holds; no payment is made until it is", "provider", g.Name(), "kind", fault.KindOf(err).String())
			}
			if !pause(ctx, blind) {
				return began, false
			}
			continue
		}
		if r.Cursor == "" {
			began = page.Now
		}
		s.before.learn(restore, func() {
			for _, i := range page.Intents {
				s.before.note(g.Name(), i)
			}
		})
		if r.Cursor = page.Next; page.Next == "" {
			return began, true
		}
	}
}

// note takes in an intent of a provider, of which the newest come first.
func (r *recollection) note(provider string, i payment.Intent) {
	id, tenant := i.Metadata[payment.MetaPayment], i.Metadata[payment.MetaTenant]
	if id == "" || tenant == "" {
		return
	}
	t := trace{Made: payment.Made{Provider: provider, Reference: i.Reference}, id: id, tenant: tenant, over: i.Status == payment.Canceled}
	switch known, ok := r.made[id]; {
	case !ok || known.over:
		r.made[id] = t
	case !t.over && t.Made != known.Made:
		r.second[t.Made] = t
	}
}

func (s *Service) page(ctx context.Context, g ports.PaymentGateway, r payment.ListRequest) (payment.IntentPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	return g.List(ctx, r)
}

const (
	// takenAtOnce is how many payments of one provider are taken in at a time.
	takenAtOnce = 8
	// takeInAtMost is the longest wait before what could not be taken in is tried again.
	takeInAtMost = 10 * time.Minute
)

// takeIn brings what was found into the store. What fails is tried again, after longer and
// longer; what will not come is logged.
func (s *Service) takeIn(ctx context.Context, which func(trace) bool) {
	var left []trace
	s.before.mu.Lock()
	for _, t := range s.before.made {
		left = append(left, t)
	}
	for _, t := range s.before.second {
		left = append(left, t)
	}
	s.before.mu.Unlock()
	left = slices.DeleteFunc(left, func(t trace) bool { return !which(t) })
	for wait := blind; len(left) > 0; wait = min(2*wait, takeInAtMost) {
		if left = s.attachAll(ctx, left); len(left) > 0 && !pause(ctx, wait) {
			return
		}
	}
}

// attachAll attaches what was found, and returns what is to be tried again.
func (s *Service) attachAll(ctx context.Context, found []trace) (left []trace) {
	todo := make(chan trace)
	var mu sync.Mutex
	work := guard.Group{Log: s.Log}
	for range takenAtOnce {
		work.Go("payments before the store was put back", func() {
			for t := range todo {
				if again := s.attached(ctx, t); again {
					mu.Lock()
					left = append(left, t)
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range found {
		todo <- t
	}
	close(todo)
	work.Wait()
	return left
}

// attached attaches what was found, and reports whether that is to be tried again.
func (s *Service) attached(ctx context.Context, t trace) (again bool) {
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

// attach gives a payment of the store the intent that was found for it, and makes the payment
// where the store has none. Conflict: the intent is another payment's, or another account's.
func (s *Service) attach(ctx context.Context, t trace) error {
	var doubt ports.Doubt
	for {
		st, err := s.load(ctx, t.tenant, t.id)
		absent := fault.Is(err, fault.NotFound)
		if err != nil && !absent {
			return err
		}
		if absent {
			st = stored{payment: s.blank(t)}
		}
		p := &st.payment
		switch op := p.Open(); {
		case absent:
			if err := s.ask(ctx, &st); err != nil {
				return err
			}
		case p.ProviderReference != "" && !t.over && t.Made != (payment.Made{Provider: p.Provider, Reference: p.ProviderReference}):
			if !s.reviewSecond(p, t) {
				return nil
			}
		case p.ProviderReference != "" && !s.outdated(p):
			return nil
		case p.ProviderReference != "":
			return s.renew(ctx, t.tenant, t.id)
		case op != nil && op.Request.Made != nil:
			return nil
		case op != nil: // whoever goes on with it takes that
			op.Request.Made = &t.Made
		default:
			p.Provider, p.ProviderReference, p.Account = t.Provider, t.Reference, s.account(t.Provider)
			if err := s.ask(ctx, &st); err != nil {
				return err
			}
		}
		err = s.save(ctx, &st)
		again := fault.Is(err, fault.Conflict) || fault.Is(err, fault.UnknownOutcome)
		if err = doubt.Over(err); !again || ctx.Err() != nil {
			return err
		}
		if absent && s.taken(ctx, t) {
			return errForeign(t.Reference)
		}
	}
}

// reviewSecond has somebody look whether the buyer of a payment that has an intent has paid
// another one, too. It is false where that is known.
func (s *Service) reviewSecond(p *payment.Payment, t trace) (news bool) {
	if t.Provider != p.Provider {
		return p.Review(payment.ReviewOtherAccount, t.Provider+": "+t.Reference, s.Clock.Now())
	}
	return p.Review(payment.ReviewSecondIntent, t.Reference, s.Clock.Now())
}

// taken reports whether another payment has the intent.
func (s *Service) taken(ctx context.Context, t trace) bool {
	r, err := s.Journal.Find(ctx, kind, ports.ByRef, reference(t.Provider, t.Reference))
	return err == nil && r.ID != t.id
}

// blank is a payment that the store does not have, before its provider has told of it.
func (s *Service) blank(t trace) payment.Payment {
	account := s.account(t.Provider)
	return payment.Payment{
		ID: t.id, Tenant: t.tenant, Status: payment.Processing, Provider: t.Provider, ProviderReference: t.Reference, Account: account,
		CaptureMethod: payment.CaptureAutomatic, Found: true,
		Operations: []payment.Operation{{
			ID: s.IDs.New("op"), Action: payment.Create, Provider: t.Provider, Account: account, Outcome: payment.Unknown, Turn: 1,
		}},
	}
}

// fill gives a payment what its provider tells of how it was made.
func fill(p *payment.Payment, i payment.Intent) {
	p.Amount, p.Currency, p.CreatedAt, p.CustomerID = i.Amount, i.Currency, i.CreatedAt, i.Metadata[payment.MetaUser]
	p.Operations[0].ProviderKey, p.Operations[0].StartedAt = i.Metadata[payment.MetaOperation], i.CreatedAt
	if i.Status == payment.RequiresCapture {
		p.CaptureMethod = payment.CaptureManual
	}
	p.Metadata = maps.Clone(i.Metadata)
	maps.DeleteFunc(p.Metadata, func(name, _ string) bool { return payment.Reserved(name) })
}

// find reads a payment that a caller names. One that the store does not have may have been read
// from its provider, or may still be: errors as madeBefore.
func (s *Service) find(ctx context.Context, tenant, id string) (stored, error) {
	st, err := s.load(ctx, tenant, id)
	if !fault.Is(err, fault.NotFound) {
		return st, err
	}
	held := s.Held()
	if t, ok := s.traceOf(id); ok && t.tenant == tenant && (!t.over || !held) {
		if err := s.attach(ctx, t); err != nil {
			return stored{}, err
		}
		return s.load(ctx, tenant, id)
	}
	if held {
		return stored{}, errRecollecting()
	}
	return st, err
}

// traceOf is what was found of a payment since the store was put back.
func (s *Service) traceOf(id string) (trace, bool) {
	if _, restored := s.restore(); !restored {
		return trace{}, false
	}
	s.before.mu.Lock()
	defer s.before.mu.Unlock()
	t, ok := s.before.made[id]
	return t, ok
}

// reclaim finds the payment of a key that was read from its provider, and gives it the key
// again. It is not ok where there is none. Conflict with idem.CodeMismatch where another amount
// was asked for.
func (s *Service) reclaim(ctx context.Context, tenant string, r CreateRequest, key idem.Key, generation int) (st stored, ok bool, err error) {
	if key.Empty() {
		return stored{}, false, nil
	}
	id := s.paymentID(key, generation)
	if t, ok := s.traceOf(id); ok && !t.over && t.tenant == tenant {
		if err := s.attach(ctx, t); err != nil {
			return stored{}, false, err
		}
	}
	st, err = s.load(ctx, tenant, id)
	if fault.Is(err, fault.NotFound) || err == nil && !st.payment.Found {
		return stored{}, false, nil
	}
	if err != nil {
		return stored{}, false, err
	}
	if st.payment.Amount != r.Amount || st.payment.Currency != r.Currency {
		return stored{}, false, fault.New(fault.Conflict, idem.CodeMismatch, "this idempotency key was used for a payment of another amount")
	}
	if older, err := s.byKey(ctx, key); err == nil && older.payment.ID != id { // a use before that one has it still
		err = s.update(ctx, &older, func(st *stored) error { st.record.Idem = ""; return nil })
		if err != nil {
			return stored{}, false, err
		}
	}
	err = s.update(ctx, &st, func(st *stored) error {
		p, create := &st.payment, &st.payment.Operations[0]
		if !p.Found {
			return nil // another repeat was quicker
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

// locate has a payment that the store does not know to have reached a provider take what was
// found of it, and reports whether it is to be read again. Errors as madeBefore: also while
// the operation is open that is to take it.
func (s *Service) locate(ctx context.Context, p *payment.Payment) (found bool, err error) {
	if p.ProviderReference != "" {
		return false, nil
	}
	made, err := s.madeBefore(p.ID)
	if made == nil || err != nil {
		return false, err
	}
	if err := s.attach(ctx, trace{Made: *made, id: p.ID, tenant: p.Tenant}); err != nil {
		return true, err
	}
	if p.Open() != nil {
		return true, errRecollecting()
	}
	return true, nil
}
