package payments

import (
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/payment"
	"patchbay/ports"
)

// lookUp asks the provider what it holds, without asking it to do anything. If nothing is
// found an hour after the first lookup, by the provider's clock, the operation was not
// executed. A provider that takes a while to show what it has done gets that much longer.
func (s *Service) lookUp(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	g, err := s.gatewayFor(op)
	if err != nil {
		return answer{err: err}
	}
	ctx, cancel := context.WithTimeout(ports.WithTenant(ctx, p.Tenant), callDeadline)
	defer cancel()
	a := s.query(ctx, g, p, op)
	if !a.answered || a.observed {
		return a
	}
	if since := a.at.Sub(op.LookedAt); op.Lookups > 0 && !op.LookedAt.IsZero() && since > absentAfter+g.Capabilities().Lookup.Lag {
		a.absent, a.observed = true, true
	}
	a.err = fault.New(fault.UnknownOutcome, "", "nothing was found yet")
	return a
}

// query looks for what the operation would have made. The answer has observed set if it was
// found.
func (s *Service) query(ctx context.Context, g ports.PaymentGateway, p payment.Payment, op payment.Operation) (a answer) {
	switch {
	case op.Action == payment.Refund:
		a = findRefund(ctx, g, op, s.laterUses(&p, op)...)
	case op.Request.Reference == "":
		return s.queryIntent(ctx, g, op)
	default:
		a.intent, a.err = g.Retrieve(ctx, op.Request.Reference)
		a.observed = a.err == nil && !p.Judged(op, a.intent).Outcome.Open()
	}
	if a.err == nil || fault.Is(a.err, fault.NotFound) {
		a.at, a.err = s.clockOf(ctx, g, op)
		a.answered = a.err == nil
	}
	if a.observed = a.observed && a.answered; !a.observed && a.at.IsZero() && a.answered { // without the provider's clock nothing is absent
		return answer{err: errHidden}
	}
	return declinedIn(a, op)
}

// codeHidden is the code of a lookup that is not possible: the provider shows an intent only
// to those who know its reference.
const codeHidden = "lookup_impossible"

var (
	errHidden  = fault.New(fault.UnknownOutcome, codeHidden, "the provider cannot show what it has made")
	errSeveral = fault.New(fault.UnknownOutcome, codeHidden, "the provider has made several intents under one key")
)

// queryIntent looks for the intent that a create has made, in the way that the provider offers.
func (s *Service) queryIntent(ctx context.Context, g ports.PaymentGateway, op payment.Operation) answer {
	var at found
	var err error
	switch can := g.Capabilities().Lookup; {
	case can.List:
		at, err = s.listings[op.Provider].find(ctx, op.ProviderKey, op.LastTry(), sought{since: op.StartedAt, firstLookup: op.LookedAt, missedAt: op.SeenAt})
	case can.Operation:
		at, err = s.intentOfKey(ctx, g, op.ProviderKey)
	default:
		err = errHidden
	}
	if err != nil {
		return answer{err: err}
	}
	a := answer{answered: true, at: at.at}
	if at.reference == "" {
		return a
	}
	if a.intent, err = g.Retrieve(ctx, at.reference); err != nil {
		return answer{err: err}
	}
	a.observed = true
	return declinedIn(a, op)
}

// intentOfKey finds the intent that was made under a key. If a repeat of the key has made another
// one, since the first could not be paid, the one that was not canceled counts. Which of two
// others counts only a person can say.
func (s *Service) intentOfKey(ctx context.Context, g ports.PaymentGateway, key string) (found, error) {
	at := found{at: s.Clock.Now()}
	page, err := g.List(ctx, payment.ListRequest{Operation: key, Limit: 10})
	if err != nil {
		return found{}, err
	}
	if !page.Now.IsZero() {
		at.at = page.Now
	}
	alive := 0
	for _, i := range page.Intents {
		switch {
		case i.Metadata[payment.MetaOperation] != key:
		case i.Status != payment.Canceled:
			at.reference = i.Reference
			alive++
		case alive == 0:
			at.reference = i.Reference
		}
	}
	if alive > 1 {
		return found{}, errSeveral
	}
	return at, nil
}

