package checkout

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/payment"
	"patchbay/ports"
)

// inFlight is how long after a process has ended a provider may still do what that has
// asked for.
const inFlight = time.Minute

// recollect learns what each provider holds, where an older copy of the store was put back,
// and takes it into the payments.
func (s *Service) recollect(ctx context.Context) {
	r, restored := s.restore()
	if !restored {
		return
	}
	s.Log.WarnContext(ctx, "an older copy of the store was put back; no payment is made until it is known what the providers hold")
	walks := guard.Group{Log: s.Log}
	for _, g := range s.Gateways {
		walks.Keep(ctx, "payments before the store was put back", func(ctx context.Context) {
			s.walkThrough(ctx, g, r)
			s.takeIn(ctx, func(t trace) bool { return t.Provider == g.Name() && !t.over })
		})
	}
	walks.Wait()
	s.takeIn(ctx, func(t trace) bool { return t.over })
	if ctx.Err() != nil {
		return
	}
	s.Log.InfoContext(ctx, "it is known what the providers hold; payments are made")
	s.before.mu.Lock()
	s.before.recalled = true
	s.before.mu.Unlock()
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

// walkThrough notes every intent of ours that a provider has made since the copy. What is
// made while that is being read, or soon after by a call that was under way, is read after
// a while. That is measured without the clock, which may be set meanwhile.
func (s *Service) walkThrough(ctx context.Context, g ports.PaymentGateway, r Restore) {
	from, wait := r.from(), min(max(r.At.Add(inFlight).Sub(s.Clock.Now()), 0), inFlight)
	quiet, stop := context.WithTimeout(ctx, wait)
	defer stop()
	for {
		last := quiet.Err() != nil
		began := s.Clock.Now()
		now, ok := s.walkOnce(ctx, g, from)
		switch {
		case !ok:
			return
		case last:
			s.before.walked(g.Name(), all)
			return
		}
		s.before.walked(g.Name(), most)
		if from = now.Add(-inFlight); now.IsZero() {
			from = began.Add(-pad)
		}
		<-quiet.Done()
	}
}

func (r *recollection) walked(provider string, e extent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.walks[provider] = max(r.walks[provider], e)
}

// walkOnce notes every intent of ours that a provider has made since a time, and returns
// what its clock said at the beginning. What fails is tried again, from where it was broken
// off. It is false where ctx has ended.
func (s *Service) walkOnce(ctx context.Context, g ports.PaymentGateway, since time.Time) (began time.Time, ok bool) {
	r := payment.ListRequest{From: since, Limit: 100}
	for {
		page, err := s.page(ctx, g, r)
		if err != nil {
			s.Log.WarnContext(ctx, "it is not known what a provider holds; no payment is made until it is", "provider", g.Name(), "error", err)
			if !pause(ctx, blind) {
				return began, false
			}
			continue
		}
		if r.Cursor == "" {
			began = page.Now
		}
		s.before.mu.Lock()
		for _, i := range page.Intents {
			s.before.note(g.Name(), i)
		}
		s.before.mu.Unlock()
		if r.Cursor = page.Next; page.Next == "" {
			return began, true
		}
	}
}

// note takes in an intent of a provider, of which the newest come first.
func (r *recollection) note(provider string, i payment.Intent) {
	id := i.Metadata[payment.MetaPayment]
	if known, ok := r.made[id]; id == "" || ok && !known.over {
		return
	}
	r.made[id] = trace{
		Made:   payment.Made{Provider: provider, Reference: i.Reference},
		tenant: i.Metadata[payment.MetaTenant], created: i.CreatedAt, over: i.Status == payment.Canceled,
	}
}

func (s *Service) page(ctx context.Context, g ports.PaymentGateway, r payment.ListRequest) (payment.IntentPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	return g.List(ctx, r)
}

// takeIn brings the payments of the store up to date of which an intent was found. What
// fails is tried again; what cannot be done is logged.
func (s *Service) takeIn(ctx context.Context, which func(trace) bool) {
	s.before.mu.Lock()
	found := make(map[string]trace)
	for id, t := range s.before.made {
		if which(t) {
			found[id] = t
		}
	}
	s.before.mu.Unlock()
	for id, t := range found {
		for ctx.Err() == nil {
			err := s.attach(ctx, id, t)
			if err == nil {
				break
			}
			s.Log.WarnContext(ctx, "what a provider holds of a payment is not taken in", "payment", id, "tenant", t.tenant,
				"provider", t.Provider, "error", err)
			if !fault.KindOf(err).Rule().Retry || !pause(ctx, blind) {
				break
			}
		}
	}
}

// attach gives a payment of the store the intent that was found for it. One that is not in
// the store is made by the next repeat of its key.
func (s *Service) attach(ctx context.Context, id string, t trace) error {
	var doubt ports.Doubt
	for {
		st, err := s.load(ctx, t.tenant, id)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p := &st.payment
		switch op := p.Open(); {
		case p.ProviderReference != "" && !s.outdated(p):
			return nil
		case p.ProviderReference != "":
			s.renew(ctx, t.tenant, id)
			return nil
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
	}
}

// locate has a payment that the store does not know to have reached a provider take what was
// found of it, and reports whether it is to be read again. Errors as madeBefore: also while
// the operation is open that is to take it.
func (s *Service) locate(ctx context.Context, p *payment.Payment) (found bool, err error) {
	if p.ProviderReference != "" {
		return false, nil
	}
	made, err := s.madeBefore(p.ID, payment.Cancel)
	if made == nil || err != nil {
		return false, err
	}
	if err := s.attach(ctx, p.ID, trace{Made: *made, tenant: p.Tenant}); err != nil {
		return true, err
	}
	if p.Open() != nil {
		return true, errRecollecting()
	}
	return true, nil
}
