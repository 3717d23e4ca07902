// Package memjournal is a journal in memory for tests of the code above the journal. It meets the
// port's contract exactly, and can be made to fail.
package memjournal

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

var _ ports.Journal = (*Journal)(nil)

// The operations with which Journal.Fail is called. Except for Saved and those marked as such, they
// name the moment before the call has done anything.
const (
	Save    = "save"  // of one record; nothing is written if it fails
	Saved   = "saved" // after one record was written: the result is lost
	Get     = "get"
	GetAll  = "get_all"
	Find    = "find"
	List    = "list"
	Claim   = "claim"
	Publish = "publish"
	Feed    = "feed"
	Ping    = "ping"
	Attach  = "attach" // of a record with its children; nothing is written if it fails
	Detach  = "detach"
	Purge   = "purge"
	Sweep   = "sweep"
	Count   = "count"

	Scan       = "scan" // from here on: of an Archive
	Digests    = "digests"
	Put        = "put"  // of one entry
	PutDone    = "done" // after all were put: the result is lost
	Remove     = "remove"
	RemoveDone = "removed" // after it was done: the result is lost
)

// Journal keeps records in memory. Save itself publishes the events.
type Journal struct {
	// Fail is called with each operation named above. It may return the error that the caller gets;
	// nil lets the call continue. It is called by several goroutines at once and must be set before
	// the journal is shared.
	Fail func(op string) error

	clock ports.Clock

	mu      sync.Mutex
	records map[name]ports.Record
	unique  map[unique]name
	feed    []event.Event
	people  map[string]ports.StoredUser // by key, for an Archive
}

type name struct{ tenant, kind, id string }

type unique struct {
	kind  string
	by    ports.Unique
	value string
}

// New returns an empty journal. clock decides what is due.
func New(clock ports.Clock) *Journal {
	return &Journal{clock: clock, records: map[name]ports.Record{}, unique: map[unique]name{}, people: map[string]ports.StoredUser{}}
}

// enter returns an error if the context has ended or if Fail returns one.
func (j *Journal) enter(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, "memjournal."+op, err)
	}
	if j.Fail == nil {
		return nil
	}
	return j.Fail(op)
}

// Save implements ports.Records.
func (j *Journal) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		errs[i] = j.save(ctx, r)
	}
	return errs
}

func (j *Journal) save(ctx context.Context, r *ports.Record) error {
	return j.saveAnd(ctx, Save, r, nil, func() {})
}

// saveAnd saves a record and calls more, atomically. It does nothing if the save is refused or if
// one of the children already exists.
func (j *Journal) saveAnd(ctx context.Context, op string, r *ports.Record, children []*ports.Record, more func()) error {
	if err := record.Storable(r); err != nil {
		return err
	}
	if err := j.enter(ctx, op); err != nil {
		return err
	}
	if j.anyThere(children) {
		return fault.New(fault.Conflict, "record_conflict", "a child is taken")
	}
	if err := j.write(*r, more); err != nil {
		return err
	}
	if j.Fail != nil {
		if err := j.Fail(Saved); err != nil {
			return err
		}
	}
	r.Rev++
	return nil
}

func (j *Journal) write(r ports.Record, more func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := name{r.Tenant, r.Kind, r.ID}
	// An absent record has Rev 0, which is also the Rev of an insert.
	old := j.records[at]
	if old.Rev != r.Rev || j.taken(at, ports.ByIdem, r.Idem) || j.taken(at, ports.ByRef, r.Ref) {
		return fault.New(fault.Conflict, "record_conflict", "the record is taken or has changed")
	}
	if r.Parent = old.Parent; r.Terms == nil {
		r.Terms = old.Terms
	}
	for _, e := range r.Events {
		e.Seq = j.last() + 1
		e.Data = bytes.Clone(e.Data)
		j.feed = append(j.feed, e)
	}
	r.Rev++
	r.Events = nil
	r.Index.Created, r.Index.Flagged = stored(r.Index.Created), stored(r.Index.Flagged)
	r.Due = stored(r.Due)
	j.remove(old)
	j.keep(at, clone(r))
	more()
	return nil
}

func (j *Journal) last() int64 {
	if len(j.feed) == 0 {
		return 0
	}
	return j.feed[len(j.feed)-1].Seq
}

