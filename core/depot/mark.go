package depot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"patchbay/core/fault"
	"patchbay/ports"
)

// A mark is a record in each store that says what the store is. It is of the store
// itself: no copy takes it along.
const (
	markKind = "store"
	markID   = "mark"
)

// What a store can be, beside new.
const (
	unfinished = "unfinished_copy"
	finished   = "finished_copy"
	inUse      = "in_use"
)

// attempts bounds how often a mark is read again that others write at the same time.
const attempts = 10

type mark struct {
	journal ports.Journal
	record  ports.Record
}

// origin is a mark's body.
type origin struct {
	Of string `json:"copyOf,omitempty"` // the provider's name
}

// readMark reads a store's mark. A new store has one without a state.
func readMark(ctx context.Context, j ports.Journal, clock ports.Clock) (mark, error) {
	r, err := j.Get(ctx, "", markKind, markID)
	if fault.Is(err, fault.NotFound) {
		r, err = ports.Record{Kind: markKind, ID: markID, Index: ports.Index{Created: clock.Now()}, Body: []byte(`{}`)}, nil
	}
	return mark{j, r}, err
}

func (m mark) state() string { return m.record.Index.Status }

// of is the name of the provider that the store is a copy of.
func (m mark) of() string {
	var o origin
	_ = json.Unmarshal(m.record.Body, &o) // what cannot be read is a copy of nothing
	return o.Of
}

// from is the mark of a copy.
func (m mark) from(name string) mark {
	m.record.Body, _ = json.Marshal(origin{name}) // a text always can be
	return m
}

// become writes the mark, unless another has written it since it was read.
func (m *mark) become(ctx context.Context, state string) error {
	m.record.Index.Status = state
	err := m.journal.Save(ctx, &m.record)[0]
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "target_taken", "another command is copying into the target, or a gateway has begun to use it")
	}
	return err
}

// Use marks a store as in use, the first time: from then on nothing is copied into
// it. Conflict with code unfinished_copy: it must not be used. Else what the store
// returns.
func Use(ctx context.Context, j ports.Journal, clock ports.Clock) error {
	var err error
	for range attempts {
		var m mark
		if m, err = readMark(ctx, j, clock); err != nil {
			return err
		}
		switch m.state() {
		case inUse:
			return nil
		case unfinished:
			return fault.New(fault.Conflict, "unfinished_copy", fmt.Sprintf(
				"it is an unfinished copy of %q: run `patchbay storage copy` again until it says that the two are equal", m.of()))
		}
		err = m.become(ctx, inUse)
		if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.UnknownOutcome) {
			return err
		}
	}
	return err
}

func withoutMark(page []ports.Entry) []ports.Entry {
	return slices.DeleteFunc(page, func(e ports.Entry) bool {
		return e.Record != nil && e.Record.Kind == markKind && e.Record.Tenant == "" && e.Record.ID == markID
	})
}
