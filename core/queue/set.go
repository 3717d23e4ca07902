package queue

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/ports"
)

const (
	setTenant = "queues" // that the lists of providers are kept under
	setKind   = "queue_set"

	refresh = time.Minute // how often a Set looks for providers of other processes
)

// Set serves a queue for each of several providers, "mail:brevo", with a worker and
// places of its own, so that what waits for one that hangs holds nobody else up. The
// plain queue, "mail", is served too: it has what was put there before there was a
// queue a provider, and what is for none of them.
//
// A provider may leave the configuration while something waits for it. So the
// journal keeps a list of all that ever had a queue, and each of them is served by
// every process; what waits for a provider is put into its queue only once it is in
// that list.
type Set struct {
	name      string
	providers []string
	worker    func(queue string) *Worker
	plain     *Worker
	enrolled  atomic.Bool

	mu      sync.Mutex
	workers map[string]*Worker // by queue
}

// NewSet makes a Set. worker makes the Worker of a queue of this name; it is asked
// for queues of providers too that are not configured any more.
func NewSet(name string, providers []string, worker func(queue string) *Worker) *Set {
	s := &Set{name: name, providers: providers, worker: worker, workers: map[string]*Worker{}}
	s.plain, _ = s.add(name)
	for _, p := range providers {
		s.add(s.queue(p))
	}
	return s
}

func (s *Set) queue(provider string) string { return s.name + ":" + provider }

// Queue is where to put what waits for a provider: a queue of its own where it has
// one, else the plain one.
func (s *Set) Queue(provider string) string {
	if s.enrolled.Load() && slices.Contains(s.providers, provider) {
		return s.queue(provider)
	}
	return s.name
}

// Provider tells whose queue it is; "" for the plain one.
func (s *Set) Provider(queue string) string {
	if p, ok := strings.CutPrefix(queue, s.queue("")); ok {
		return p
	}
	return ""
}

// Queues lists the queues that are served, in order.
func (s *Set) Queues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.workers))
}

// Nudge makes the worker of a queue look at once. It never blocks.
func (s *Set) Nudge(queue string) {
	s.mu.Lock()
	w := s.workers[queue]
	s.mu.Unlock()
	if w != nil {
		w.Nudge()
	}
}

// add makes the worker of a queue, unless there is one.
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

// Run serves the queues until ctx ends, then waits for the claims under way.
func (s *Set) Run(ctx context.Context) {
	running := guard.Group{Log: s.plain.Log}
	defer running.Wait()
	for _, w := range s.all() {
		running.Keep(ctx, "queue", w.Run)
	}
	for ctx.Err() == nil {
		wait := s.plain.Idle
		if known, err := s.enrol(ctx); err == nil {
			wait = refresh
			s.enrolled.Store(true)
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

func (s *Set) all() (all []*Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		all = append(all, w)
	}
	return all
}

// roll is the journal's list of all that ever had a queue. A new one is empty.
type roll struct {
	Providers []string `json:"providers"`
}

// enrol sees to it that the journal's list has the providers of this set, and
// returns all that are in it.
func (s *Set) enrol(ctx context.Context) ([]string, error) {
	journal := s.plain.Journal
	r, err := journal.Get(ctx, setTenant, setKind, s.name)
	if fault.Is(err, fault.NotFound) {
		r, err = ports.Record{Tenant: setTenant, Kind: setKind, ID: s.name, Body: []byte(`{}`), Index: ports.Index{Created: time.Unix(0, 0)}}, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := ports.Decode(r, func(roll) bool { return true })
	if err != nil {
		return nil, err
	}
	before := len(list.Providers)
	for _, p := range s.providers {
		if !slices.Contains(list.Providers, p) {
			list.Providers = append(list.Providers, p)
		}
	}
	if len(list.Providers) == before {
		return list.Providers, nil
	}
	var merr error
	r.Body, merr = json.Marshal(list)
	return list.Providers, errors.Join(merr, journal.Save(ctx, &r)[0])
}
