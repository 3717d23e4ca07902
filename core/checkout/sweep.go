package checkout

import (
	"context"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/queue"
)

const (
	// sweepFor is how long after it was made a payment, or the refund that it waits
	// for, is asked about.
	sweepFor = 30 * 24 * time.Hour
	// sweepAgain is the longest wait after a question that nobody answered.
	sweepAgain = time.Hour
	// sweepsAtOnce is how many payments of one provider are asked about at a time, so
	// that a provider that hangs holds up nobody else's.
	sweepsAtOnce = 2
	sweepBusy    = 10 * time.Second
)

// sweeps is when the provider is asked again of what is open there: the webhook may
// be lost. After the last entry once a day.
var sweeps = queue.Backoff{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

func sweepWait(asked int) time.Duration {
	if wait, ok := sweeps.After(asked + 1); ok {
		return wait
	}
	return 24 * time.Hour
}

// openThere reports whether the provider has more to tell of a payment on which
// nothing is under way here, and until when that is worth asking.
func openThere(p *payment.Payment) (until time.Time, open bool) {
	if p.ProviderReference == "" || p.Open() != nil {
		return time.Time{}, false
	}
	until = p.CreatedAt.Add(sweepFor)
	open = awaitsBuyer(p) || p.Status == payment.Processing || !p.Listed() ||
		p.Status == payment.Canceled && p.AmountCapturable > 0 // it may be reserved all the same
	for _, r := range p.Refunds {
		if r.Released || r.Status.Settled() {
			continue
		}
		open = true
		if end := r.CreatedAt.Add(sweepFor); end.After(until) {
			until = end
		}
	}
	return until, open
}

// awaitsBuyer reports whether it is the buyer, in the browser, who goes on with a payment:
// what comes of that is told by the provider alone.
func awaitsBuyer(p *payment.Payment) bool {
	switch p.Status {
	case payment.RequiresAction:
		return true
	case payment.RequiresPaymentMethod, payment.RequiresConfirmation:
		return p.Confirmation != payment.ConfirmServer
	case payment.Processing, payment.RequiresCapture, payment.Succeeded, payment.Canceled:
	}
	return false
}

// unplanned reports whether the provider is to be asked about a payment, and nobody has
// said when: a version that did not ask has left it.
func unplanned(p *payment.Payment, now time.Time) bool {
	until, open := openThere(p)
	return open && p.AskAt.IsZero() && now.Before(until)
}

// planSweep says when the provider is to be asked next, where something is open there.
func planSweep(p *payment.Payment, now time.Time) {
	_, open := openThere(p)
	switch {
	case !open:
		p.AskAt, p.Asked = time.Time{}, 0
	case p.AskAt.IsZero():
		p.AskAt = now.Add(sweepWait(0))
	}
}

// sweepDue is when the provider is to be asked about the payment, zero for never.
func sweepDue(p *payment.Payment) time.Time {
	if until, open := openThere(p); !open || p.AskAt.After(until) {
		return time.Time{}
	}
	return p.AskAt
}

// sweep asks the provider about a payment that has been open there for too long. What
// it tells is in st then, which is to be saved; so is when to ask again.
func (s *Service) sweep(ctx context.Context, st *stored) error {
	p := &st.payment
	if !s.sweeps.take(p.Provider) {
		p.AskAt = s.Clock.Now().Add(st.ahead + sweepBusy)
		return nil
	}
	defer s.sweeps.give(p.Provider)
	status := p.Status
	err := s.ask(ctx, st)
	now := s.Clock.Now().Add(st.ahead)
	switch {
	case fault.Is(err, fault.NotFound): // it will not come back
		p.Asked++
		p.AskAt = now.Add(sweepWait(p.Asked))
	case err != nil:
		p.AskAt = now.Add(min(sweepWait(p.Asked), sweepAgain))
	case p.Status != status:
		p.AskAt, p.Asked = time.Time{}, 0
	default:
		p.Asked++
		p.AskAt = now.Add(sweepWait(p.Asked))
	}
	return err
}

// places bounds what is done at once for each name.
type places struct {
	mu    sync.Mutex
	taken map[string]int
}

func (p *places) take(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[name] >= sweepsAtOnce {
		return false
	}
	if p.taken == nil {
		p.taken = map[string]int{}
	}
	p.taken[name]++
	return true
}

func (p *places) give(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[name]--
}
