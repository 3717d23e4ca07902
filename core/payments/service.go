package payments

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/guard"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	kind      = "payment"  // of journal records
	queueName = "payments" // prefix of the queues of payments with an open operation, one queue per provider

	answerWithin = 8 * time.Second        // a caller gives up after 10 s
	saveWithin   = 750 * time.Millisecond // extra time a caller waits while a refusal is being saved
	callDeadline = 30 * time.Second       // for all work on one operation
	lease        = callDeadline + 15*time.Second
	maxOps       = 100 // operations on one payment, so that its record stays small
)

// Options configures a Service.
type Options struct {
	Journal ports.Journal
	// Gateways are in order of preference. A new payment is created at the first gateway
	// that accepts it. Later operations go to the provider that holds the payment.
	Gateways   []ports.PaymentGateway
	Events     ports.PaymentReader
	Accounts   Accounts // nil: no account is known
	Clock      ports.Clock
	IDs        ports.IDs
	Currencies []money.Currency // the accepted currencies; nil means money.Default
	// Secret is the secret of the installation. Provider keys and payment IDs are derived
	// from callers' keys with it, so they stay the same as long as the secret does.
	Secret []byte
	// Restored returns the last restore of an older copy of the journal. Nil means that
	// there never was one.
	Restored func() Restore
	// SkipAfterRestore names the providers that are not read after a restore.
	SkipAfterRestore []string
	// Recalled, if set, records that the intents held by the providers have been merged
	// into the journal after the restore at the given time.
	Recalled func(ctx context.Context, restored time.Time) error
	Owner    string // ID of this process, unique among the processes that share the journal
	Log      *slog.Logger
	// Reviewed, if set, is called when a payment starts to need a review.
	Reviewed func(provider, reason string)
}

// Service makes payments. Its methods are safe for concurrent use.
type Service struct {
	Options
	records  record.Repository[stored]
	queues   *worker.Set
	ageing   *worker.Worker
	listings map[string]*listing
	before   recollection
	noticed  chan struct{} // signals another restore
	calls    guard.Group
	sweeps   places
}

// New returns a Service. Its Run must be called, or unknown outcomes are never resolved.
func New(o Options) *Service {
	if o.Currencies == nil {
		o.Currencies = money.Default
	}
	s := &Service{
		Options: o, listings: make(map[string]*listing), calls: guard.Group{Log: o.Log},
		noticed: make(chan struct{}, 1),
	}
	s.records = s.repository()
	names := make([]string, len(o.Gateways))
	for i, g := range o.Gateways {
		names[i] = g.Name()
		s.listings[g.Name()] = newListing(g, o.Clock, func(walk func()) { s.calls.Go("payments of a provider", walk) })
	}
	s.queues = worker.NewSet(queueName, names, s.worker)
	s.ageing = &worker.Worker{
		Journal: o.Journal, Queue: restQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.age, Log: o.Log,
	}
	return s
}

func (s *Service) worker(name string) *worker.Worker {
	return &worker.Worker{
		Journal: s.Journal, Queue: name, Owner: s.Owner, Lease: lease,
		Idle: time.Second, Limit: 32, Fair: true, Handle: s.resolve, Log: s.Log,
	}
}

// queueOf returns the queue in which a payment waits for its open operation. Each provider
// has its own queue, so payments at one provider do not wait for those at another.
func (s *Service) queueOf(p payment.Payment) string {
	if op := p.Open(); op != nil {
		return s.queues.Queue(op.Provider)
	}
	return queueName
}

// nudge makes the worker of a provider look for due payments at once.
func (s *Service) nudge(provider string) { s.queues.Nudge(s.queues.Queue(provider)) }

// Run resolves unknown outcomes until ctx ends. It then waits for the calls that are in
// progress.
func (s *Service) Run(ctx context.Context) {
	working := guard.Group{Log: s.Log}
	working.Keep(ctx, "payments before the store was put back", s.recollecting)
	working.Keep(ctx, "payments", s.queues.Run)
	working.Keep(ctx, "payments at rest", s.ageing.Run)
	working.Wait()
	s.calls.Wait()
}

func (s *Service) gateway(name string) (ports.PaymentGateway, bool) {
	for _, g := range s.Gateways {
		if g.Name() == name {
			return g, true
		}
	}
	return nil, false
}

// account returns the provider's own ID of the account that its configured name means now,
// or "" if that is not known.
func (s *Service) account(provider string) string {
	if s.Accounts == nil {
		return ""
	}
	return s.Accounts.Account(provider)
}
