// Package spool keeps what is accepted while the store is gone on the disk of this
// machine, until the store is back. Nothing that it holds is worked on: it is put
// into the store first, and from there goes its ordinary way.
//
// It stands in for the store only where a record is new and its id says what it
// is, so that it is one record whichever of the two took it, also where the store
// took it and its answer was lost.
package spool

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

const (
	heldKind  = "held"  // of the records in the journal of this machine
	queueName = "spool" // where they wait for the store
	refusedTo = "spool_refused"

	localDeadline = 3 * time.Second
	maxHeld       = 100_000
	maxBytes      = 4 << 30
	pageSize      = 4 // each may have 20 MB of files
)

// The states of what was held. What was moved stays for a while.
const (
	stateHeld    = "held"
	stateMoved   = "moved"
	stateRefused = "refused" // the store has something else of this name
	stateErased  = "erased"  // it was refused, and its person wants it gone
)

// empty is the body of what is held no more.
var empty = []byte(`{}`)

// Options is what a Spool needs.
type Options struct {
	Store ports.Journal
	Local ports.Journal // of this machine, and of this process alone
	// Same has an entry for each kind of record that may be held. It reports
	// whether two records of one id or key are one thing that was asked for twice.
	Same map[string]func(held, stored ports.Record) bool
	// Anew has an entry for each kind whose ids may come again. It gives a record that
	// is another than the stored one of its id an id of its own, always the same, where
	// it may have one.
	Anew map[string]func(held, stored ports.Record, children []*ports.Record) (fresh ports.Record, ok bool)
	// Others has an entry for each kind whose records may be in the store under an id
	// other than the one they are held with, since versions name them otherwise. It gives
	// those ids.
	Others map[string]func(held ports.Record) []string
	// Personal has an entry for each kind that may hold data of persons. It shows a
	// record to a person, if it is that one's.
	Personal map[string]func(r ports.Record, p user.Person) (view any, ok bool)
	Clock    ports.Clock
	Owner    string
	Log      *slog.Logger
}

// Spool is a journal: the store, and what is held for it.
type Spool struct {
	ports.Journal // the store
	Options

	mu      sync.RWMutex
	held    map[string]waiting // by name
	keys    map[string]bool    // idempotency keys of what is held
	bytes   int                // of all that is held
	refused int
}

// waiting is what is remembered of something that is held.
type waiting struct {
	since time.Time
	bytes int
}

// parcel is a record that is held, with the children that are to come with it.
type parcel struct {
	ports.Record
	Children []*ports.Record
}

var _ ports.Journal = (*Spool)(nil)

var (
	errHeld = fault.New(fault.Conflict, "record_conflict", "the record is taken: it waits for the store")
	errFull = fault.New(fault.Unavailable, "spool_full", "the store is not available, and no more can be kept for it")
)

// Open makes a Spool, with what a process before this one has held.
func Open(ctx context.Context, o Options) (*Spool, error) {
	s := &Spool{Journal: o.Store, Options: o, held: map[string]waiting{}, keys: map[string]bool{}}
	err := ports.Walk(ctx, o.Local, "", heldKind, pageSize, func(page []ports.Record) error {
		for _, w := range page {
			switch w.Index.Status {
			case stateHeld:
				s.note(w)
			case stateRefused:
				s.refused++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Save implements ports.Journal. A new record of a kind that may be held is held
// where the store does not take it, or does not say whether it has.
func (s *Spool) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		errs[i] = s.save(ctx, r)
	}
	return errs
}

func (s *Spool) save(ctx context.Context, r *ports.Record) error {
	if r.Rev > 0 {
		return s.Store.Save(ctx, r)[0]
	}
	return s.take(ctx, r, nil, func() error { return s.Store.Save(ctx, r)[0] })
}

// Attach implements ports.Journal, as Save does: a record is held with its children.
func (s *Spool) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	return s.take(ctx, parent, children, func() error { return s.Store.Attach(ctx, parent, children...) })
}

// take offers a new record to the store, and holds it where that is gone.
func (s *Spool) take(ctx context.Context, r *ports.Record, children []*ports.Record, offer func() error) error {
	if s.Same[r.Kind] == nil || errors.Is(ctx.Err(), context.Canceled) { // nobody waits for it
		return offer()
	}
	if s.holds(r) {
		return errHeld
	}
	err := offer()
	if !gone(err) {
		return err
	}
	if herr := s.hold(ctx, parcel{*r, children}); herr != nil {
		if fault.Is(herr, fault.Conflict) {
			return herr
		}
		s.Log.ErrorContext(ctx, "spool keeps nothing", "error", herr)
		return err
	}
	r.Held = true
	return nil
}

// gone reports whether the store did not take something, or did not say so.
func gone(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.UnknownOutcome)
}

// hold keeps a record. The caller may have little time left; a disk needs little.
func (s *Spool) hold(ctx context.Context, p parcel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), localDeadline)
	defer cancel()
	w, err := s.wrap(p)
	if err != nil {
		return err
	}
	if s.full(weight(w)) {
		return errFull
	}
	err = s.Local.Save(ctx, &w)[0]
	if fault.Is(err, fault.Conflict) {
		err = s.again(ctx, &w)
	}
	if err == nil {
		s.note(w)
	}
	return err
}

