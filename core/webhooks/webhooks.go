// Package webhooks receives webhooks: each event is verified, stored once and applied once. A
// provider gets its 2xx response when the event is on disk.
package webhooks

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/logging"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	// Kind is the kind of an event's record in the journal.
	Kind      = "webhook"
	queueName = "webhooks" // events not applied yet, in one queue per account

	applyDeadline = 30 * time.Second
	lease         = applyDeadline + 15*time.Second
	// Events of one account applied at the same time: directly after they were stored, and from
	// its queue.
	directLimit, queueLimit = 64, 16
)

// schedule says when an event that could not be applied is retried: its payment may be created
// later, or a store may recover. After the last retry the event is dead, and the queue moves on.
var schedule = worker.Backoff{
	time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// States of a stored event.
const (
	stateWaiting = "waiting"
	stateApplied = "applied"
	stateDead    = "dead"    // not applied after the last retry, or it never can be
	stateIgnored = "ignored" // what it is about is not here; it was meant for another installation
)

// Route is the endpoint for the webhooks of one family of providers.
type Route struct {
	Verifier ports.Verifier
	// Closed means that no configured provider sends webhooks here. Events that were received earlier are
	// applied and erased nevertheless.
	Closed bool
	// Keyless are the configured providers that send webhooks here and have no keys to verify them by.
	Keyless []string
	// Apply applies an event to what it is about. It must be idempotent. NotFound and every
	// transient error is retried; Invalid is not. If what the event is about was erased, only the
	// event's name is kept once it does not wait any more. The News of an event are published
	// once.
	Apply func(ctx context.Context, e webhook.Event) (webhook.Applied, error)
	// Patience is how long an event waits for what it is about while that is NotFound. After that
	// the event is ignored as meant for another installation, and Ignored is called. If it is 0,
	// NotFound is retried like any other error.
	Patience time.Duration
	Ignored  func(e webhook.Event)
	// Subject reports whether what an event is about is the person's. NotFound: it is about
	// nothing that is stored here.
	Subject func(ctx context.Context, e webhook.Event, p user.Person) (event.Subject, error)
}

// Options configures a Service.
type Options struct {
	Journal  ports.Journal
	Routes   map[string]Route // by the last segment of the path: "stripe"
	Accounts []string         // names of the accounts that send events
	Clock    ports.Clock
	Owner    string // identifies this process; unique among those that share the journal
	Log      *slog.Logger
}

// Service receives webhooks.
type Service struct {
	Options
	events      record.Repository[stored]
	queues      *worker.Set   // one per account
	places      worker.Places // for events that are applied right after they were stored
	running     guard.Group
	setAsideLog logging.Repeated // an unknown event type may come in large numbers
}

// New returns a Service. Waiting events are applied only while Run runs.
func New(o Options) *Service {
	s := &Service{
		Options: o, events: repository(o.Journal), places: worker.NewPlaces(o.Accounts, directLimit), running: guard.Group{Log: o.Log},
	}
	s.setAsideLog = logging.Repeated{Log: o.Log, Level: slog.LevelError, Text: "webhook is set aside"}
	s.queues = worker.NewSet(queueName, o.Accounts, func(name string) *worker.Worker {
		return &worker.Worker{
			Journal: o.Journal, Queue: name, Owner: o.Owner, Lease: lease,
			Idle: time.Second, Limit: queueLimit, Handle: s.handle, Log: o.Log,
		}
	})
	return s
}

// Run applies waiting events until ctx ends, then waits for those in progress.
func (s *Service) Run(ctx context.Context) {
	s.queues.Run(ctx)
	s.running.Wait()
}

// Purge removes up to n events that were received before a time and no longer wait. It returns
// how many it removed, 0 when none are left.
func (s *Service) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	for route := range s.Routes {
		if purged, err := s.Journal.Purge(ctx, route, Kind, before, n); purged > 0 || err != nil {
			return purged, err
		}
	}
	return 0, nil
}

// entry is a stored event.
type entry struct {
	Event webhook.Event `json:"event"`
	Tries int           `json:"tries,omitempty"`
	Last  string        `json:"last,omitempty"` // Kind of the last failure
	// ErasedAt is when the content of the event was erased.
	ErasedAt time.Time `json:"erasedAt,omitzero"`
}

// stored is an entry with its record.
type stored = record.Entry[entry]

// repository returns the Repository of the events in a journal, which may be nil to only decode.
func repository(j ports.Records) record.Repository[stored] {
	return record.Of(j, Kind, func(e entry, id string) bool { return recordID(e.Event) == id })
}

// recordID returns the id of an event's record. It is derived from the provider's id, so that
// storing a repeated event is a Conflict.
func recordID(e webhook.Event) string { return e.Provider + ":" + e.ID }

