package checkout

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/guard"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/queue"
	"patchbay/ports"
)

const (
	kind      = "payment"  // of journal records
	queueName = "payments" // where payments with an open operation wait, by provider

	answerWithin = 8 * time.Second        // a caller gives up at 10 s
	saveWithin   = 750 * time.Millisecond // longer than that a caller waits for no refusal
	callDeadline = 30 * time.Second       // of all work for one operation
	lease        = callDeadline + 15*time.Second
	maxOps       = 100 // on one payment, so that its record stays small
)

// Options is what a Service needs.
type Options struct {
	Journal ports.Journal
	// Gateways in the order in which they are preferred. The first takes new
	// payments; the others serve those that are pinned to them.
	Gateways   []ports.PaymentGateway
	Events     ports.PaymentReader
	Accounts   Accounts // nil: no account is known
	Clock      ports.Clock
	IDs        ports.IDs
	Currencies []money.Currency // accepted; nil means money.Default
	// Secret is the installation's. What goes out under callers' keys is made with it,
	// and is the same as long as it is.
	Secret []byte
	// Restored tells of the last time that an older copy of the journal was put back. Nil:
	// never.
	Restored func() Restore
	// SkipAfterRestore names the providers that are not asked what they hold then.
	SkipAfterRestore []string
	// Recalled, where set, keeps that what the providers hold was taken into the journal,
	// after the restore at that time.
	Recalled func(ctx context.Context, restored time.Time) error
	Owner    string // this process, unique among those that share the journal
	Log      *slog.Logger
	// Reviewed, where set, is called when a payment has come to need a review.
	Reviewed func(provider, reason string)
}

// Service makes payments. Its methods may be called at once from anywhere.
type Service struct {
	Options
	queues   *queue.Set
	ageing   *queue.Worker
	listings map[string]*listing
	before   recollection
	noticed  chan struct{} // another restore was
	calls    guard.Group
	sweeps   places
}

// New makes a Service. Its Run must be called for unknown outcomes to be settled.
func New(o Options) *Service {
	if o.Currencies == nil {
		o.Currencies = money.Default
	}
	s := &Service{
		Options: o, listings: make(map[string]*listing), calls: guard.Group{Log: o.Log},
		noticed: make(chan struct{}, 1),
	}
	names := make([]string, len(o.Gateways))
	for i, g := range o.Gateways {
		names[i] = g.Name()
		s.listings[g.Name()] = newListing(g, o.Clock, func(walk func()) { s.calls.Go("payments of a provider", walk) })
	}
	s.queues = queue.NewSet(queueName, names, s.worker)
	s.ageing = &queue.Worker{
		Journal: o.Journal, Queue: restQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.age, Log: o.Log,
	}
	return s
}

func (s *Service) worker(name string) *queue.Worker {
	return &queue.Worker{
		Journal: s.Journal, Queue: name, Owner: s.Owner, Lease: lease,
		Idle: time.Second, Limit: 32, Fair: true, Handle: s.resolve, Log: s.Log,
	}
}

// queueOf is where a payment waits for its open operation: with those of the same
// provider, so that none waits for another.
func (s *Service) queueOf(p payment.Payment) string {
	if op := p.Open(); op != nil {
		return s.queues.Queue(op.Provider)
	}
	return queueName
}

// nudge has a provider's worker look at once.
func (s *Service) nudge(provider string) { s.queues.Nudge(s.queues.Queue(provider)) }

// Run settles unknown outcomes until ctx ends, then waits for the calls that
// are under way.
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

// account is the provider's own id of the account that its name means now, empty where
// that is not known.
func (s *Service) account(provider string) string {
	if s.Accounts == nil {
		return ""
	}
	return s.Accounts.Account(provider)
}
