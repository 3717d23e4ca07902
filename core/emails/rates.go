package emails

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"patchbay/core/email"
	"patchbay/core/guard"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
)

// ratedName is the name of the queues of what waits for a provider with a Rate. Nothing is claimed there
// while the provider has no room, so that the oldest goes first once it has. Calls that are repeated are
// not in these queues: they must not wait.
const ratedName = "mail_rated"

// queues are the queues of messages that are to be sent: one for each provider, and another one for each
// that has a Rate.
type queues struct {
	*worker.Set
	rated   *worker.Set
	budgets map[string]*budget
	log     *slog.Logger
}

// Queue returns the queue of what is to be sent by a provider.
func (q *queues) Queue(provider string) string {
	if q.budgets[provider] != nil {
		return q.rated.Queue(provider)
	}
	return q.Set.Queue(provider)
}

// Repeats returns the queue of what does not wait for room at a provider: calls that are repeated, and messages
// whose turn has come.
func (q *queues) Repeats(provider string) string { return q.Set.Queue(provider) }

// Provider returns the provider of a queue, "" if it is for none.
func (q *queues) Provider(queue string) string {
	if p := q.rated.Provider(queue); p != "" {
		return p
	}
	return q.Set.Provider(queue)
}

// Queues lists the queues that are served.
func (q *queues) Queues() []string { return append(q.Set.Queues(), q.rated.Queues()...) }

// Nudge makes the worker of a queue look for due records at once.
func (q *queues) Nudge(queue string) { q.Set.Nudge(queue); q.rated.Nudge(queue) }

// Run serves the queues until ctx ends.
func (q *queues) Run(ctx context.Context) {
	running := guard.Group{Log: q.log}
	running.Keep(ctx, "rated mail", q.rated.Run)
	q.Set.Run(ctx)
	running.Wait()
}

// newBudgets returns the budgets of the providers that have a Rate.
func (s *Service) newBudgets() map[string]*budget {
	all := map[string]*budget{}
	records := record.Of(s.Journal, rateKind, func(given, string) bool { return true })
	for name, rate := range s.Rates {
		if rate.Most == 0 && rate.WarmUp.FirstDay == 0 {
			continue
		}
		all[name] = &budget{Rate: rate, provider: name, records: records, clock: s.Clock, used: func(until time.Time) {
			s.Log.LogAttrs(context.Background(), slog.LevelInfo, "rate of a mail provider is used up", slog.String("provider", name), slog.Time("due", until))
		}}
	}
	return all
}

// newQueues returns the queues of the providers. work returns the worker of a queue.
func (s *Service) newQueues(names []string, work func(queue string) *worker.Worker) *queues {
	q := &queues{Set: worker.NewSet(queueName, names, work), budgets: s.newBudgets(), log: s.Log}
	var rated []string
	for _, name := range names {
		if q.budgets[name] != nil {
			rated = append(rated, name)
		}
	}
	q.rated = worker.NewSet(ratedName, rated, func(queue string) *worker.Worker {
		w := work(queue)
		b := q.budgets[strings.TrimPrefix(queue, ratedName+":")]
		if b == nil { // it has no Rate any more, or is not configured
			return w
		}
		w.Room, w.Claimed = func() (int, time.Duration) { return s.claimable(b) }, b.claimed
		w.Handle = func(ctx context.Context, c ports.Claim) error {
			left := sync.OnceFunc(func() { b.claimed(-1); w.Nudge() })
			defer left()
			return s.handleClaim(ctx, c, left)
		}
		return w
	})
	return q
}

// takePlace takes a place at a provider for a message that does not wait in its queue. There is none at
// a provider with a Rate: what is in the queue goes first.
func (s *Service) takePlace(provider string) bool {
	return s.queues.budgets[provider] == nil && s.places.Take(provider)
}

// dueAt returns the due time of a message that is to be sent now by a provider: at one with a Rate the oldest
// goes first.
func (s *Service) dueAt(st *stored, provider string) time.Time {
	if s.queues.budgets[provider] != nil {
		return st.message.Date()
	}
	return s.Clock.Now()
}

// claimable returns how many messages may be claimed from the queue of a provider; if none, also for how
// long. A message that need not wait for the provider is claimed while any other has room.
func (s *Service) claimable(b *budget) (n int, wait time.Duration) {
	if room, _ := b.room(); room > 0 {
		return b.claimable()
	}
	if until := s.fullUntil(b); !until.IsZero() {
		return 0, until.Sub(s.Clock.Now())
	}
	return math.MaxInt, 0
}

// fullUntil returns until when there is no use in claiming messages from the queue of a provider: neither
// it has room, nor another that they may go to. It is the zero time if there is one.
func (s *Service) fullUntil(b *budget) time.Time {
	n, until := b.room()
	if n > 0 {
		return time.Time{}
	}
	for _, other := range s.Mailers {
		if b.Waits || other.Name() == b.provider {
			continue
		}
		switch more, opens := s.opening(other); {
		case more > 0:
			return time.Time{}
		case opens.Before(until):
			until = opens
		}
	}
	return until
}

// opening returns for how many recipients there may be room at a provider now; if for none, also when to
// ask again. A provider that is left alone for a while has none.
func (s *Service) opening(p ports.Mailer) (n int, at time.Time) {
	if err := ports.Available(p); err != nil {
		return 0, s.Clock.Now().Add(max(retryAfter(err), time.Second))
	}
	if b := s.queues.budgets[p.Name()]; b != nil {
		return b.room()
	}
	return math.MaxInt, time.Time{}
}