// again holds what was held before. If that was moved, the store decides once
// more; if it still waits, it is taken.
func (s *Spool) again(ctx context.Context, w *ports.Record) error {
	before, err := s.Local.Get(ctx, "", heldKind, w.ID)
	if err != nil || before.Index.Status != stateMoved {
		return errHeld
	}
	w.Rev = before.Rev
	return s.Local.Save(ctx, w)[0]
}

// wrap makes a record for the local journal of one for the store. A claim on it
// ends here: it will be claimed when it is in the store.
func (s *Spool) wrap(r parcel) (ports.Record, error) {
	now := s.Clock.Now()
	if r.Owner != "" {
		r.Owner, r.Due = "", now
	}
	content, err := json.Marshal(r)
	if err != nil {
		return ports.Record{}, fault.Wrap(fault.Internal, "spool.wrap", err)
	}
	body, err := json.Marshal(label{len(content)})
	if err != nil {
		return ports.Record{}, fault.Wrap(fault.Internal, "spool.wrap", err)
	}
	return ports.Record{
		Kind: heldKind, ID: name(r.Tenant, r.Kind, r.ID), Idem: keyOf(r.Kind, r.Idem), Body: body, Content: content,
		Index: ports.Index{Status: stateHeld, Created: now}, Queue: queueName, Due: now,
	}, nil
}

// label is what is to be read of a parcel without opening it.
type label struct {
	Bytes int `json:"bytes"`
}

// weight is how many bytes a parcel has. One of an earlier version has no label.
func weight(w ports.Record) int {
	l, err := ports.Decode(w, func(l label) bool { return l.Bytes > 0 })
	if err != nil {
		return len(w.Body)
	}
	return l.Bytes
}

func unwrap(w ports.Record) (parcel, error) {
	if len(w.Content) > 0 { // else it was held by an earlier version
		w.Body = w.Content
	}
	return ports.Decode(w, func(p parcel) bool { return name(p.Tenant, p.Kind, p.ID) == w.ID })
}

func name(tenant, kind, id string) string { return tenant + "|" + kind + "|" + id }

func keyOf(kind, value string) string {
	if value == "" {
		return ""
	}
	return kind + "|" + value
}

// Get implements ports.Journal. What is held is read from here where the store
// does not have it, or is gone.
func (s *Spool) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return s.read(ctx, kind, func(ctx context.Context) (ports.Record, error) { return s.Store.Get(ctx, tenant, kind, id) },
		func(ctx context.Context) (ports.Record, error) {
			return s.Local.Get(ctx, "", heldKind, name(tenant, kind, id))
		})
}

// Find implements ports.Journal, as Get does.
func (s *Spool) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	store := func(ctx context.Context) (ports.Record, error) { return s.Store.Find(ctx, kind, by, value) }
	if by != ports.ByIdem {
		return store(ctx)
	}
	return s.read(ctx, kind, store, func(ctx context.Context) (ports.Record, error) {
		return s.Local.Find(ctx, heldKind, by, keyOf(kind, value))
	})
}

func (s *Spool) read(ctx context.Context, kind string, store, local func(context.Context) (ports.Record, error)) (ports.Record, error) {
	some := s.Same[kind] != nil && s.Held() > 0
	r, err := store(ctx)
	if !some || !gone(err) && !fault.Is(err, fault.NotFound) {
		return r, err
	}
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), localDeadline)
	defer cancel()
	w, lerr := local(reading)
	switch {
	case lerr == nil && w.Index.Status == stateHeld:
		held, lerr := unwrap(w)
		held.Held = true
		return held.Record, lerr
	case lerr == nil && fault.Is(err, fault.NotFound):
		return store(ctx) // it was moved meanwhile
	}
	return r, err
}

// holds reports whether a record, or its key, waits already.
func (s *Spool) holds(r *ports.Record) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.held) == 0 {
		return false
	}
	_, there := s.held[name(r.Tenant, r.Kind, r.ID)]
	return there || r.Idem != "" && s.keys[keyOf(r.Kind, r.Idem)]
}

func (s *Spool) note(w ports.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := weight(w)
	s.bytes += bytes - s.held[w.ID].bytes
	s.held[w.ID] = waiting{w.Index.Created, bytes}
	if w.Idem != "" {
		s.keys[w.Idem] = true
	}
}

func (s *Spool) forget(w ports.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= s.held[w.ID].bytes
	delete(s.held, w.ID)
	delete(s.keys, w.Idem)
	if w.Index.Status == stateRefused {
		s.refused++
	}
}

// Held is how many records wait for the store.
func (s *Spool) Held() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.held)
}

// full reports whether there is no place for so many bytes more.
func (s *Spool) full(bytes int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.held) >= maxHeld || s.bytes+bytes > maxBytes
}

// Status is what the spool has to say of itself.
type Status struct {
	Held    int       `json:"held"`
	Oldest  time.Time `json:"oldest,omitzero"` // since when the oldest of them waits
	Refused int       `json:"refused"`         // the store has something else under their name
}

// Status tells what is held.
func (s *Spool) Status() Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Status{Held: len(s.held), Refused: s.refused}
	for _, w := range s.held {
		if st.Oldest.IsZero() || w.since.Before(st.Oldest) {
			st.Oldest = w.since
		}
	}
	return st
}
