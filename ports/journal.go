// Package ports holds the core's interfaces to the outside, one file a port.
// Every method documents the Kinds it may return; callers branch on nothing
// else.
package ports

import (
	"context"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
)

// Record is one aggregate as the journal keeps it: a body that only its owner
// can read, and the few columns by which it is found.
//
// (Tenant, Kind, ID) names it. Idem and Ref are each unique within their
// Kind, where not empty; they are composed scalars: "tenant|route|digest" and
// "provider:object". A record may wait in one queue.
type Record struct {
	Tenant, Kind, ID string
	// Parent is the Name of the record that this one is a child of, in the same
	// tenant; empty for one that stands alone. Attach sets it.
	Parent string
	// Rev is 0 for a record that is new. Each save and each claim adds one.
	Rev   int64
	Idem  string
	Ref   string
	Index Index
	// Queue is where the record waits, empty if it does not. Due is when it may
	// be claimed. Owner is whoever has claimed it: while Owner is set, Due is
	// the end of the lease.
	Queue string
	Due   time.Time
	Owner string
	Body  []byte
	// Content is what the record has beside its body and lists leave out: text that is
	// read one at a time. It may be empty, and is written and read with the body
	// everywhere else.
	Content []byte
	// Partial is set by a List that has left out a Content. A record without its
	// content cannot be saved.
	Partial bool
	// Events are published to the feed, once and in order, with the save that
	// carries them. They are not read back.
	Events []event.Feed
	// Held is set by a Save that could only put the record where it waits for the
	// journal to come back. It is safe; it is not to be worked on before it comes
	// out of a queue.
	Held bool
}

// Name is the record's name within its tenant.
func (r *Record) Name() string { return r.Kind + "|" + r.ID }

// Size is about how many bytes the record has in memory.
func (r *Record) Size() int { return len(r.Body) + len(r.Content) }

// Storable returns Invalid unless a record can be saved.
func (r *Record) Storable() error {
	switch {
	case r.ID == "" || r.Kind == "" || len(r.Body) == 0:
		return fault.New(fault.Invalid, "invalid_record", "a record needs an id, a kind and a body")
	case r.Partial:
		return fault.New(fault.Invalid, "partial_record", "a record from a list is read again before it is saved: it has more than the list shows")
	}
	return nil
}

// Attachable returns Invalid unless a record can be attached with its children.
func Attachable(parent *Record, children []*Record) error {
	for _, c := range children {
		if c.ID == "" || c.Kind == "" || len(c.Body) == 0 || c.Tenant != parent.Tenant || c.Rev != 0 || c.Idem != "" || c.Ref != "" || len(c.Events)+len(c.Content) > 0 {
			return fault.New(fault.Invalid, "invalid_child", "a child is new, of the record's tenant, and has an id, a kind and a body; no content, no key, no reference and no events")
		}
	}
	if parent.Rev != 0 {
		return fault.New(fault.Invalid, "invalid_record", "only a new record is attached")
	}
	return nil
}

// Index is what records can be listed and counted by.
type Index struct {
	Status   string
	Customer string
	Created  time.Time // microseconds are kept
	// Flag is what somebody may have to look after, in a word; empty, as for most
	// records, where it is nothing. Flagged is since when, in microseconds.
	Flag    string
	Flagged time.Time
}

// Set names records of all tenants that Count counts: those that wait in a Queue, or those
// of a Kind that have a Flag.
type Set struct{ Queue, Kind, Flag string }

// Count is how many records there are in a Set. First is the earliest
// Due in a queue, the earliest Flagged under a flag; zero where there is no record.
type Count struct {
	N     int
	First time.Time
}

// Claim is a record taken from a queue under a lease.
type Claim struct {
	Record
	// Expired tells that somebody had claimed it before and did not finish:
	// whatever that one had begun has an unknown outcome.
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
}

// AllTenants stands for every tenant. None can be called so.
const AllTenants = "|"

// Journal keeps aggregates. A call that returns has its effect on disk.
//
// Any method may return Unavailable (proved: nothing was written) and, where it
// writes, UnknownOutcome (reread by id).
type Journal interface {
	// Save writes each record on its own: those that fail do not hold back the
	// others. A record with Rev 0 is inserted; any other replaces the stored
	// record if that still has this Rev. On success Rev is one higher in place.
	// The result has an entry a record, nil where it was saved.
	//
	// Conflict: the ID, Idem or Ref is taken, or Rev is no longer current. It
	// does not say which: look by Find or Get. Invalid: see Record.Storable.
	Save(ctx context.Context, records ...*Record) []error

	// Attach saves a new record with its children, new records too: what is too much
	// for one. The record is what counts. Where it is refused no child stays that
	// Sweep does not remove; once Attach returns nil all of them are there. A child
	// that waits in a queue may come out of it before its record is there.
	//
	// Conflict: a name, an Idem or the Ref is taken. Invalid: as for Save, and for a
	// child with an Idem, a Ref or events.
	Attach(ctx context.Context, parent *Record, children ...*Record) error

	// Detach saves a record as Save does, and removes its children.
	Detach(ctx context.Context, parent *Record) error

	// Get reads one record. NotFound.
	Get(ctx context.Context, tenant, kind, id string) (Record, error)

	// Find reads one record by a unique field, whatever its tenant. NotFound,
	// also for an empty value.
	Find(ctx context.Context, kind string, by Unique, value string) (Record, error)

	// List reads records newest first (Created, then ID), without their contents:
	// limit of them after the cursor, or fewer where their bodies have PageBytes
	// together. Only the last page has no Next. A record that was there all along is
	// listed exactly once, whatever comes and goes meanwhile. Invalid: the cursor is
	// not one of ours.
	List(ctx context.Context, tenant, kind string, filter Filter, cursor string, limit int) (RecordPage, error)

	// Claim takes up to n records that are due from a queue, the longest due
	// first, sets their Owner and a Due that is lease away by the store's own
	// clock, and adds one to their Rev. No two callers get the same record while
	// a lease runs. A later Save decides what becomes of it; one that keeps
	// Queue, Due and Owner keeps the lease. Records of the tenants in except are passed
	// over, and stay as they are.
	Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]Claim, error)

	// Publish moves events of saved records that are not in the feed yet, of up
	// to n records, and returns of how many. A store that publishes with the
	// save itself returns 0.
	Publish(ctx context.Context, n int) (int, error)

	// Feed reads up to n events of a tenant, or of AllTenants, with a Seq above
	// after, in order: fewer where their data have PageBytes together, none only
	// where there are no more. Seqs have no gaps over all tenants: once one
	// is seen, no lower one comes.
	Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Feed, error)

	// Purge removes up to n records of a tenant and kind, with their children, that
	// were made (Index.Created) before a moment and wait in no queue, the oldest first.
	// It returns how many, 0 where no more are left. A record whose events wait for
	// Publish may stay until they are published.
	Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error)

	// Sweep removes children, made before a moment, whose record did not come, up to
	// n, and returns how many. A store that writes a record and its children at once
	// has none.
	Sweep(ctx context.Context, before time.Time, n int) (int, error)

	// Count counts each of the sets, up to a limit, by its index: it reads no record. The
	// result has an entry a set. First is exact also where N is the limit.
	Count(ctx context.Context, limit int, sets ...Set) ([]Count, error)

	// Ping reports whether the store can be written to.
	Ping(ctx context.Context) error
}
