// Package inbox takes webhooks: each event is verified, stored once, and
// applied once. A provider gets its 2xx when the event is on disk.
package inbox

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/logging"
	"patchbay/core/queue"
	"patchbay/core/user"
	"patchbay/ports"
)

const (
	// Kind is that of the journal's records.
	Kind      = "webhook"
	queueName = "webhooks" // where events wait that are not applied yet, those of each account apart

	applyDeadline = 30 * time.Second
	lease         = applyDeadline + 15*time.Second
	// Events of one account applied at once: as they come, and from its queue.
	atOnce, queuedAtOnce = 64, 16
)

// schedule is when an event that could not be applied is tried again: its
// payment may come later, or a store may be back. After that it is dead, and
// the queue moves on.
var schedule = queue.Backoff{
	time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// States of a stored event.
const (
	stateWaiting = "waiting"
	stateApplied = "applied"
	stateDead    = "dead"    // nothing here fits it, or it cannot be applied
	stateIgnored = "ignored" // nothing here fits it, and that is no wonder
)

// Route is where one family of providers sends its webhooks.
type Route struct {
	Verifier ports.Verifier
	// Apply takes an event into whatever it speaks of. It must bear to be called
	// twice with the same event. NotFound and everything that may pass is tried
	// again; Invalid is not. Where what it speaks of was erased nothing but the event's
	// name is kept once it is done with. What is to be told is in the feed once.
	Apply func(ctx context.Context, e event.Webhook) (event.Applied, error)
	// Patience is how long an event waits for what it speaks of, where that is not here:
	// then it was not meant for us, and Ignored is told. Where it is 0 an event waits as
	// for anything else.
	Patience time.Duration
	Ignored  func(e event.Webhook)
	// Subject tells of what an event speaks of whether it is a person's. NotFound:
	// nothing here fits it.
	Subject func(ctx context.Context, e event.Webhook, p user.Person) (event.Subject, error)
}

// Options is what a Service needs.
type Options struct {
	Journal  ports.Journal
	Routes   map[string]Route // by the last part of the path: "stripe"
	Accounts []string         // whose events come, by name
	Clock    ports.Clock
	Owner    string // this process, unique among those that share the journal
	Log      *slog.Logger
}

// Service receives webhooks.
type Service struct {
	Options
	queues  *queue.Set // one an account
	places  map[string]chan struct{}
	running guard.Group
	aside   logging.Repeated // of a kind that is new there may be as many as events
}

// New makes a Service. Its Run must be called for waiting events to be applied.
func New(o Options) *Service {
	s := &Service{Options: o, places: map[string]chan struct{}{}, running: guard.Group{Log: o.Log}}
	s.aside = logging.Repeated{Log: o.Log, Level: slog.LevelError, Text: "webhook is set aside"}
	for _, account := range o.Accounts {
		s.places[account] = make(chan struct{}, atOnce)
	}
	s.queues = queue.NewSet(queueName, o.Accounts, func(name string) *queue.Worker {
		return &queue.Worker{
			Journal: o.Journal, Queue: name, Owner: o.Owner, Lease: lease,
			Idle: time.Second, Limit: queuedAtOnce, Handle: s.handle, Log: o.Log,
		}
	})
	return s
}

// Run applies waiting events until ctx ends, then waits for those under way.
func (s *Service) Run(ctx context.Context) {
	s.queues.Run(ctx)
	s.running.Wait()
}

// Purge removes up to n events that came before a moment and wait for nothing. It
// returns how many, 0 where no more are left.
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
	Event event.Webhook `json:"event"`
	Tries int           `json:"tries,omitempty"`
	Last  string        `json:"last,omitempty"` // the Kind of the last failure
	// ErasedAt is when what the event said was taken out of it.
	ErasedAt time.Time `json:"erasedAt,omitzero"`
}

func decode(r ports.Record) (entry, error) {
	return ports.Decode(r, func(e entry) bool { return nameOf(e.Event) == r.ID })
}

