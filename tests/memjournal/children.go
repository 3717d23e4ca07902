package memjournal

import (
	"cmp"
	"context"
	"slices"
	"time"

	"patchbay/core/record"
	"patchbay/ports"
)

// Attach implements ports.Children: it writes the record and its children atomically.
func (j *Journal) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	err := j.saveAnd(ctx, Attach, parent, children, func() {
		for _, c := range children {
			put := clone(*c)
			put.Parent, put.Rev = parent.Name(), 1
			j.records[name{c.Tenant, c.Kind, c.ID}] = put
		}
	})
	if err != nil {
		return err
	}
	for _, c := range children {
		c.Parent, c.Rev = parent.Name(), 1
	}
	return nil
}

func (j *Journal) anyThere(records []*ports.Record) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(records, func(c *ports.Record) bool { return j.records[name{c.Tenant, c.Kind, c.ID}].Rev > 0 })
}

// Detach implements ports.Children.
func (j *Journal) Detach(ctx context.Context, parent *ports.Record) error {
	return j.saveAnd(ctx, Detach, parent, nil, func() { j.orphan(*parent) })
}

// orphan removes the children of a record.
func (j *Journal) orphan(parent ports.Record) {
	for at, r := range j.records {
		if r.Tenant == parent.Tenant && r.Parent == parent.Name() {
			delete(j.records, at)
		}
	}
}

// Purge implements ports.Maintenance.
func (j *Journal) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	if err := j.enter(ctx, Purge); err != nil {
		return 0, err
	}
	old := j.selected(tenant, kind, ports.Filter{}, func(r ports.Record) bool { return r.Queue == "" && r.Index.Created.Before(before) })
	slices.SortFunc(old, func(a, b ports.Record) int {
		return cmp.Compare(a.Index.Created.UnixMicro(), b.Index.Created.UnixMicro())
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	old = old[:min(n, len(old))]
	for _, r := range old {
		j.remove(r)
		j.orphan(r)
	}
	return len(old), nil
}

// Sweep implements ports.Children. There is never anything to sweep.
func (j *Journal) Sweep(ctx context.Context, _ time.Time, _ int) (int, error) {
	return 0, j.enter(ctx, Sweep)
}
