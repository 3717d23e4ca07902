package memjournal

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"patchbay/core/event"
	"patchbay/ports"
)

// State is all that a journal holds, as a backup has it.
type State struct {
	records map[name]ports.Record
	unique  map[unique]name
	feed    []event.Feed
}

// State returns what the journal holds now.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return State{maps.Clone(j.records), maps.Clone(j.unique), slices.Clone(j.feed)}
}

// Restore puts an earlier state back.
func (j *Journal) Restore(s State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records, j.unique, j.feed = maps.Clone(s.records), maps.Clone(s.unique), slices.Clone(s.feed)
}

// Records are all records, by name. Their bodies are the journal's own, and must not
// be changed.
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

// Next is when the next record is due in one of the queues, whoever has claimed it.
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