// nameOf is the id of an event's record. It is the provider's own: that is what makes a
// repeat a Conflict.
func nameOf(e event.Webhook) string { return e.Provider + ":" + e.ID }

func (e *entry) encode(r *ports.Record) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fault.Wrap(fault.Invalid, "inbox.encode", err)
	}
	r.Body = body
	return nil
}

// Delivery is a webhook whose body may be read: there is a route for it, and its
// headers are not wrong.
type Delivery struct {
	service  *Service
	route    string
	verifier ports.Verifier
	header   func(string) string
}

// Open judges a webhook by its route and headers. There is no way to hand over a
// body but through the Delivery, so that none is read that could not be taken.
//
// NotFound: no such route. Invalid: see ports.Verifier.
func (s *Service) Open(route string, header func(string) string) (Delivery, error) {
	r, ok := s.Routes[route]
	if !ok {
		return Delivery{}, fault.New(fault.NotFound, "no_such_route", "no provider sends webhooks here")
	}
	if err := r.Verifier.CheckHeaders(header); err != nil {
		return Delivery{}, err
	}
	return Delivery{service: s, route: route, verifier: r.Verifier, header: header}, nil
}

// Receive verifies a webhook and stores its events. Once it returns nil they
// are on disk, and a repeat of any changes nothing.
//
// Invalid: not signed by an account of ours, see ports.Verifier. Unavailable,
// UnknownOutcome: not surely stored; the provider must send it again.
func (d Delivery) Receive(ctx context.Context, body []byte) error {
	events, err := d.verifier.Verify(body, d.header)
	if err != nil {
		return err
	}
	return d.service.store(ctx, d.route, events)
}

// store puts events into the journal, claimed by this process where a place is free to
// apply them at once. All of them are offered, whatever becomes of one.
func (s *Service) store(ctx context.Context, route string, events []event.Webhook) error {
	now := s.Clock.Now()
	records, placed := make([]*ports.Record, len(events)), make([]bool, len(events))
	for i, e := range events {
		record := &ports.Record{
			Tenant: route, Kind: Kind, ID: nameOf(e), Idem: token(route, e),
			Index: ports.Index{Status: stateWaiting, Created: now}, Queue: s.queues.Queue(e.Provider), Due: now,
		}
		if err := (&entry{Event: e}).encode(record); err != nil {
			return err
		}
		records[i] = record
	}
	for i, e := range events {
		if placed[i] = s.take(e.Provider); placed[i] {
			records[i].Owner, records[i].Due = s.Owner, now.Add(lease)
		}
	}
	var failed error
	for i, err := range s.Journal.Save(ctx, records...) {
		s.stored(ctx, *records[i], events[i], placed[i], err)
		stored := err == nil || fault.Is(err, fault.Conflict) // or it was before
		if !stored && (failed == nil || fault.Is(err, fault.UnknownOutcome)) {
			failed = err
		}
	}
	return failed
}

// token makes a second delivery under a token that is used once a Conflict.
func token(route string, e event.Webhook) string {
	if e.Token == "" {
		return ""
	}
	return route + "|" + e.Provider + "|" + e.Token
}

// stored goes on with an event after its save: in its place, or in the queue.
func (s *Service) stored(ctx context.Context, record ports.Record, e event.Webhook, placed bool, err error) {
	switch {
	case err == nil && placed && !record.Held:
		background := context.WithoutCancel(ctx)
		s.running.Go("webhooks", func() {
			defer s.release(e.Provider)
			s.apply(background, record, entry{Event: e})
		})
	case placed:
		s.release(e.Provider)
	case err == nil && !record.Held:
		s.queues.Nudge(record.Queue)
	}
}

// take takes a place of an account, where one is free.
func (s *Service) take(account string) bool {
	select {
	case s.places[account] <- struct{}{}:
		return true
	default: // also where there is no such account
		return false
	}
}

func (s *Service) release(account string) { <-s.places[account] }
