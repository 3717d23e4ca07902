package payments

import (
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// sight is the quality of a look: told means that the provider answered; at is the time of
// the answer, by the provider's clock.
type sight struct {
	told bool
	at   time.Time
}

// look asks the provider what it holds, without asking it to do anything. If nothing is
// found an hour after the first look, by the provider's clock, the operation was not
// executed. A provider that takes a while to show what it has done gets that much longer.
func (s *Service) look(ctx context.Context, p payment.Payment, op payment.Operation) (answer, sight) {
	g, err := s.asked(op)
	if err != nil {
		return answer{err: err}, sight{}
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), callDeadline)
	defer cancel()
	a, l := s.see(ctx, g, p, op)
	if !l.told || a.looked {
		return a, l
	}
	if since := l.at.Sub(op.LookedAt); op.Lookups > 0 && !op.LookedAt.IsZero() && since > absentAfter+g.Capabilities().Lookup.Lag {
		a.absent, a.looked = true, true
	}
	a.err = fault.New(fault.UnknownOutcome, "", "nothing was found yet")
	return a, l
}

// see looks for what the operation would have made. The answer has looked set if it was
// found.
func (s *Service) see(ctx context.Context, g ports.PaymentGateway, p payment.Payment, op payment.Operation) (answer, sight) {
	var a answer
	var l sight
	switch {
	case op.Action == payment.Refund:
		a = findRefund(ctx, g, op, s.laterUses(&p, op)...)
	case op.Request.Reference == "":
		return s.seeIntent(ctx, g, op)
	default:
		a.intent, a.err = g.Retrieve(ctx, op.Request.Reference)
		a.looked = a.err == nil && !p.Judged(op, a.intent).Outcome.Open()
	}
	if a.err == nil || fault.Is(a.err, fault.NotFound) {
		l.at, a.err = s.clockOf(ctx, g, op)
		l.told = a.err == nil
	}
	a.looked = a.looked && l.told
	return declinedIn(a, op), l
}

// codeHidden is the code of a look that is not possible: the provider shows an intent only
// to those who know its reference.
const codeHidden = "lookup_impossible"

// seeIntent looks for the intent that a create has made, in the way that the provider offers.
func (s *Service) seeIntent(ctx context.Context, g ports.PaymentGateway, op payment.Operation) (answer, sight) {
	var at found
	var err error
	switch can := g.Capabilities().Lookup; {
	case can.List:
		at, err = s.listings[op.Provider].find(ctx, op.ProviderKey, op.LastTry(), sought{since: op.StartedAt, seen: op.LookedAt, told: op.SeenAt})
	case can.Operation:
		at, err = s.made(ctx, g, op.ProviderKey)
	default:
		err = fault.New(fault.UnknownOutcome, codeHidden, "the provider cannot show what it has made")
	}
	if err != nil {
		return answer{err: err}, sight{}
	}
	l := sight{told: true, at: at.at}
	if at.reference == "" {
		return answer{}, l
	}
	i, err := g.Retrieve(ctx, at.reference)
	if err != nil {
		return answer{err: err}, sight{}
	}
	return declinedIn(answer{intent: i, looked: true}, op), l
}

// made finds the intent that was made under a key. If a repeat of the key has made another
// one, since the first could not be paid, the one that was not canceled counts.
func (s *Service) made(ctx context.Context, g ports.PaymentGateway, key string) (found, error) {
	at := found{at: s.Clock.Now()}
	page, err := g.List(ctx, payment.ListRequest{Operation: key, Limit: 10})
	if err != nil {
		return found{}, err
	}
	if !page.Now.IsZero() {
		at.at = page.Now
	}
	for _, i := range page.Intents {
		if i.Metadata[payment.MetaOperation] == key && (at.reference == "" || i.Status != payment.Canceled) {
			at.reference = i.Reference
		}
	}
	return at, nil
}

// declinedIn turns the answer into a decline if the last try to pay the intent has failed.
func declinedIn(a answer, op payment.Operation) answer {
	if f := a.intent.Failure; a.looked && f != nil && op.Action != payment.Cancel && a.intent.Status == payment.RequiresPaymentMethod {
		a.err = &fault.Error{Kind: fault.Declined, Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message, Proven: true}
	}
	return a
}

// clockOf returns the provider's time, or ours if the provider does not report its own.
func (s *Service) clockOf(ctx context.Context, g ports.PaymentGateway, op payment.Operation) (time.Time, error) {
	now := s.Clock.Now()
	r := payment.ListRequest{From: now.Add(-time.Minute), Limit: 1}
	switch can := g.Capabilities().Lookup; {
	case can.List:
	case can.Operation:
		r = payment.ListRequest{Operation: op.ProviderKey, Limit: 1}
	default:
		return now, nil
	}
	page, err := g.List(ctx, r)
	if err == nil && !page.Now.IsZero() {
		now = page.Now
	}
	return now, err
}

// findRefund looks for the refund that an operation has made, under its provider key or
// under those of its later uses. It returns the last one that exists.
func findRefund(ctx context.Context, g ports.PaymentGateway, op payment.Operation, later ...use) (a answer) {
	refunds, err := g.Refunds(ctx, op.Request.Reference)
	if err != nil {
		return answer{err: err}
	}
	for _, u := range append([]use{{op.Generation, op.ProviderKey}}, later...) {
		i := slices.IndexFunc(refunds, func(r payment.ProviderRefund) bool { return r.Metadata[payment.MetaOperation] == u.key })
		if i >= 0 {
			a.refund, a.looked, a.use = refunds[i], true, u
		}
	}
	return a
}
