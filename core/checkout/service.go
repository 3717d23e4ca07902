package checkout

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/money"
	"patchbay/core/queue"
	"patchbay/ports"
)

const (
	kind      = "payment"  // of journal records
	queueName = "payments" // where payments with an open operation wait

	answerWithin = 8 * time.Second  // a caller gives up at 10 s
	callDeadline = 30 * time.Second // of all work for one operation
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
	Clock      ports.Clock
	IDs        ports.IDs
	Currencies []money.Currency // accepted; nil means money.Default
	Owner      string           // this process, unique among those that share the journal
	Log        *slog.Logger
}

// Service makes payments. Its methods may be called at once from anywhere.
type Service struct {
	Options
	worker *queue.Worker
	ageing *queue.Worker
	calls  sync.WaitGroup
}

// New makes a Service. Its Run must be called for unknown outcomes to be settled.
func New(o Options) *Service {
	if o.Currencies == nil {
		o.Currencies = money.Default
	}
	s := &Service{Options: o}
	s.worker = &queue.Worker{
		Journal: o.Journal, Queue: queueName, Owner: o.Owner, Lease: lease,
		Idle: time.Second, Limit: 16, Handle: s.resolve, Log: o.Log,
	}
	s.ageing = &queue.Worker{
		Journal: o.Journal, Queue: restQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.age, Log: o.Log,
	}
	return s
}

// Run settles unknown outcomes until ctx ends, then waits for the calls that
// are under way.
func (s *Service) Run(ctx context.Context) {
	var ageing sync.WaitGroup
	ageing.Go(func() { s.ageing.Run(ctx) })
	s.worker.Run(ctx)
	ageing.Wait()
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
