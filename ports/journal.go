// Package ports defines the core's interfaces to the outside, one file per port. Every method
// documents the Kinds that it may return; callers branch on nothing else.
package ports

import (
	"context"
	"time"

	"patchbay/core/event"
)

// Record is one aggregate as the journal stores it: a body that only its owner can read, and a
// few columns by which it is found.
//
// (Tenant, Kind, ID) identifies a record. Idem and Ref are each unique within their Kind, unless
// empty. They are composed scalars: "tenant|route|digest" and "provider:object". A record may
// wait in one queue.
type Record struct {
	Tenant, Kind, ID string
	// Parent is the Name of the record's parent in the same tenant, empty if it has none. Attach
	// sets it.
	Parent string
	// Rev is 0 for a new record. Each save and each claim increases it by one.
	Rev   int64
	Idem  string
	Ref   string
	Index Index
	// Terms are what the record is found by, beside its Index: opaque texts such as keyed hashes, up
	// to MaxTerms of at most MaxTermBytes each, in UTF-8 without zeros. They are not read back. A save with nil leaves the
	// stored ones as they are; any other list, also an empty one, replaces them.
	Terms []string `json:",omitempty"`
	// Queue is the queue in which the record waits, empty if it does not wait. Due is when it may
	// be claimed. Owner is the process that has claimed it: while Owner is set, Due is the end of
	// the lease.
	Queue string
	Due   time.Time
	Owner string
	Body  []byte
	// Content is a second part of the body that lists leave out, for text that is read one record
	// at a time. It may be empty. All other methods read and write it with the body.
	Content []byte
	// Partial is set by a List that left out a Content. A partial record cannot be saved.
	Partial bool
	// Events are published to the feed, once and in order, by the save that carries them. They are
	// not read back.
	Events []event.Event
	// Held is set by a Save that could only put the record into a local queue until the journal is
	// available again. The record is safe, but must not be processed before it comes out of a
	// queue.
	Held bool
}

// Name returns the record's name within its tenant.
func (r *Record) Name() string { return r.Kind + "|" + r.ID }

// Size returns the approximate size of the record in memory, in bytes.
func (r *Record) Size() int { return len(r.Body) + len(r.Content) }

// Limits of Record.Terms.
const (
	MaxTerms     = 1100
	MaxTermBytes = 32
)

// Index has the columns by which records are listed and counted.
type Index struct {
	Status   string
	Customer string
	Created  time.Time // stored in microseconds
	// Flag is one word that says why somebody may have to look after the record; empty for most
	// records. Flagged is since when, in microseconds.
	Flag    string
	Flagged time.Time
}

// Set selects records of all tenants for Count: those that wait in a Queue, or those of a Kind
// that have a Flag.
type Set struct{ Queue, Kind, Flag string }

// Count is the number of records in a Set. First is the earliest Due in a queue, or the earliest
// Flagged under a flag; zero if there is no record.
type Count struct {
	N     int
	First time.Time
}

// Claim is a record taken from a queue under a lease.
type Claim struct {
	Record
	// Expired reports that the lease of an earlier claim has expired: whatever the earlier owner
	// had begun has an unknown outcome.
	Expired bool
}

// Unique names a field by which a record can be found.
type Unique string

// The unique fields.
const (
	ByIdem Unique = "idem"
	ByRef  Unique = "ref"
)

// Filter selects records of one tenant and kind. Empty fields select all.
type Filter struct {
	Status   string
	Customer string
	// Terms are those that a record must have, all of them. The store looks up the first one and
	// compares the others, so the first should be the rarest.
	Terms []string
	// From and Before limit Index.Created, in microseconds: not before From, and before Before.
	From, Before time.Time
}

// AllTenants stands for every tenant. No tenant can have this name.
const AllTenants = "|"

// Journal stores aggregates. When a call returns, its effect is on disk. It is the whole set of the
// ports below: a store implements all of them, and a decorator wraps all of them. What uses a
// journal asks for the smallest of the ports that it needs.
//
// Any method may return Unavailable (proved: nothing was written) and, where it writes,
// UnknownOutcome (reread by id).
type Journal interface {
	Records
	Children
	Queue
	Feed
	Maintenance
}