// declinedIn turns the answer into a decline if the last try to pay the intent has failed.
func declinedIn(a answer, op payment.Operation) answer {
	if f := a.intent.Failure; a.observed && f != nil && op.Action != payment.Cancel && a.intent.Status == payment.RequiresPaymentMethod {
		a.err = &fault.Error{Kind: fault.Declined, Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message, Proven: true}
	}
	return a
}

// clockOf returns the provider's time, or ours if its lists have none. It is zero if the
// provider lists nothing.
func (s *Service) clockOf(ctx context.Context, g ports.PaymentGateway, op payment.Operation) (time.Time, error) {
	now := s.Clock.Now()
	r := payment.ListRequest{From: now.Add(-time.Minute), Limit: 1}
	switch can := g.Capabilities().Lookup; {
	case can.List:
	case can.Operation:
		r = payment.ListRequest{Operation: op.ProviderKey, Limit: 1}
	default:
		return time.Time{}, nil
	}
	page, err := g.List(ctx, r)
	if err == nil && !page.Now.IsZero() {
		now = page.Now
	}
	return now, err
}

// findRefund looks for the refund that an operation has made, under its provider key or
// under those of its later uses. It returns the last one that exists.
func findRefund(ctx context.Context, g ports.PaymentGateway, op payment.Operation, later ...use) (a answer) {
	refunds, err := g.Refunds(ctx, op.Request.Reference)
	if err != nil {
		return answer{err: err}
	}
	for _, u := range append([]use{{op.Generation, op.ProviderKey}}, later...) {
		i := slices.IndexFunc(refunds, func(r payment.ProviderRefund) bool { return r.Metadata[payment.MetaOperation] == u.key })
		if i >= 0 {
			a.refund, a.observed, a.use = refunds[i], true, u
		}
	}
	return a
}

const (
	// clockMargin is how far beyond the time of an operation its intent is looked for, since clocks
	// may be wrong or be set.
	clockMargin = 6 * time.Hour
	// walkKept is how long a finished listing may answer for the intents that were sought in it. An
	// interrupted listing may continue for as long after its last page.
	walkKept = 10 * time.Minute
)

// listing looks for the intents of all unknown creates of one provider together. One walk
// through what the provider holds, newest first, serves all who asked before it began. An
// interrupted walk continues where it stopped.
type listing struct {
	gateway ports.PaymentGateway
	clock   ports.Clock
	spawn   func(func())

	mu      sync.Mutex
	walking bool
	err     error // error of the last page
	last    *walk // the walk that has ended
	now     *walk // the walk that is in progress or was interrupted
	next    *walk // for those who asked after the present walk began
	moved   chan struct{}
}

// walk is one pass through the provider's intents.
type walk struct {
	sought map[string]*sought // by the provider's key
	began  time.Time          // by our clock; zero before the first page
	moved  time.Time          // by our clock: when the last page came; zero before the first
	at     time.Time          // when the walk began, by the provider's clock
	from   time.Time          // how far back to go, by the provider's clock
	cursor string
	done   bool
}

// sought is an intent that is looked for. It was not made before since, by our clock, nor
// after firstLookup, by the provider's clock. missedAt is when the last walk that did
// not find it began, by the provider's clock.
type sought struct {
	since, firstLookup, missedAt time.Time
	reference                    string
}

// found is the reference of an intent, empty if there is none. at is when the walk began, by
// the provider's clock.
type found struct {
	reference string
	at        time.Time
}

func newListing(g ports.PaymentGateway, clock ports.Clock, spawn func(func())) *listing {
	return &listing{gateway: g, clock: clock, spawn: spawn, moved: make(chan struct{})}
}

