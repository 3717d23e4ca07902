package payments

import (
	"context"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/worker"
)

const (
	// sweepFor is how long the provider is asked about a payment, or about its open refund,
	// after it was made.
	sweepFor = 30 * 24 * time.Hour
	// sweepAgain is the longest wait after a sweep that failed.
	sweepAgain = time.Hour
	// sweepsAtOnce is how many payments of one provider are swept at a time, so that a
	// provider that hangs does not delay the others.
	sweepsAtOnce = 2
	sweepBusy    = 10 * time.Second
)

// sweeps is the schedule by which a provider is asked about a payment that is open there,
// since its webhook may be lost. After the last entry it is asked once a day.
var sweeps = worker.Backoff{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

func sweepWait(asked int) time.Duration {
	if wait, ok := sweeps.After(asked + 1); ok {
		return wait
	}
	return 24 * time.Hour
}

// openThere reports whether the provider may still change a payment that has no open
// operation here, and until when it is worth asking.
func openThere(p *payment.Payment) (until time.Time, open bool) {
	if p.ProviderReference == "" || p.Open() != nil {
		return time.Time{}, false
	}
	until = p.CreatedAt.Add(sweepFor)
	open = awaitsBuyer(p) || p.Status == payment.Processing || !p.Listed() ||
		p.Status == payment.Canceled && p.AmountCapturable > 0 // the money may still be reserved
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

// awaitsBuyer reports whether the payment waits for the buyer in the browser. Only the
// provider learns the result.
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

// unplanned reports whether the provider should be asked about a payment, but no time is
// set: an earlier version that did not sweep has saved it.
func unplanned(p *payment.Payment, now time.Time) bool {
	until, open := openThere(p)
	return open && p.AskAt.IsZero() && now.Before(until)
}

// planSweep sets when the provider is asked next, if something is open there.
func planSweep(p *payment.Payment, now time.Time) {
	_, open := openThere(p)
	switch {
	case !open:
		p.AskAt, p.Asked = time.Time{}, 0
	case p.AskAt.IsZero():
		p.AskAt = now.Add(sweepWait(0))
	}
}

// sweepDue returns when the provider is to be asked about the payment, zero for never.
func sweepDue(p *payment.Payment) time.Time {
	if until, open := openThere(p); !open || p.AskAt.After(until) {
		return time.Time{}
	}
	return p.AskAt
}

// sweep asks the provider about a payment that has been open there for too long. It changes
// st, including when to ask again. The caller saves st.
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
	case fault.Is(err, fault.NotFound): // it will not reappear
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

// places bounds the concurrent work for each name.
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
