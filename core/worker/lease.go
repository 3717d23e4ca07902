package worker

import (
	"time"

	"patchbay/ports"
)

// leaseUnit is the coarsest resolution in which a store keeps the end of a lease.
const leaseUnit = time.Millisecond

// Lease is a process's claim on a record: the right to decide what becomes of its work. A
// process that is paused for longer than its lease loses it without noticing. So each such
// decision is a save that succeeds only while the record still has the lease. Two leases of
// one owner that end in the same millisecond are equal: what can be begun again under one
// record compares which try it was, too. The zero Lease is on no record.
type Lease struct {
	owner string
	until time.Time // it tells two leases of one owner apart
}

// Hold puts a lease on a record. It takes effect with the next save.
func Hold(r *ports.Record, owner string, until time.Time) {
	r.Owner, r.Due = owner, until.Truncate(leaseUnit)
}

// LeaseOf returns the lease that a record has.
func LeaseOf(r ports.Record) Lease { return Lease{owner: r.Owner, until: r.Due.Truncate(leaseUnit)} }

// On reports whether a record still has the lease.
func (l Lease) On(r ports.Record) bool {
	now := LeaseOf(r)
	return l.owner != "" && now.owner == l.owner && now.until.Equal(l.until)
}
