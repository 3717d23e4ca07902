// Package spool keeps records that are accepted while the store is unavailable on the disk of
// this machine, until the store is available again. Held records are not processed: they are
// first moved into the store, and processed from there as usual.
//
// Only new records whose id identifies them are held. So a record is the same one whichever of
// the two accepted it, even if the store accepted it and its response was lost.
package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

const (
	heldKind  = "held"  // kind of held records in the local journal
	queueName = "spool" // records that wait for the store
	refusedTo = "spool_refused"

	localDeadline = 3 * time.Second
	maxHeld       = 100_000
	maxBytes      = 4 << 30
)

// States of a held record. A moved record stays for a while.
const (
	stateHeld    = "held"
	stateMoved   = "moved"
	stateRefused = "refused" // the store has a different record of this name
	stateErased  = "erased"  // it was refused, and then erased on a person's request
)

// empty is the body of a record that is no longer held.
var empty = []byte(`{}`)

// Options configures a Spool.
type Options struct {
	Store ports.Journal
	Local ports.Journal // on this machine, and used by this process alone
	// Kinds has the kinds of records that may be held.
	Kinds map[string]Kind
	Clock ports.Clock
	Owner string
	Log   *slog.Logger
}

// Kind describes the records of a kind. All but Same may be nil.
type Kind struct {
	// Same reports whether two records with the same id or key come from the same request, sent
	// twice.
	Same func(held, stored ports.Record) bool
	// Anew is for ids that may be reused. If a record differs from the stored one with its id and
	// may have a new id, it returns the record with that id, which is always the same.
	Anew func(held, stored ports.Record, children []*ports.Record) (fresh ports.Record, ok bool)
	// Others is for records that may be stored under another id than the held one, because versions
	// derive ids differently. It returns those ids.
	Others func(held ports.Record) []string
	// Release changes a record, or a child, that is about to be moved into the store: it takes from it what
	// only counts if the record was stored when it was made.
	Release func(held *ports.Record)
	// Personal is for records with personal data. It returns a view of a record if the record
	// concerns the person.
	Personal func(r ports.Record, p user.Person) (view any, ok bool)
}

// Spool is a journal that combines the store and the records held for it.
type Spool struct {
	ports.Journal // the store
	Options

	mu      sync.RWMutex
	held    map[string]waiting // by name
	keys    map[string]bool    // idempotency keys of held records
	bytes   int                // of all held records
	refused int
}

// waiting describes a held record in memory.
type waiting struct {
	since time.Time
	bytes int
}

// parcel is a held record with its children.
type parcel struct {
	ports.Record
	Children []*ports.Record
}

var _ ports.Journal = (*Spool)(nil)

var (
	errHeld = fault.New(fault.Conflict, "record_conflict", "the record is taken: it waits for the store")
	errFull = fault.New(fault.Unavailable, "spool_full", "the store is not available, and no more can be kept for it")
)

