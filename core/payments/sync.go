package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/core/webhook"
	"patchbay/core/worker"
	"patchbay/ports"
)

// askDeadline bounds all calls about one payment.
const askDeadline = 10 * time.Second

// Sync asks the provider for the present state of the payment, and returns the payment with
// it. A payment that has not reached its provider yet is returned as it is.
//
// NotFound; otherwise the errors of the journal and the provider.
func (s *Service) Sync(ctx context.Context, tenant, id string) (payment.Payment, error) {
	st, err := s.find(ctx, tenant, id)
	if err != nil {
		return st.payment, err
	}
	s.hasten(ctx, &st)
	err = s.records.Update(ctx, &st, func(st *stored) error {
		if op := st.payment.Open(); op != nil {
			if _, err := s.gatewayFor(*op); err != nil {
				return err
			}
		}
		if st.payment.ProviderReference == "" {
			return record.ErrUnchanged
		}
		if err := s.readState(ctx, st); err != nil {
			return err
		}
		return st.changed()
	})
	return st.payment, err
}

// ask merges all that the provider knows of a payment into st. st was read before. It may be
// saved only if nobody has changed it in the meantime.
func (s *Service) readState(ctx context.Context, st *stored) error {
	p := &st.payment
	g, ok := s.gateway(p.Provider)
	if !ok {
		return errNotConfigured
	}
	if err := s.sameAccount(p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), askDeadline)
	defer cancel()
	intent, err := g.Retrieve(ctx, p.ProviderReference)
	if err != nil {
		return err
	}
	if p.CreatedAt.IsZero() { // a new payment from attach
		fill(p, intent)
	}
	var refunds []payment.ProviderRefund
	listed := g.Capabilities().Refunds && (intent.AmountCaptured > 0 || len(p.Refunds) > 0)
	if listed {
		if refunds, err = g.Refunds(ctx, p.ProviderReference); err != nil {
			return err
		}
	}
	var disputes []payment.Dispute
	if intent.Disputed || len(p.Disputes) > 0 {
		disputes, err = g.Disputes(ctx, p.ProviderReference)
		if err != nil && !fault.Is(err, fault.Refused) { // a key that may not read disputes can still read the rest
			return err
		}
	}
	if st.record.Owner != "" {
		p.ReplaceDuringCall(intent)
	} else {
		p.Replace(intent)
	}
	if listed {
		p.MergeRefunds(refunds, intent)
	}
	p.MergeDisputes(disputes)
	if at := s.restoredAt(); p.KnownSince.Before(at) {
		p.KnownSince = at
	}
	return nil
}

// ApplyWebhook merges a verified event into its payment. It changes only payments that are
// held by the account whose secret verified the event. Applying an event twice or late
// changes nothing. If the event is incomplete or may be stale, ApplyWebhook asks the
// provider for the present state.
//
// NotFound: the store does not have the payment (yet). Invalid: the event cannot be read.
// Otherwise the errors of the journal and, if it was asked, of the provider.
func (s *Service) ApplyWebhook(ctx context.Context, e webhook.Event) (a webhook.Applied, err error) {
	intent, ok, err := s.Events.Payment(e)
	if err != nil || !ok {
		return a, err
	}
	st, err := s.subject(ctx, e.Provider, intent)
	if err != nil {
		return a, err
	}
	err = s.records.Update(ctx, &st, func(st *stored) error {
		if err := s.adoptFound(ctx, st); err != nil {
			return err
		}
		p := &st.payment
		a.Erased = !p.ErasedAt.IsZero()
		reason, detail := foreignIntent(p, e.Provider, intent)
		var err error
		switch {
		case intent.Object != "":
			reason, detail, err = s.readStateOf(ctx, st, e.Provider, intent.Object)
		case reason == "" && p.Merge(intent):
			err = s.readState(ctx, st)
		}
		if err != nil {
			return err
		}
		if reason != "" && p.Review(reason, detail, s.Clock.Now()) {
			s.Log.WarnContext(ctx, "webhook does not fit its payment", "webhook", e.ID, "payment", p.ID, "tenant", p.Tenant, "reason", reason)
		}
		return st.changed()
	})
	return a, err
}

