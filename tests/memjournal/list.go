package memjournal

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// place is where a list stands, and its cursor's content.
type place struct {
	Created time.Time
	ID      string
}

// List implements ports.Journal.
func (j *Journal) List(ctx context.Context, tenant, kind string, filter ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	if err := j.enter(ctx, List); err != nil {
		return ports.RecordPage{}, err
	}
	after, err := decode(cursor)
	if err != nil {
		return ports.RecordPage{}, err
	}
	found := j.selected(tenant, kind, filter, func(r ports.Record) bool {
		return cursor == "" || newestFirst(place{r.Index.Created, r.ID}, after) > 0
	})
	limit = max(limit, 1)
	if len(found) <= limit {
		return ports.RecordPage{Records: found}, nil
	}
	found = found[:limit]
	last := found[limit-1]
	return ports.RecordPage{Records: found, Next: encode(place{last.Index.Created, last.ID})}, nil
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
		return newestFirst(place{a.Index.Created, a.ID}, place{b.Index.Created, b.ID})
	})
	return found
}

func newestFirst(a, b place) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
}

func encode(p place) string {
	// A time and a string cannot fail to marshal.
	text, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text)
}

func decode(cursor string) (place, error) {
	if cursor == "" {
		return place{}, nil
	}
	var p place
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.ID == "" {
		return place{}, fault.InvalidParam("cursor", "invalid_cursor", "the cursor is not one of ours")
	}
	return p, nil
}
