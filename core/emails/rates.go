package emails

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
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
// while the provider has no room, so that the oldest goes first once it has. A call that is to be repeated comes
// there only if it has found no room.
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
		all[name] = &budget{Rate: rate, provider: name, records: records, clock: s.Clock, left: map[time.Duration]part{}, used: func(until time.Time) {
			ctx, attrs := context.Background(), []slog.Attr{slog.String("provider", name), slog.Time("due", until)}
			if s.Clock.Now().Before(rate.WarmUp.Begins) {
				s.Log.LogAttrs(ctx, slog.LevelInfo, "warm-up of a mail provider has not begun", attrs...)
				return
			}
			s.Log.LogAttrs(ctx, slog.LevelInfo, "rate of a mail provider is used up", attrs...)
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

// claimable returns how many messages may be claimed from the queue of a provider; if none, also for how
// long. A message that need not wait for the provider is claimed while any other has room.
func (s *Service) claimable(b *budget) (n int, wait time.Duration) {
	now := s.Clock.Now()
	if room, _ := b.room(now); room > 0 {
		return b.claimable()
	}
	if until := s.opens(b, s.Mailers, 1, now); !until.IsZero() {
		return 0, until.Sub(now)
	}
	return math.MaxInt, 0
}

// opens returns when a message of this date for n recipients can leave the queue of a provider: once that has
// room, or another one of those to which it may go. It is the zero time if one has room now.
func (s *Service) opens(b *budget, others []ports.Mailer, n int, date time.Time) time.Time {
	room, until := b.room(date)
	if room >= n {
		return time.Time{}
	}
	for _, other := range others {
		if b.Waits || other.Name() == b.provider {
			continue
		}
		switch room, at := s.opening(other, date); {
		case room >= n:
			return time.Time{}
		case at.Before(until):
			until = at
		}
	}
	return until
}

// opening returns for how many recipients of a message of this date there may be room at a provider now; if
// that is not enough, also when to ask again. A provider that is left alone for a while has none.
func (s *Service) opening(p ports.Mailer, date time.Time) (n int, at time.Time) {
	if err := ports.Available(p); err != nil {
		return 0, s.Clock.Now().Add(max(retryAfter(err), time.Second))
	}
	if b := s.queues.budgets[p.Name()]; b != nil {
		return b.room(date)
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
		n, opens := b.room(m.Date())
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

// takeRoom takes room at a provider for a call: the first of an attempt, or a repeat, which may be what sends the
// message. A repeat takes none in the windows in which a call before it is counted. Without room there is no call,
// and the message is passed on, or waits.
func (s *Service) takeRoom(ctx context.Context, st *stored, provider string) bool {
	b := s.queues.budgets[provider]
	if b == nil {
		return true
	}
	taking, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	last := st.message.LastAttempt()
	repeat := last.Outcome == email.Attempting
	room, until, err := b.take(taking, wanted{recipientsOf(st.outgoing()), st.message.Date(), repeat, last.Room})
	if st.left != nil {
		st.left()
	}
	switch {
	case err != nil:
		s.Log.WarnContext(ctx, "rate of a mail provider is not read; the email is not sent yet", "email", st.message.ID, "tenant", st.message.Tenant, "provider", provider, "error", err)
		return false // the lease expires
	case room != nil:
		st.room = room
		return true
	case repeat:
		s.awaitRoom(ctx, st, b, until)
		return false
	}
	roomy, soonest, opens := s.withRoom(st.outgoing(), s.candidates(st.outgoing()))
	switch {
	case len(roomy) > 0 && roomy[0].Name() != provider:
		s.handOver(ctx, st, provider, roomy[0].Name())
	case len(roomy) > 0 || soonest == "": // there may be some by now
		s.holdBack(ctx, st, provider, until)
	default:
		s.holdBack(ctx, st, soonest, opens)
	}
	return false
}

// holdBack puts a message back into the queue of a provider that has no room for it before a time. Its failures
// are not counted. It keeps its place if nothing is claimed from the queue until then. Otherwise it would be
// claimed again at once, and is set aside. Room is kept for it, unless it can do with any.
func (s *Service) holdBack(ctx context.Context, st *stored, provider string, until time.Time) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.HeldBack(provider)
	b, m, now := s.queues.budgets[provider], st.outgoing(), s.Clock.Now()
	if s.mayRetryBefore(st, until) {
		s.postpone(ctx, st)
		return
	}
	s.enqueue(st, provider, m.Date())
	overtaken := s.opens(b, s.Mailers, 1, now).IsZero()
	if overtaken {
		due := s.opens(b, eligible(m, s.Mailers), recipientsOf(m), m.Date())
		s.setAside(st, provider, inOrder(latest(due, now), now.Sub(m.Date())))
	}
	if overtaken || recipientsOf(m) > 1 {
		s.keepRoom(ctx, b, m, until, b.keep)
	}
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "email is not put off", "email", m.ID, "tenant", m.Tenant, "error", err)
	}
}

// keepRoom keeps room for a message at a provider from a time on.
func (s *Service) keepRoom(ctx context.Context, b *budget, m email.Message, from time.Time, keep func(ctx context.Context, n int, date, from time.Time) error) {
	if err := keep(ctx, recipientsOf(m), m.Date(), from); err != nil {
		s.Log.WarnContext(ctx, "no room is kept for an email", "email", m.ID, "tenant", m.Tenant, "provider", b.provider, "error", err)
	}
}

// mayRetryBefore reports whether the schedule asks the providers again that have failed before a message came to
// this one before it has room for the message.
func (s *Service) mayRetryBefore(st *stored, until time.Time) bool {
	wait, ok := schedule.After(st.message.Failures + 1)
	return st.message.Next != "" && ok && latest(s.Clock.Now().Add(wait), st.message.RetryAt).Before(until)
}

// inOrder returns a time shortly after the given one, the sooner the older a message is.
func inOrder(at time.Time, age time.Duration) time.Time {
	const oldest = 3 * day
	return at.Add(time.Duration(float64(time.Second) * (1 - float64(min(age, oldest))/float64(oldest))))
}

// withinRoom returns the context of a call. It is tried again only in the windows in which it is counted.
func (st *stored) withinRoom(ctx context.Context) context.Context {
	ends := slices.Collect(maps.Values(countedIn(st.message.LastAttempt().Room, st.room)))
	if len(ends) == 0 {
		return ctx
	}
	return ports.WithRetriesEnd(ctx, slices.MinFunc(ends, time.Time.Compare))
}

// returnRoom gives back the room of a call that was not made, or has certainly sent nothing.
func (s *Service) returnRoom(st *stored, provider string) {
	if b := s.queues.budgets[provider]; b != nil {
		b.giveBack(recipientsOf(st.outgoing()), st.room)
		st.room = nil
	}
}