// readStateOf asks the provider for the payment that an event about one of its other objects, such
// as a capture, belongs to. It returns the reason for a review if the payment does not have that
// object. NotFound: the payment has no intent yet.
func (s *Service) readStateOf(ctx context.Context, st *stored, provider, object string) (reason, detail string, err error) {
	p := &st.payment
	if p.Provider == provider {
		if p.ProviderReference == "" {
			return "", "", fault.New(fault.NotFound, "no_such_record", "the payment has no intent yet")
		}
		if err := s.readState(ctx, st); err != nil {
			return "", "", err
		}
		if slices.ContainsFunc(p.Objects, func(o payment.Object) bool { return o.Reference == object }) {
			return "", "", nil
		}
	}
	reason, detail = foreignReason(p, provider, object)
	return reason, detail, nil
}

// foreignIntent returns the reason for a review if an intent names a payment but is not its own.
// Such an intent is never merged. A person must check whether the buyer has paid twice.
func foreignIntent(p *payment.Payment, provider string, i payment.Intent) (reason, detail string) {
	known := p.ProviderReference != ""
	if p.Provider == provider && (known && p.ProviderReference == i.Reference || !known && p.Made(i)) {
		return "", ""
	}
	return foreignReason(p, provider, i.Reference)
}

// foreignReason returns the reason for a review of a payment to which an object of a provider does not
// belong.
func foreignReason(p *payment.Payment, provider, object string) (reason, detail string) {
	if p.Provider != provider {
		return payment.ReviewOtherAccount, provider + ": " + object
	}
	return payment.ReviewSecondIntent, object
}

// subject finds the payment of an intent by the provider's reference, or by that of another
// object of the payment. If the event came before the answer of the call, it finds it by the
// metadata of the intent.
func (s *Service) subject(ctx context.Context, provider string, i payment.Intent) (stored, error) {
	st, err := s.holding(ctx, provider, i.Reference, i.Object)
	if fault.Is(err, fault.NotFound) && i.Metadata[payment.MetaPayment] != "" {
		return s.records.Get(ctx, i.Metadata[payment.MetaTenant], i.Metadata[payment.MetaPayment])
	}
	return st, err
}

// changed returns record.ErrUnchanged if the payment is as it is stored.
func (st *stored) changed() error {
	if body, err := json.Marshal(st.payment); err == nil && bytes.Equal(body, st.record.Body) {
		return record.ErrUnchanged
	}
	return nil
}

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

// openAtProvider reports whether the provider may still change a payment that has no open
// operation here, and until when it is worth asking.
func openAtProvider(p *payment.Payment) (until time.Time, open bool) {
	if p.ProviderReference == "" || p.Open() != nil {
		return time.Time{}, false
	}
	until = p.CreatedAt.Add(sweepFor)
	open = awaitsBuyer(p) || p.Status == payment.Processing || !p.RefundsComplete() ||
		p.Status == payment.Canceled && p.AmountCapturable > 0 // the money may still be reserved
	for _, r := range p.Refunds {
		if r.Released || r.Status.Final() {
			continue
		}
		open, until = true, later(until, r.CreatedAt.Add(sweepFor))
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
	until, open := openAtProvider(p)
	return open && p.AskAt.IsZero() && now.Before(until)
}

// planSweep sets when the provider is asked next, if something is open there.
func planSweep(p *payment.Payment, now time.Time) {
	_, open := openAtProvider(p)
	switch {
	case !open:
		p.AskAt, p.Asked = time.Time{}, 0
	case p.AskAt.IsZero():
		p.AskAt = now.Add(sweepWait(0))
	}
}

// sweepDue returns when the provider is to be asked about the payment, zero for never.
func sweepDue(p *payment.Payment) time.Time {
	if until, open := openAtProvider(p); !open || p.AskAt.After(until) {
		return time.Time{}
	}
	return p.AskAt
}

// sweep asks the provider about a payment that has been open there for too long. It changes
// st, including when to ask again. The caller saves st.
func (s *Service) sweep(ctx context.Context, st *stored) error {
	p := &st.payment
	if !s.sweeps.acquire(p.Provider) {
		p.AskAt = s.Clock.Now().Add(st.clockAhead + sweepBusy)
		return nil
	}
	defer s.sweeps.release(p.Provider)
	status := p.Status
	err := s.readState(ctx, st)
	now := s.Clock.Now().Add(st.clockAhead)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		p.AskAt = now.Add(min(sweepWait(p.Asked), sweepAgain))
	case err == nil && p.Status != status:
		p.AskAt, p.Asked = time.Time{}, 0
	default: // also if the provider does not have the payment: it will not reappear
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

func (p *places) acquire(name string) bool {
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

func (p *places) release(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[name]--
}