// withRoom returns the providers that have room for a message, in their order, without those after one
// that it waits for. If there are none, soonest is the provider that has room first, and until says when.
func (s *Service) withRoom(m email.Message, providers []ports.Mailer) (roomy []ports.Mailer, soonest string, until time.Time) {
	for _, p := range providers {
		b := s.queues.budgets[p.Name()]
		if b == nil {
			roomy = append(roomy, p)
			continue
		}
		n, opens := b.room()
		if n >= recipientsOf(m) {
			roomy = append(roomy, p)
			continue
		}
		if soonest == "" || opens.Before(until) {
			soonest, until = p.Name(), opens
		}
		if b.Waits {
			break
		}
	}
	return roomy, soonest, until
}

// recipientsOf returns how many recipients a message is sent to.
func recipientsOf(m email.Message) int {
	n := len(m.To) + len(m.Cc) + len(m.Bcc)
	for _, p := range m.Personalizations {
		n += len(p.To)
	}
	return n
}

// exceedsWindow reports whether a message has more copies than its provider is ever given at once. It is
// split then.
func (s *Service) exceedsWindow(m email.Message, provider string) bool {
	b := s.queues.budgets[provider]
	if b == nil || !mayBeSplit(m) {
		return false
	}
	most := b.smallest(s.Clock.Now())
	return most > 0 && recipientsOf(m) > most
}

// noteRoom counts a message that is passed on, if the provider that it waited for has no room.
func (s *Service) noteRoom(provider string) {
	if b := s.queues.budgets[provider]; b != nil {
		if n, _ := b.room(); n == 0 {
			s.HeldBack(provider)
		}
	}
}

// takeRoom takes room for a message at a provider, before it is asked. Without room the message is passed
// on, or waits, and no attempt is made.
func (s *Service) takeRoom(ctx context.Context, st *stored, provider string) bool {
	b := s.queues.budgets[provider]
	if b == nil {
		return true
	}
	taking, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	ok, until, err := b.take(taking, recipientsOf(st.outgoing()))
	if st.left != nil {
		st.left()
	}
	switch {
	case err != nil:
		s.Log.WarnContext(ctx, "rate of a mail provider is not read; the email is not sent yet", "email", st.message.ID, "tenant", st.message.Tenant, "provider", provider, "error", err)
		return false // the lease expires
	case ok:
		st.room = until
		return true
	}
	s.makeRoom(ctx, st, provider, until)
	return false
}

// makeRoom passes a message on to another provider than one without room, or lets it wait.
func (s *Service) makeRoom(ctx context.Context, st *stored, full string, until time.Time) {
	roomy, soonest, opens := s.withRoom(st.outgoing(), s.candidates(st.outgoing()))
	if len(roomy) > 0 && roomy[0].Name() != full {
		s.HeldBack(full)
		s.handOver(ctx, st, roomy[0].Name())
		return
	}
	if len(roomy) > 0 || soonest == "" {
		soonest, opens = full, until
	}
	s.holdBack(ctx, st, soonest, opens)
}

// holdBack puts a message back into the queue of a provider that has no room before a time. Its failures
// are not counted. It keeps its place in the queue if nothing is claimed there until then.
func (s *Service) holdBack(ctx context.Context, st *stored, provider string, until time.Time) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.HeldBack(provider)
	st.message.Next = ""
	s.enqueue(st, provider, st.message.Date())
	if s.fullUntil(s.queues.budgets[provider]).IsZero() { // it would be claimed again at once
		st.record.Due = inOrder(s.otherOpening(st.outgoing(), provider, until), s.Clock.Now().Sub(st.message.Date()))
	}
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "email is not put off", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	}
}

// otherOpening returns when to ask again for a message that waits for a provider: when that has room, or
// when another that could carry it is no longer left alone.
func (s *Service) otherOpening(m email.Message, provider string, until time.Time) time.Time {
	if s.queues.budgets[provider].Waits {
		return until
	}
	for _, p := range eligible(m, s.Mailers) {
		if n, at := s.opening(p); n == 0 && at.Before(until) {
			until = at
		}
	}
	return until
}

// inOrder returns a time shortly after the given one, the sooner the older a message is.
func inOrder(at time.Time, age time.Duration) time.Time {
	const oldest = 3 * day
	return at.Add(time.Duration(float64(time.Second) * (1 - float64(min(age, oldest))/float64(oldest))))
}

// returnRoom gives back the room of a message that a provider has not taken.
func (s *Service) returnRoom(st *stored, provider string, err error) {
	if b := s.queues.budgets[provider]; b != nil && err != nil && outcomeOf(err) != email.Ambiguous {
		b.giveBack(recipientsOf(st.outgoing()), st.room)
	}
}

// takeRepeatRoom takes room for the repeat of a call that is made before its time. If there is none, or that
// is not known, it is not made.
func (s *Service) takeRepeatRoom(ctx context.Context, st *stored, provider string) (giveBack func(), ok bool) {
	b := s.queues.budgets[provider]
	if b == nil {
		return func() {}, true
	}
	n := recipientsOf(st.outgoing())
	ok, until, err := b.take(ctx, n)
	return func() { b.giveBack(n, until) }, ok && err == nil
}
