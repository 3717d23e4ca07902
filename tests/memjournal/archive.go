package memjournal

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Archive = Archive{}

// Archive implements ports.Archive for a Journal. It also stores users, which the Journal itself
// does not use.
type Archive struct{ *Journal }

// Scan implements ports.Archive.
func (a Archive) Scan(ctx context.Context, section ports.Section, after string, limit int) ([]ports.Entry, string, error) {
	if err := a.enter(ctx, Scan); err != nil {
		return nil, "", err
	}
	var page []ports.Entry
	var next string
	size := 0
	for _, e := range a.entries(section) {
		if len(page) == limit || size >= ports.ArchivePage {
			break
		}
		if after == "" || order(section, after, e.Key()) < 0 {
			page, next = append(page, e), e.Key()
			if e.Record != nil {
				size += e.Record.Size()
			}
		}
	}
	return page, next, nil
}

func order(section ports.Section, a, b string) int {
	if section == ports.FeedSection {
		return cmp.Compare(ports.ParseFeedKey(a), ports.ParseFeedKey(b))
	}
	return cmp.Compare(a, b)
}

// entries returns copies of a section's entries, ordered by key.
func (a Archive) entries(section ports.Section) (all []ports.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch section {
	case ports.RecordSection:
		for _, r := range a.records {
			all = append(all, ports.Entry{Record: new(clone(r))})
		}
	case ports.UserSection:
		for _, u := range a.people {
			all = append(all, ports.Entry{User: &u})
		}
	default:
		for _, e := range a.feed {
			all = append(all, ports.Entry{Event: &e})
		}
	}
	if section != ports.FeedSection { // the feed is already in order
		slices.SortFunc(all, func(x, y ports.Entry) int { return cmp.Compare(x.Key(), y.Key()) })
	}
	return all
}

// Digests implements ports.Archive.
func (a Archive) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	if err := a.enter(ctx, Digests); err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	found := map[string]ports.Digest{}
	for _, e := range a.entries(section) {
		if wanted[e.Key()] {
			found[e.Key()] = e.Digest()
		}
	}
	return found, nil
}

// Put implements ports.Archive. If it fails after some of the entries, those stay.
func (a Archive) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	for _, e := range entries {
		if err := a.enter(ctx, Put); err != nil {
			return err
		}
		if err := a.put(section, e); err != nil {
			return err
		}
	}
	return a.enter(ctx, PutDone)
}

func (a Archive) put(section ports.Section, e ports.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := fault.New(fault.Conflict, "record_conflict", "a key or a unique value is taken")
	switch section {
	case ports.RecordSection:
		r := clone(*e.Record)
		at := name{r.Tenant, r.Kind, r.ID}
		if a.records[at].Rev > 0 || a.taken(at, ports.ByIdem, r.Idem) || a.taken(at, ports.ByRef, r.Ref) {
			return taken
		}
		a.keep(at, r)
	case ports.UserSection:
		if _, there := a.people[e.Key()]; there {
			return taken
		}
		a.people[e.Key()] = *e.User
	default:
		if slices.ContainsFunc(a.feed, func(v event.Event) bool { return v.Seq == e.Event.Seq }) {
			return taken
		}
		a.feed = append(a.feed, *e.Event)
		slices.SortFunc(a.feed, func(x, y event.Event) int { return cmp.Compare(x.Seq, y.Seq) })
	}
	return nil
}

// Remove implements ports.Archive.
func (a Archive) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	if err := a.enter(ctx, Remove); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := func(e ports.Entry) bool { return slices.Contains(keys, e.Key()) }
	switch section {
	case ports.RecordSection:
		for _, r := range a.records {
			if gone(ports.Entry{Record: &r}) {
				a.remove(r)
			}
		}
	case ports.UserSection:
		maps.DeleteFunc(a.people, func(key string, _ ports.StoredUser) bool { return slices.Contains(keys, key) })
	default:
		a.feed = slices.DeleteFunc(a.feed, func(v event.Event) bool { return gone(ports.Entry{Event: &v}) })
	}
	return a.enter(ctx, RemoveDone)
}