// find looks for the intent that was made under a key, in a walk that begins after the last
// try. Errors as for ports.PaymentGateway.List, or the error of ctx if the walk takes longer.
// A later call then continues with the same walk.
func (l *listing) find(ctx context.Context, key string, tried time.Time, s sought) (found, error) {
	if l == nil {
		return found{}, errAccount
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var w *walk
	for began := false; ; {
		if w == nil || !w.done && w != l.now && w != l.next { // that walk was given up
			w = l.join(key, tried, s)
		}
		one := w.sought[key]
		switch {
		case one.reference != "" || w.done:
			return found{one.reference, w.at}, nil
		case !l.walking && began:
			return found{}, l.err
		case !l.walking:
			l.walking, began = true, true
			l.spawn(l.walk)
		}
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
			began = true
		case <-ctx.Done():
		}
		l.mu.Lock()
		if err := ctx.Err(); err != nil {
			return found{}, err
		}
	}
}

// join returns the walk that answers for a key: one that looks for it and began after the
// last try, else the next walk.
func (l *listing) join(key string, tried time.Time, s sought) *walk {
	now := l.clock.Now()
	for _, w := range []*walk{l.last, l.now} {
		if w != nil && w.sought[key] != nil && !w.began.Before(tried) && !w.stale(now) && w.startedAfter(s.missedAt) {
			return w
		}
	}
	if l.next == nil {
		l.next = &walk{sought: make(map[string]*sought)}
	}
	if l.next.sought[key] == nil {
		l.next.sought[key] = &s
	}
	if w := l.now; !l.walking && (w == nil || w.stale(now)) {
		l.now, l.next = l.next, nil
		return l.now
	}
	return l.next
}

// startedAfter reports whether the walk began after missedAt, the start of the last walk that
// answered for the same intent, by the provider's clock. Only then is it a further lookup.
func (w *walk) startedAfter(missedAt time.Time) bool {
	return w.at.IsZero() || w.at.After(missedAt)
}

// stale reports whether a walk is too old to continue or to answer anything. A walk that
// makes progress is never too old, however long it takes.
func (w *walk) stale(now time.Time) bool {
	age := now.Sub(w.moved)
	return !w.moved.IsZero() && (age >= walkKept || age < 0)
}

// walk continues the present walk, and then the next, until nobody waits or the provider
// fails.
func (l *listing) walk() {
	for l.step() {
	}
}

// step reads a page.
func (l *listing) step() bool {
	l.mu.Lock()
	w := l.now
	r := payment.ListRequest{From: w.from, Cursor: w.cursor, Limit: 100}
	if w.cursor == "" { // how far back to go depends on the provider's clock, which comes with the first page
		r.From, w.began = time.Unix(1, 0), l.clock.Now()
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
	defer cancel()
	var page payment.IntentPage
	err := guard.Do(func() (err error) { // so that a panic is reported to those who wait, too
		page, err = l.gateway.List(ctx, r)
		return err
	})

	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.moved)
	l.moved = make(chan struct{})
	if l.err = err; err != nil {
		l.walking = false
		return false
	}
	if w.cursor == "" {
		w.start(page.Now)
	}
	w.moved = l.clock.Now()
	w.addPage(page)
	if w.done {
		l.last, l.now, l.next = w, l.next, nil
	}
	l.walking = l.now != nil
	return l.walking
}

// start sets how far back the walk goes, from the difference between the clocks.
func (w *walk) start(provider time.Time) {
	if provider.IsZero() {
		provider = w.began
	}
	w.at = provider
	w.from = provider
	ahead := provider.Sub(w.began)
	for _, s := range w.sought {
		from := s.since.Add(ahead)
		if !s.firstLookup.IsZero() && s.firstLookup.Before(from) {
			from = s.firstLookup
		}
		if from = from.Add(-clockMargin); from.Before(w.from) {
			w.from = from
		}
	}
}

// addPage records what a page shows.
func (w *walk) addPage(page payment.IntentPage) {
	for _, i := range page.Intents {
		if s := w.sought[i.Metadata[payment.MetaOperation]]; s != nil {
			s.reference = i.Reference
		}
	}
	last := len(page.Intents) - 1
	w.cursor = page.Next
	w.done = page.Next == "" || last >= 0 && page.Intents[last].CreatedAt.Before(w.from)
}
