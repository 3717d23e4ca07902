package memjournal

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"patchbay/core/event"
	"patchbay/ports"
)

// State is the whole content of a journal, as a backup contains it.
type State struct {
	records map[name]ports.Record
	unique  map[unique]name
	feed    []event.Event
}

// State returns the current content of the journal.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return State{maps.Clone(j.records), maps.Clone(j.unique), slices.Clone(j.feed)}
}

// Restore replaces the content with an earlier State.
func (j *Journal) Restore(s State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records, j.unique, j.feed = maps.Clone(s.records), maps.Clone(s.unique), slices.Clone(s.feed)
}

// Records returns all records, ordered by name. Their bodies are the journal's own and must not be
// modified.
func (j *Journal) Records() []ports.Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]ports.Record, 0, len(j.records))
	for _, r := range j.records {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b ports.Record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Next returns when the next record is due in one of the queues, whether or not it is claimed.
func (j *Journal) Next(queue func(name string) bool) (due time.Time, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.records {
		if r.Queue != "" && queue(r.Queue) && (!ok || r.Due.Before(due)) {
			due, ok = r.Due, true
		}
	}
	return due, ok
}
