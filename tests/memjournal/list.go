package memjournal

import (
	"cmp"
	"context"
	"slices"

	"patchbay/ports"
)

// List implements ports.Records.
func (j *Journal) List(ctx context.Context, tenant, kind string, filter ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	if err := j.enter(ctx, List); err != nil {
		return ports.RecordPage{}, err
	}
	from, after, err := filter.Range(cursor)
	if err != nil {
		return ports.RecordPage{}, err
	}
	found := j.selected(tenant, kind, filter, func(r ports.Record) bool {
		return place(r).Created >= from && newestFirst(place(r), after) > 0
	})
	pager := ports.NewPager(limit)
	for i, r := range found {
		if !pager.Take(len(r.Body)) {
			return ports.PageOfRecords(found[:i], true, nil)
		}
		found[i].Content, found[i].Partial = nil, len(r.Content) > 0
	}
	return ports.PageOfRecords(found, false, nil)
}

// selected returns copies of the matching records, in the order of List.
func (j *Journal) selected(tenant, kind string, f ports.Filter, wanted func(ports.Record) bool) []ports.Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []ports.Record
	for at, r := range j.records {
		if at.tenant == tenant && at.kind == kind && wanted(r) &&
			(f.Status == "" || f.Status == r.Index.Status) &&
			(f.Customer == "" || f.Customer == r.Index.Customer) &&
			!slices.ContainsFunc(f.Terms, func(term string) bool { return !slices.Contains(r.Terms, term) }) {
			found = append(found, shown(r))
		}
	}
	slices.SortFunc(found, func(a, b ports.Record) int {
		return newestFirst(place(a), place(b))
	})
	return found
}

// place returns the position of a record in a list.
func place(r ports.Record) ports.Cursor { return ports.CursorAt(r.Index.Created, r.ID) }

func newestFirst(a, b ports.Cursor) int {
	return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
}
