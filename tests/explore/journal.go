package explore

import (
	"context"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

var _ ports.Journal = journal{}

// journal is one process's view of the shared journal: each call stops at the gate before it is
// made.
type journal struct {
	*memjournal.Journal
	process *process
}

var (
	delivered = &fate{name: "done", does: true}
	refused   = &fate{name: "refused before it"}
	lost      = &fate{name: "done, the answer lost", does: true, lost: true}

	reads  = []*fate{delivered, refused}
	writes = []*fate{delivered, refused, lost}
	sure   = []*fate{delivered}
)

var errOver = fault.New(fault.Internal, "history_over", "the history is over")

// pass makes a call through the gate and returns the error that the caller gets.
func (j journal) pass(ctx context.Context, op, about string, writing bool, summary func() string, do func() error) error {
	c := call{op: op, about: about, writes: writing, fates: sure, summary: summary}
	if j.process.world.scenario.JournalFaults {
		if c.fates = reads; writing {
			c.fates = writes
		}
	}
	f := j.process.world.gate.stop(ctx, j.process.thread(ctx), c)
	switch {
	case f == nil:
		return errOver
	case !f.does:
		return fault.New(fault.Unavailable, "scripted", "")
	}
	err := do()
	if f.lost && err == nil {
		return fault.New(fault.UnknownOutcome, "scripted", "")
	}
	return err
}

// Save implements ports.Records.
func (j journal) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		if j.aside(r.Kind) {
			errs[i] = j.Journal.Save(ctx, r)[0]
			continue
		}
		summary := func() string { return j.process.world.domain.summary(*r) }
		errs[i] = j.pass(ctx, "save", r.ID, true, summary, func() error { return j.saved(ctx, r) })
		if fault.Is(errs[i], fault.UnknownOutcome) {
			r.Rev-- // the caller does not learn that the record was written
		}
	}
	return errs
}

// aside reports whether a kind is not explored. Reading or saving such a record is not a choice
// point.
func (j journal) aside(kind string) bool { return kind != j.process.world.domain.kind() }

func (j journal) saved(ctx context.Context, r *ports.Record) error {
	err := j.Journal.Save(ctx, r)[0]
	if err == nil {
		j.process.world.saved(*r)
	}
	return err
}

// Get implements ports.Records.
func (j journal) Get(ctx context.Context, tenant, kind, id string) (r ports.Record, err error) {
	if j.aside(kind) {
		return j.Journal.Get(ctx, tenant, kind, id)
	}
	perr := j.pass(ctx, "get", id, false, nil, func() error {
		r, err = j.Journal.Get(ctx, tenant, kind, id)
		return err
	})
	return r, perr
}

// Find implements ports.Records.
func (j journal) Find(ctx context.Context, kind string, by ports.Unique, value string) (r ports.Record, err error) {
	perr := j.pass(ctx, "find", string(by), false, nil, func() error {
		r, err = j.Journal.Find(ctx, kind, by, value)
		return err
	})
	return r, perr
}

// List implements ports.Records.
func (j journal) List(ctx context.Context, tenant, kind string, filter ports.Filter, cursor string, limit int) (p ports.RecordPage, err error) {
	perr := j.pass(ctx, "list", kind, false, nil, func() error {
		p, err = j.Journal.List(ctx, tenant, kind, filter, cursor, limit)
		return err
	})
	return p, perr
}

// Claim implements ports.Queue. A claim is not a choice point if no record is due.
func (j journal) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) (claims []ports.Claim, err error) {
	w := j.process.world
	due, ok := j.Next(func(name string) bool { return name == queue })
	if !ok || due.After(time.Now()) || !w.domain.serves(queue) || w.gate.over() {
		return nil, nil
	}
	err = j.pass(ctx, "claim", queue, true, nil, func() error {
		claims, err = j.Journal.Claim(ctx, queue, owner, lease, n, except...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// Feed implements ports.Feed. It is not used here.
func (j journal) Feed(context.Context, string, int64, int) ([]event.Event, error) {
	return nil, errOver
}

func (g *gate) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