// MaxGetAll is the largest number of records that one call of GetAll reads.
const MaxGetAll = 1000

// Records saves and reads records.
type Records interface {
	// Save writes each record independently: a failed one does not affect the others. A record
	// with Rev 0 is inserted. Any other record replaces the stored one if that still has the same
	// Rev (compare-and-swap). On success Rev is increased by one in place. The result has one
	// entry per record, nil if it was saved.
	//
	// Conflict: the ID, Idem or Ref is taken, or Rev is no longer current. The error does not say
	// which: use Find or Get. Invalid: see record.Storable.
	Save(ctx context.Context, records ...*Record) []error

	// Get reads one record. NotFound.
	Get(ctx context.Context, tenant, kind, id string) (Record, error)

	// Find reads one record by a unique field, in any tenant. NotFound, also for an empty value.
	Find(ctx context.Context, kind string, by Unique, value string) (Record, error)

	// GetAll reads those of the named records that are stored, in no order. ids has up to MaxGetAll
	// different ids. A record that is Held may be missing.
	GetAll(ctx context.Context, tenant, kind string, ids ...string) ([]Record, error)

	// List reads records newest first (Created, then ID), without their Contents: limit of them
	// after the cursor, or fewer if their bodies reach PageBytes together. Only the last page has
	// no Next. A record that exists during the whole listing is listed exactly once, whatever is
	// added or removed in the meantime. Invalid: the cursor is not one of ours.
	List(ctx context.Context, tenant, kind string, filter Filter, cursor string, limit int) (RecordPage, error)
}

// Children saves records with children: data that is too large for one record, such as the files of
// a message. A child is read, claimed and listed as any other record.
type Children interface {
	// Attach saves a new record with its children, which are new records too, for data that is too
	// large for one record. The parent decides: if it is refused, Sweep later removes the children
	// that were written; once Attach returns nil, all of them are stored. A child that waits in a
	// queue may come out of it before its parent is stored.
	//
	// Conflict: a name, an Idem or the Ref is taken. Invalid: as for Save, and for a child with an
	// Idem, a Ref or events.
	Attach(ctx context.Context, parent *Record, children ...*Record) error

	// Detach saves a record as Save does, and removes its children.
	Detach(ctx context.Context, parent *Record) error

	// Sweep removes up to n children that were created before a time and whose parent was never
	// stored, and returns how many. A store that writes a record and its children atomically has
	// none.
	Sweep(ctx context.Context, before time.Time, n int) (int, error)
}

// Queue hands out the records that wait.
type Queue interface {
	// Claim takes up to n due records from a queue, the longest due first. It sets their Owner,
	// sets Due to the end of the lease by the store's own clock, and increases Rev by one. No two
	// callers get the same record while a lease runs. A later Save decides what happens to the
	// record; a Save that keeps Queue, Due and Owner keeps the lease. Records of the tenants in
	// except are skipped, and not changed.
	Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]Claim, error)

	// Count counts each of the sets by an index, up to a limit, without reading records. The
	// result has one entry per set. First is exact even if N is the limit.
	Count(ctx context.Context, limit int, sets ...Set) ([]Count, error)
}

// Feed is the events of all records and users, in one order.
type Feed interface {
	// Publish moves the events of up to n saved records into the feed, if they are not there yet,
	// and returns the number of those records. A store that publishes with the save itself returns
	// 0.
	Publish(ctx context.Context, n int) (int, error)

	// Feed reads up to n events of a tenant, or of AllTenants, with a Seq above after, in order.
	// It returns fewer if their data reach PageBytes together, and none only if there are no more.
	// Seqs have no gaps over all tenants: once one has been read, no lower one is added.
	Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error)
}

// Maintenance looks after a store.
type Maintenance interface {
	// Purge removes up to n records of a tenant and kind, with their children, that were created
	// (Index.Created) before a time and wait in no queue, the oldest first. It returns how many it
	// removed, 0 when none are left. A record whose events wait for Publish may stay until they
	// are published.
	Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error)

	// Ping reports whether the store can be written to.
	Ping(ctx context.Context) error
}