// Delivery is a webhook whose body may be read: its route exists and its headers are acceptable.
type Delivery struct {
	service *Service
	name    string // of the route
	route   Route
	header  func(string) string
}

// Open checks the route and the headers of a webhook. A body can only be passed to the Delivery
// that it returns, so no body is read that would be refused anyway.
//
// NotFound: no such route, or it is closed. Invalid: see ports.Verifier. Unavailable: see CodeNoKeys.
func (s *Service) Open(route string, header func(string) string) (Delivery, error) {
	r, ok := s.Routes[route]
	if !ok || r.Closed {
		return Delivery{}, fault.New(fault.NotFound, "no_such_route", "no provider sends webhooks here")
	}
	if err := r.Verifier.CheckHeaders(header); err != nil {
		return Delivery{}, r.refused(err)
	}
	return Delivery{service: s, name: route, route: r, header: header}, nil
}

// CodeNoKeys is the code for a webhook that fits no key, where a provider that sends webhooks to the route has
// none: it may be that provider's. It is Unavailable, so that the provider sends it again: not every provider
// does so after a refusal, and the keys may be about to be configured.
const CodeNoKeys = "webhook_keys_missing"

// refused returns the error of a webhook that was not accepted.
func (r Route) refused(err error) error {
	if len(r.Keyless) == 0 || fault.From(err).Code != "invalid_signature" {
		return err
	}
	return &fault.Error{
		Kind: fault.Unavailable, Code: CodeNoKeys, Message: "no key of a provider fits, and one has no keys for webhooks configured",
		RetryAfter: time.Minute, Err: fmt.Errorf("no keys are configured for %s: %w", strings.Join(r.Keyless, ", "), err),
	}
}

// Receive verifies a webhook and stores its events. When it returns nil, they are on disk, and
// receiving any of them again changes nothing.
//
// Invalid: not signed by a configured account, see ports.Verifier. Unavailable, UnknownOutcome:
// the events may not be stored, or see CodeNoKeys; the provider must send them again.
func (d Delivery) Receive(ctx context.Context, body []byte) error {
	events, err := d.route.Verifier.Verify(ctx, body, d.header)
	if err != nil {
		return d.route.refused(err)
	}
	return d.service.store(ctx, d.name, events)
}

// Acknowledgement returns the answer that the provider expects after Receive has returned nil. ok is
// false for a provider that expects nothing in particular.
func (d Delivery) Acknowledgement() (answer ports.Acknowledgement, ok bool) {
	own, ok := d.route.Verifier.(ports.Acknowledger)
	if ok {
		answer = own.Acknowledge()
	}
	return answer, ok
}

// store saves events to the journal. An event that gets a place to be applied at once is claimed
// by this process. A failure of one event does not keep the others from being saved.
func (s *Service) store(ctx context.Context, route string, events []webhook.Event) error {
	now := s.Clock.Now()
	all, records, placed := make([]stored, len(events)), make([]*ports.Record, len(events)), make([]bool, len(events))
	for i, e := range events {
		all[i] = stored{Value: entry{Event: e}, Record: ports.Record{
			Tenant: route, Kind: Kind, ID: recordID(e), Idem: tokenKey(route, e),
			Index: ports.Index{Status: stateWaiting, Created: now}, Queue: s.queues.Queue(e.Provider), Due: now,
		}}
		if err := all[i].Encode(); err != nil {
			return fault.Wrap(fault.Invalid, "webhooks.encode", err)
		}
		records[i] = &all[i].Record
	}
	for i, e := range events {
		if placed[i] = s.places.Take(e.Provider); placed[i] {
			records[i].Owner, records[i].Due = s.Owner, now.Add(lease)
		}
	}
	var failed error
	for i, err := range s.Journal.Save(ctx, records...) {
		s.dispatch(ctx, all[i], placed[i], err)
		there := err == nil || fault.Is(err, fault.Conflict) // Conflict: it was stored before
		if !there && (failed == nil || fault.Is(err, fault.UnknownOutcome)) {
			failed = err
		}
	}
	return failed
}

// tokenKey returns the idempotency value that makes a second delivery with the same single-use
// token a Conflict.
func tokenKey(route string, e webhook.Event) string {
	if e.Token == "" {
		return ""
	}
	return route + "|" + e.Provider + "|" + e.Token
}

// dispatch continues after the save of an event: it applies the event in its place, or wakes its
// queue.
func (s *Service) dispatch(ctx context.Context, st stored, placed bool, err error) {
	account := st.Value.Event.Provider
	switch {
	case err == nil && placed && !st.Record.Held:
		background := context.WithoutCancel(ctx)
		s.running.Go("webhooks", func() {
			defer s.places.Release(account)
			s.apply(background, st)
		})
	case placed:
		s.places.Release(account)
	case err == nil && !st.Record.Held:
		s.queues.Nudge(st.Record.Queue)
	}
}
