package payments

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"patchbay/core/fault"
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
	records   record.Repository[stored]
	objects   record.Repository[record.Entry[owner]]
	queues    *worker.Set
	ageing    *worker.Worker
	listings  map[string]*listing
	inventory inventory
	noticed   chan struct{} // signals another restore
	calls     guard.Group
	sweeps    places
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
	s.objects = record.Of(o.Journal, objectKind, func(o owner, _ string) bool { return o.Payment != "" })
	names := make([]string, len(o.Gateways))
	for i, g := range o.Gateways {
		names[i] = g.Name()
		s.listings[g.Name()] = newListing(g, o.Clock, func(walk func()) { s.calls.Go("payments of a provider", walk) })
	}
	s.queues = worker.NewSet(queueName, names, s.worker)
	s.ageing = &worker.Worker{
		Journal: o.Journal, Queue: closedQueue, Owner: o.Owner, Lease: time.Minute,
		Idle: time.Minute, Limit: 4, Handle: s.countAges, Log: o.Log,
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
	working.Keep(ctx, "payments before the store was put back", s.followRestores)
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

// The flags of the payments' records.
const (
	flagUnknown = "unknown" // the outcome of an operation is unknown
	flagReview  = "review"  // the payment needs a review
	flagBoth    = "unknown_review"
)

// flagOf returns the flag under which a payment is counted, and since when it applies. If
// both flags apply, the time is that of the unknown outcome.
func flagOf(p *payment.Payment) (flag string, since time.Time) {
	for _, r := range p.Reviews {
		if r.Open() && (since.IsZero() || r.At.Before(since)) {
			since = r.At
		}
	}
	op := p.Open()
	switch unknown := op != nil && op.Outcome == payment.Unknown; {
	case unknown && p.NeedsReview:
		return flagBoth, op.StartedAt
	case unknown:
		return flagUnknown, op.StartedAt
	case p.NeedsReview:
		return flagReview, since
	}
	return "", time.Time{}
}

// UnknownSets returns the sets of payments with an operation whose outcome is unknown.
func UnknownSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagUnknown}, {Kind: kind, Flag: flagBoth}}
}

// ReviewSets returns the sets of payments that need a review.
func ReviewSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagReview}, {Kind: kind, Flag: flagBoth}}
}

// Queues lists the queues of payments.
func (s *Service) Queues() []string { return append(s.queues.Queues(), closedQueue) }

// tryID identifies one try of an operation, so that the try is recognized after a save
// whose answer was lost.
type tryID struct {
	id   string
	turn int
	at   time.Time
}

func tryOf(op *payment.Operation) tryID { return tryID{op.ID, op.Turn, op.LastTry().UTC().Round(0)} }

// in reports whether the payment contains the try.
func (m tryID) in(p *payment.Payment) bool {
	op := p.Operation(m.id)
	return op != nil && tryOf(op) == m
}

// hold claims the record for this process. The claim takes effect with the next save.
func (s *Service) hold(st *stored) {
	st.record.Queue = s.queueOf(st.payment)
	worker.Hold(&st.record, s.Owner, s.Clock.Now().Add(st.clockAhead+lease))
}

// release lets any worker claim the record from due on, by our clock.
func (s *Service) release(st *stored, due time.Time) {
	st.record.Queue, st.record.Owner, st.record.Due = s.queueOf(st.payment), "", due.Add(st.clockAhead)
}

const (
	// maxBytes is the largest size of a payment's record at which a caller may begin an
	// operation. The result of the call is saved in any case, so this is far below the 16 MB
	// limit of a MongoDB document.
	maxBytes = 4 << 20
	// roomyBytes is the size from which operations that did nothing are removed.
	roomyBytes = maxBytes / 2
)

// errTooLarge refuses to begin an operation on a payment whose record is too large. Nothing
// was done.
var errTooLarge = fault.New(fault.Invalid, "payment_too_large", "what is to be kept of this payment is too much already; nothing was done")

// makeRoom removes the oldest operations from a payment that has too many, or whose record
// is too large by excess bytes. It removes those that did nothing and may be requested again,
// or whose caller's key has expired. So repeats never use up a payment. It keeps the first
// operation, which is the create, and the one that is to be tried under key.
func makeRoom(p *payment.Payment, key string, excess int) {
	for i := 1; (len(p.Operations) >= maxOps || excess > 0) && i < len(p.Operations); {
		op := &p.Operations[i]
		if key != "" && op.Key == key {
			i++
			continue
		}
		if retryable(op) && !op.Unsure || (op.DidNothing() || op.Outcome == payment.Declined) && op.Key == "" {
			excess -= bulk(op)
			p.Operations = slices.Delete(p.Operations, i, i+1)
			continue
		}
		i++
	}
}

// bulk returns about how many bytes the large fields of an operation take in the record.
func bulk(op *payment.Operation) int {
	n := len(op.Body)
	for _, byProvider := range []map[string]string{op.Request.PaymentMethods, op.Request.Customers} {
		for name, value := range byProvider {
			n += len(name) + len(value)
		}
	}
	return n
}