// keep stores a record with its unique values.
func (j *Journal) keep(at name, r ports.Record) {
	if r.Idem != "" {
		j.unique[unique{r.Kind, ports.ByIdem, r.Idem}] = at
	}
	if r.Ref != "" {
		j.unique[unique{r.Kind, ports.ByRef, r.Ref}] = at
	}
	j.records[at] = r
}

// remove removes a record and its unique values.
func (j *Journal) remove(r ports.Record) {
	delete(j.unique, unique{r.Kind, ports.ByIdem, r.Idem})
	delete(j.unique, unique{r.Kind, ports.ByRef, r.Ref})
	delete(j.records, name{r.Tenant, r.Kind, r.ID})
}

// taken reports whether another record of the kind has the value.
func (j *Journal) taken(at name, by ports.Unique, value string) bool {
	if value == "" {
		return false
	}
	holder, ok := j.unique[unique{at.kind, by, value}]
	return ok && holder != at
}

// Get implements ports.Records.
func (j *Journal) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	if err := j.enter(ctx, Get); err != nil {
		return ports.Record{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.read(name{tenant, kind, id})
}

// GetAll implements ports.Records.
func (j *Journal) GetAll(ctx context.Context, tenant, kind string, ids ...string) (all []ports.Record, _ error) {
	if err := j.enter(ctx, GetAll); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		if r, ok := j.records[name{tenant, kind, id}]; ok {
			all = append(all, shown(r))
		}
	}
	return all, nil
}

// Find implements ports.Records.
func (j *Journal) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	if err := j.enter(ctx, Find); err != nil {
		return ports.Record{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	// An empty value is never indexed.
	return j.read(j.unique[unique{kind, by, value}])
}

func (j *Journal) read(at name) (ports.Record, error) {
	r, ok := j.records[at]
	if !ok {
		return ports.Record{}, fault.New(fault.NotFound, "record_not_found", "no such record")
	}
	return shown(r), nil
}

// Claim implements ports.Queue.
func (j *Journal) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	if err := j.enter(ctx, Claim); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.clock.Now()
	var due []ports.Record
	for _, r := range j.records {
		if queue != "" && r.Queue == queue && !r.Due.After(now) && !slices.Contains(except, r.Tenant) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b ports.Record) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	})
	var claims []ports.Claim
	for _, r := range due[:max(min(n, len(due)), 0)] {
		expired := r.Owner != ""
		r.Rev++
		r.Owner, r.Due = owner, stored(now.Add(lease))
		j.records[name{r.Tenant, r.Kind, r.ID}] = r
		claims = append(claims, ports.Claim{Record: shown(r), Expired: expired})
	}
	return claims, nil
}

// Publish implements ports.Feed. There is never anything left to publish.
func (j *Journal) Publish(ctx context.Context, _ int) (int, error) {
	return 0, j.enter(ctx, Publish)
}

// Feed implements ports.Feed.
func (j *Journal) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	if err := j.enter(ctx, Feed); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []event.Event
	pager := ports.NewPager(n)
	for _, e := range j.feed {
		if (tenant == ports.AllTenants || e.Tenant == tenant) && e.Seq > after {
			if !pager.Take(len(e.Data)) {
				break
			}
			e.Data = bytes.Clone(e.Data)
			events = append(events, e)
		}
	}
	return events, nil
}

// Count implements ports.Queue.
func (j *Journal) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	if err := j.enter(ctx, Count); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	counts := make([]ports.Count, len(sets))
	for i, set := range sets {
		for _, r := range j.records {
			at, in := r.Due, set.Queue != "" && r.Queue == set.Queue
			if set.Queue == "" {
				at, in = r.Index.Flagged, set.Flag != "" && r.Kind == set.Kind && r.Index.Flag == set.Flag
			}
			if c := &counts[i]; in {
				if c.N == 0 || at.Before(c.First) {
					c.First = at
				}
				c.N++
			}
		}
		counts[i].N = min(counts[i].N, limit)
	}
	return counts, nil
}

// Ping implements ports.Maintenance.
func (j *Journal) Ping(ctx context.Context) error { return j.enter(ctx, Ping) }

// stored returns a time with the precision of a store.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// clone copies a record, so that callers and the journal do not share memory.
func clone(r ports.Record) ports.Record {
	r.Body, r.Content, r.Terms = bytes.Clone(r.Body), bytes.Clone(r.Content), slices.Clone(r.Terms)
	return r
}

// shown copies a record as callers read it: without its terms.
func shown(r ports.Record) ports.Record {
	r.Terms = nil
	return clone(r)
}
