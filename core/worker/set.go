package worker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/guard"
	"patchbay/core/record"
)

const (
	setTenant = "queues" // tenant of the records of this package
	setKind   = "queue_set"

	refresh = time.Minute // how often a Set looks for providers of other processes
)

// Set serves one queue for each of several providers, such as "mail:brevo". Each queue has a
// worker and places of its own, so that a provider that hangs does not delay the others. A Set
// also serves the plain queue, "mail". That holds records from before there was a queue for
// each provider, and records that are for no provider.
//
// A provider may be removed from the configuration while records wait for it. So the journal
// keeps a list of all providers that ever had a queue, and every process serves all of them. A
// record is put into a provider's queue only once the provider is in that list.
type Set struct {
	name       string
	providers  []string
	worker     func(queue string) *Worker
	plain      *Worker
	registered atomic.Bool

	mu      sync.Mutex
	workers map[string]*Worker // by queue
}

// NewSet returns a Set. worker returns the Worker of the queue with the given name. It is also
// called for queues of providers that are no longer configured.
func NewSet(name string, providers []string, worker func(queue string) *Worker) *Set {
	s := &Set{name: name, providers: providers, worker: worker, workers: map[string]*Worker{}}
	s.plain, _ = s.add(name)
	for _, p := range providers {
		s.add(s.queue(p))
	}
	return s
}

func (s *Set) queue(provider string) string { return s.name + ":" + provider }

// Queue returns the queue for records that wait for a provider: the provider's own queue if it
// has one, else the plain queue.
func (s *Set) Queue(provider string) string {
	if s.registered.Load() && slices.Contains(s.providers, provider) {
		return s.queue(provider)
	}
	return s.name
}

// Provider returns the provider of a queue, "" for the plain queue.
func (s *Set) Provider(queue string) string {
	if p, ok := strings.CutPrefix(queue, s.queue("")); ok {
		return p
	}
	return ""
}

// Queues lists the queues that are served, sorted.
func (s *Set) Queues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.workers))
}

// Nudge makes the worker of a queue look for due records at once. It never blocks.
func (s *Set) Nudge(queue string) {
	s.mu.Lock()
	w := s.workers[queue]
	s.mu.Unlock()
	if w != nil {
		w.Nudge()
	}
}

// add adds the worker of a queue if there is none.
func (s *Set) add(queue string) (w *Worker, added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers[queue] != nil {
		return s.workers[queue], false
	}
	w = s.worker(queue)
	s.workers[queue] = w
	return w, true
}

// Run serves the queues until ctx ends. It then waits for the claims in progress.
func (s *Set) Run(ctx context.Context) {
	running := guard.Group{Log: s.plain.Log}
	defer running.Wait()
	for _, w := range s.all() {
		running.Keep(ctx, "queue", w.Run)
	}
	for ctx.Err() == nil {
		wait := s.plain.Idle
		if known, err := s.register(ctx); err == nil {
			wait = refresh
			s.registered.Store(true)
			for _, p := range known {
				if w, added := s.add(s.queue(p)); added {
					running.Keep(ctx, "queue", w.Run)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (s *Set) all() []*Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.workers))
}

// providerList is the journal's list of all providers that ever had a queue. A new one is empty.
type providerList struct {
	Providers []string `json:"providers"`
}

// register adds the providers of this Set to the journal's list, and returns all providers in
// the list.
func (s *Set) register(ctx context.Context) ([]string, error) {
	lists := record.Of(s.plain.Journal, setKind, func(providerList, string) bool { return true })
	list, err := lists.Open(ctx, setTenant, s.name)
	if err != nil {
		return nil, err
	}
	known := list.Value.Providers
	for _, p := range s.providers {
		if !slices.Contains(known, p) {
			known = append(known, p)
		}
	}
	if len(known) > len(list.Value.Providers) {
		list.Value.Providers, list.Record.Index.Created = known, time.Unix(0, 0)
		err = lists.Save(ctx, &list)
	}
	return known, err
}
