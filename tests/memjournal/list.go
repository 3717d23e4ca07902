package memjournal

import (
	"cmp"
	"context"
	"slices"

	"patchbay/ports"
)

// List implements ports.Journal.
func (j *Journal) List(ctx context.Context, tenant, kind string, filter ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	if err := j.enter(ctx, List); err != nil {
		return ports.RecordPage{}, err
	}
	after, err := ports.ParseCursor(cursor)
	if err != nil {
		return ports.RecordPage{}, err
	}
	found := j.selected(tenant, kind, filter, func(r ports.Record) bool {
		return newestFirst(place(r), after) > 0
	})
	limit = max(limit, 1)
	if len(found) <= limit {
		return ports.RecordPage{Records: found}, nil
	}
	found = found[:limit]
	return ports.RecordPage{Records: found, Next: place(found[limit-1]).String()}, nil
}

// selected returns copies of what matches, in the list's order.
func (j *Journal) selected(tenant, kind string, f ports.Filter, wanted func(ports.Record) bool) []ports.Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []ports.Record
	for at, r := range j.records {
		if at.tenant == tenant && at.kind == kind && wanted(r) &&
			(f.Status == "" || f.Status == r.Index.Status) &&
			(f.Customer == "" || f.Customer == r.Index.Customer) {
			found = append(found, clone(r))
		}
	}
	slices.SortFunc(found, func(a, b ports.Record) int {
		return newestFirst(place(a), place(b))
	})
	return found
}

// place is where a record stands in a list.
func place(r ports.Record) ports.Cursor {
	return ports.Cursor{Created: r.Index.Created.UnixMicro(), ID: r.ID}
}

func newestFirst(a, b ports.Cursor) int {
	return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
}