// Open returns a Spool, including the records held by an earlier process.
func Open(ctx context.Context, o Options) (*Spool, error) {
	s := &Spool{Journal: o.Store, Options: o, held: map[string]waiting{}, keys: map[string]bool{}}
	err := record.Raw(o.Local, heldKind).Walk(ctx, "", ports.Filter{}, nil, func(w ports.Record) error {
		switch w.Index.Status {
		case stateHeld:
			s.remember(w)
		case stateRefused:
			s.refused++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Save implements ports.Records. A new record of a kind that may be held is held if the store is
// unavailable, or if the outcome of the save is unknown.
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
	return s.saveOrHold(ctx, r, nil, func() error { return s.Store.Save(ctx, r)[0] })
}

// Attach implements ports.Children. Like Save it may hold the record, with its children.
func (s *Spool) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	return s.saveOrHold(ctx, parent, children, func() error { return s.Store.Attach(ctx, parent, children...) })
}

// saveOrHold offers a new record to the store, and holds it if the store is unavailable.
func (s *Spool) saveOrHold(ctx context.Context, r *ports.Record, children []*ports.Record, save func() error) error {
	if _, mayHold := s.Kinds[r.Kind]; !mayHold || errors.Is(ctx.Err(), context.Canceled) { // nobody waits for the response
		return save()
	}
	if s.holds(r) {
		return errHeld
	}
	err := save()
	if !unsaved(err) {
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

// unsaved reports whether a failed save may be held: the store did not save, or did not respond.
func unsaved(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.UnknownOutcome)
}

// hold stores a record locally. It ignores the caller's deadline, which may be close; a disk
// needs little time.
func (s *Spool) hold(ctx context.Context, p parcel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), localDeadline)
	defer cancel()
	w, err := s.wrap(p)
	if err != nil {
		return err
	}
	if s.full(sizeOf(w)) {
		return errFull
	}
	err = s.Local.Save(ctx, &w)[0]
	if fault.Is(err, fault.Conflict) {
		err = s.holdAgain(ctx, &w)
	}
	if err == nil {
		s.remember(w)
	}
	return err
}

// holdAgain holds a record whose name exists in the local journal. If that record was moved, it is
// replaced, and the store decides again. Otherwise the name is taken.
func (s *Spool) holdAgain(ctx context.Context, w *ports.Record) error {
	before, err := s.Local.Get(ctx, "", heldKind, w.ID)
	if err != nil || before.Index.Status != stateMoved {
		return errHeld
	}
	w.Rev = before.Rev
	return s.Local.Save(ctx, w)[0]
}

// wrap makes the record for the local journal. It drops a claim: the record is claimed again
// once it is in the store.
func (s *Spool) wrap(r parcel) (ports.Record, error) {
	now := s.Clock.Now()
	if r.Owner != "" {
		r.Owner, r.Due = "", now
	}
	content, err := json.Marshal(r)
	if err != nil {
		return ports.Record{}, fault.Wrap(fault.Internal, "spool.wrap", err)
	}
	return ports.Record{
		Kind: heldKind, ID: name(r.Tenant, r.Kind, r.ID), Idem: keyOf(r.Kind, r.Idem), Body: fmt.Appendf(nil, `{"bytes":%d}`, len(content)), Content: content,
		Index: ports.Index{Status: stateHeld, Created: now}, Queue: queueName, Due: now,
	}, nil
}

// header is what can be read of a parcel without decoding its content: see wrap.
type header struct {
	Bytes int `json:"bytes"`
}

// sizeOf returns the size of a parcel in bytes. Parcels of an earlier version have no header.
func sizeOf(w ports.Record) int {
	h, err := record.Decode(w, func(h header) bool { return h.Bytes > 0 })
	if err != nil {
		return len(w.Body)
	}
	return h.Bytes
}

func unwrap(w ports.Record) (parcel, error) {
	if len(w.Content) > 0 { // otherwise it was held by an earlier version
		w.Body = w.Content
	}
	return record.Decode(w, func(p parcel) bool { return name(p.Tenant, p.Kind, p.ID) == w.ID })
}

func name(tenant, kind, id string) string { return tenant + "|" + kind + "|" + id }

func keyOf(kind, value string) string {
	if value == "" {
		return ""
	}
	return kind + "|" + value
}

// Get implements ports.Records. It returns a held record if the store does not have it, or is
// unavailable.
func (s *Spool) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return s.read(ctx, kind, func(ctx context.Context) (ports.Record, error) { return s.Store.Get(ctx, tenant, kind, id) },
		func(ctx context.Context) (ports.Record, error) {
			return s.Local.Get(ctx, "", heldKind, name(tenant, kind, id))
		})
}

// Find implements ports.Records. It reads held records as Get does.
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
	_, mayHold := s.Kinds[kind]
	mayBeHeld := mayHold && s.Held() > 0
	r, err := store(ctx)
	if !mayBeHeld || !unsaved(err) && !fault.Is(err, fault.NotFound) {
		return r, err
	}
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), localDeadline)
	defer cancel()
	w, lerr := local(reading)
	switch {
	case lerr == nil && w.Index.Status == stateHeld:
		held, lerr := unwrap(w)
		held.Held, held.Terms = true, nil // as a store reads it
		return held.Record, lerr
	case (lerr == nil || fault.Is(lerr, fault.NotFound)) && fault.Is(err, fault.NotFound):
		return store(ctx) // it may have been moved in the meantime
	}
	return r, err
}

// holds reports whether a record, or one with its key, is held already.
func (s *Spool) holds(r *ports.Record) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.held) == 0 {
		return false
	}
	_, held := s.held[name(r.Tenant, r.Kind, r.ID)]
	return held || r.Idem != "" && s.keys[keyOf(r.Kind, r.Idem)]
}

func (s *Spool) remember(w ports.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := sizeOf(w)
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

// Held returns how many records wait for the store.
func (s *Spool) Held() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.held)
}

// full reports whether there is no room for that many more bytes.
func (s *Spool) full(bytes int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.held) >= maxHeld || s.bytes+bytes > maxBytes
}

// Status describes the state of the spool.
type Status struct {
	Held    int       `json:"held"`
	Oldest  time.Time `json:"oldest,omitzero"` // since when the oldest held record waits
	Refused int       `json:"refused"`         // the store has a different record under their name
}

// Status returns the state of the spool.
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
