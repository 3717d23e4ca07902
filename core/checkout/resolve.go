package checkout

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/queue"
	"patchbay/ports"
)

const (
	// replayFor is how long a call may be repeated under its key. Later the
	// provider may have forgotten the key, or the customer may be gone.
	replayFor = 15 * time.Minute
	// absentAfter is how long nothing may be found before the operation counts
	// as not executed.
	absentAfter = time.Hour
	// skew is how far the provider's clock may be from ours.
	skew = 5 * time.Minute
)

// schedule is when an unknown outcome is looked into again. After the last try
// a person must: it is never failed by itself.
var schedule = queue.Backoff{
	10 * time.Second, time.Minute, 5 * time.Minute, time.Hour,
	24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

// resolve settles the open operation of a payment, or puts it off.
func (s *Service) resolve(ctx context.Context, c ports.Claim) {
	st, err := decode(c.Record)
	if err != nil {
		s.Log.Error("checkout: payment cannot be read", "payment", c.ID, "error", err)
		return
	}
	var id string
	var a answer
	if op := st.payment.Open(); op != nil {
		id = op.ID
		a = s.investigate(ctx, st.payment, *op)
	}
	saving, cancel := context.WithTimeout(ctx, lease-callDeadline)
	defer cancel()
	err = s.updateBy(saving, ports.Insist, &st, func(st *stored) error {
		if op := st.payment.Operation(id); op != nil && op.Outcome.Open() {
			apply(&st.payment, op, a)
			s.reschedule(st, op)
		}
		return nil
	})
	if err != nil {
		s.Log.Error("checkout: outcome not saved", "payment", c.ID, "operation", id, "error", err)
	}
}

// investigate finds out what became of an operation: at once by repeating the
// call under its key, later by looking first; and by looking alone once the
// provider may have forgotten the key. A repeat alone does not do: Stripe, for
// one, repeats the 500 with which it answered.
//
// Its error is UnknownOutcome as long as nothing is proved: "unavailable" now says
// nothing of what an earlier call did.
func (s *Service) investigate(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	ways := []func(context.Context, payment.Payment, payment.Operation) answer{s.look}
	switch fresh := s.Clock.Now().Sub(op.StartedAt) < replayFor; {
	case fresh && op.Lookups == 0:
		ways = append(ways[:0], s.call, s.look)
	case fresh:
		ways = append(ways, s.call)
	}
	var a answer
	for _, ask := range ways {
		if a = ask(ctx, p, op); settled(a.err) {
			return a
		}
	}
	a.err = fault.Wrap(fault.UnknownOutcome, "checkout.resolve", a.err)
	return a
}

// settled reports whether an answer proves what became of the operation.
func settled(err error) bool {
	if err == nil {
		return true
	}
	k := fault.KindOf(err)
	return k == fault.Declined || k == fault.Invalid || k == fault.NotFound || k == fault.Conflict
}

func (s *Service) reschedule(st *stored, op *payment.Operation) {
	if !op.Outcome.Open() {
		return
	}
	op.Lookups++
	st.record.Owner = ""
	wait, ok := schedule.After(op.Lookups)
	if !ok {
		st.payment.NeedsReview = true
		st.record.Queue, st.record.Due = "", time.Time{}
		return
	}
	st.record.Due = s.Clock.Now().Add(wait)
}

// look asks the provider what it holds, without asking it to do anything.
func (s *Service) look(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	g, ok := s.gateway(op.Provider)
	if !ok {
		return answer{err: fault.New(fault.Unavailable, "provider_not_configured", "")}
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	var a answer
	var found bool
	switch {
	case op.Action == payment.Refund:
		a.refund, found, a.err = findRefund(ctx, g, op)
	case op.Request.Reference == "":
		a.intent, found, a.err = findIntent(ctx, g, op)
	default:
		a.intent, a.err = g.Retrieve(ctx, op.Request.Reference)
		found = a.err == nil && proves(p, op, a.intent)
	}
	switch {
	case a.err != nil || found && a.intent.Failure == nil:
		return a
	case found:
		a.err = &fault.Error{
			Kind: fault.Declined, Code: a.intent.Failure.Code, DeclineCode: a.intent.Failure.DeclineCode, Message: a.intent.Failure.Message,
		}
		return a
	case s.Clock.Now().Sub(op.StartedAt) > absentAfter:
		a.err = fault.New(fault.NotFound, "not_executed", "the provider did not execute this operation")
		return a
	}
	a.err = fault.New(fault.UnknownOutcome, "", "nothing was found yet")
	return a
}

// proves reports whether the intent shows that the operation was done.
func proves(p payment.Payment, op payment.Operation, i payment.Intent) bool {
	p.Operations = []payment.Operation{op}
	p.Replace(i)
	return !p.Operations[0].Outcome.Open()
}

// findIntent looks through all intents made about when the operation was
// called. Search would be quicker, but lags behind.
func findIntent(ctx context.Context, g ports.PaymentGateway, op payment.Operation) (payment.Intent, bool, error) {
	r := payment.ListRequest{From: op.StartedAt.Add(-skew), To: op.StartedAt.Add(replayFor + skew), Limit: 100}
	for {
		page, err := g.List(ctx, r)
		if err != nil {
			return payment.Intent{}, false, err
		}
		for _, i := range page.Intents {
			if i.Metadata[payment.MetaOperation] == op.ProviderKey {
				return i, true, nil
			}
		}
		if page.Next == "" {
			return payment.Intent{}, false, nil
		}
		r.Cursor = page.Next
	}
}

func findRefund(ctx context.Context, g ports.PaymentGateway, op payment.Operation) (payment.ProviderRefund, bool, error) {
	refunds, err := g.Refunds(ctx, op.Request.Reference)
	if err != nil {
		return payment.ProviderRefund{}, false, err
	}
	for _, r := range refunds {
		if r.Metadata[payment.MetaOperation] == op.ProviderKey {
			return r, true, nil
		}
	}
	return payment.ProviderRefund{}, false, nil
}
