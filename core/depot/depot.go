// Package depot moves all that one store holds into another, and proves that it is
// there. What has been moved before is not moved again.
package depot

import (
	"context"
	"fmt"

	"patchbay/core/fault"
	"patchbay/ports"
)

// pageSize is how many entries are compared at once; large ones are fewer.
const pageSize = 500

// Side is one of the two stores.
type Side struct {
	Name    string // the provider's
	Journal ports.Journal
	Archive ports.Archive
	Older   bool // it is an older copy of its store, put in that's place, which no gateway has found out yet
}

// Options is what Copy needs.
type Options struct {
	From, To Side
	Clock    ports.Clock
	Progress func(Progress) // told after each page; nil where nobody asks
	Ready    func() error   // what must be done before the target may be used; nil for nothing
}

// Progress is how far one step is in one section.
type Progress struct {
	Step    Step
	Side    string // whose entries are looked at
	Section ports.Section
	Seen    int // entries looked at
	Changed int // of these, removed or put
	Done    bool
}

// Step is a part of the work. Each goes through all sections.
type Step string

// The steps, in order. Nothing is in the way of what is put: whatever had its key or
// a unique value of it in the target is gone by then.
const (
	Removing Step = "removing" // from the target what the source does not have, or has otherwise
	Putting  Step = "putting"  // into the target what it lacks
	Checking Step = "checking" // both
)

// Copy makes the target hold exactly what the source holds, and reports what both
// hold. It may be ended at any moment and run again. Until both are found equal the
// target is marked as an unfinished copy, on which no gateway starts. Then the source
// is marked as moved, and none starts on that: both would answer to the same keys.
//
// Conflict: with code target_used, source_unfinished or source_moved, and nothing was
// done; with
// code target_taken, somebody else began to use the target; with code
// source_changed, and the report says how they differ. Else what the stores return.
func Copy(ctx context.Context, o Options) (Report, error) {
	m := &move{Options: o}
	source, target, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context, ports.Section) error{m.remove, m.put} {
		for _, section := range ports.Sections() {
			if err := step(ctx, section); err != nil {
				return nil, err
			}
		}
	}
	report, err := m.check(ctx)
	if err != nil {
		return nil, err
	}
	// What is saved and not told yet would never be told by the target.
	untold, err := o.From.Journal.Publish(ctx, 1)
	if err != nil {
		return report, err
	}
	if untold > 0 || !report.Equal() {
		return report, m.changed()
	}
	if o.Ready != nil {
		if err := o.Ready(); err != nil {
			return report, err
		}
	}
	// In this order: where it ends in between, no gateway starts on either.
	if err := m.leave(ctx); err != nil {
		return report, err
	}
	target = target.with(func(o *origin) {
		before := source.origin()
		o.Restore, o.Payments, o.Older = before.Restore, before.Payments, before.Older || m.From.Older
	})
	return report, target.become(ctx, finished)
}

// leave marks the source as moved. A gateway that works on it goes on until it is
// stopped; what it takes meanwhile is copied when this is run again.
func (m *move) leave(ctx context.Context) (err error) {
	for range attempts {
		var source mark
		if source, err = readMark(ctx, m.From.Journal, m.Clock); err != nil {
			return err
		}
		source = source.with(func(o *origin) { o.To = m.To.Name })
		if err = source.become(ctx, moved); !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.UnknownOutcome) {
			return err
		}
	}
	return err
}

// move is a copy under way.
type move struct {
	Options
	refused string // the key of an entry that the target did not take
}

// begin marks the target, and moves to the feed what waits for it in the source.
func (m *move) begin(ctx context.Context) (source, target mark, err error) {
	if source, err = readMark(ctx, m.From.Journal, m.Clock); err != nil {
		return source, target, err
	}
	switch to := source.origin().To; {
	case source.state() == unfinished:
		err = fault.New(fault.Conflict, "source_unfinished", fmt.Sprintf("%q is itself an unfinished copy, of %q", m.From.Name, source.origin().Of))
	case source.state() == moved && to != m.To.Name:
		err = fault.New(fault.Conflict, "source_moved", fmt.Sprintf("%q was moved to %q: copy from there", m.From.Name, to))
	default:
		target, err = m.admitted(ctx)
	}
	if err != nil {
		return source, target, err
	}
	if err := target.become(ctx, unfinished); err != nil {
		return source, target, err
	}
	for {
		published, err := m.From.Journal.Publish(ctx, pageSize)
		if err != nil || published == 0 {
			return source, target, err
		}
	}
}

// admitted returns the mark of a target that may be overwritten: an empty one, and a
// copy of the same source.
func (m *move) admitted(ctx context.Context) (mark, error) {
	used := func(why string) error {
		return fault.New(fault.Conflict, "target_used", fmt.Sprintf("nothing is copied into %q: %s", m.To.Name, why))
	}
	target, err := readMark(ctx, m.To.Journal, m.Clock)
	switch {
	case err != nil:
		return mark{}, err
	case target.state() == inUse:
		return mark{}, used("it is in use, or was; name an empty database")
	case target.state() == moved:
		return mark{}, used(fmt.Sprintf("it was in use, and moved to %q; name an empty database", target.origin().To))
	case target.state() != "" && target.origin().Of != m.From.Name:
		return mark{}, used(fmt.Sprintf("it is a copy of %q; name an empty database", target.origin().Of))
	case target.state() != "":
		return target, nil
	}
	for _, section := range ports.Sections() {
		_, next, err := m.To.Archive.Scan(ctx, section, "", 1)
		if err != nil {
			return mark{}, err
		}
		if next != "" {
			return mark{}, used("it holds data, and is not a copy; name an empty database")
		}
	}
	return target.with(func(o *origin) { o.Of = m.From.Name }), nil
}

// remove takes out of the target what the source does not have as it is there.
func (m *move) remove(ctx context.Context, section ports.Section) error {
	at := Progress{Step: Removing, Side: m.To.Name, Section: section}
	return m.pages(ctx, m.To, at, func(page []ports.Entry) (int, error) {
		there, err := m.From.Archive.Digests(ctx, section, keys(page)...)
		if err != nil {
			return 0, err
		}
		var wrong []string
		for _, e := range page {
			if d, some := there[e.Key()]; !some || d != e.Digest() {
				wrong = append(wrong, e.Key())
			}
		}
		if len(wrong) == 0 {
			return 0, nil
		}
		return len(wrong), m.To.Archive.Remove(ctx, section, wrong...)
	})
}

// put adds to the target what it lacks.
func (m *move) put(ctx context.Context, section ports.Section) error {
	at := Progress{Step: Putting, Side: m.From.Name, Section: section}
	return m.pages(ctx, m.From, at, func(page []ports.Entry) (int, error) {
		there, err := m.To.Archive.Digests(ctx, section, keys(page)...)
		if err != nil {
			return 0, err
		}
		var missing []ports.Entry
		for _, e := range page {
			if _, some := there[e.Key()]; !some {
				missing = append(missing, e)
			}
		}
		if len(missing) == 0 {
			return 0, nil
		}
		return len(missing), m.offer(ctx, section, missing)
	})
}

// offer puts entries. Those that the target refuses have changed in the source since
// the first step; the others are put all the same.
func (m *move) offer(ctx context.Context, section ports.Section, entries []ports.Entry) error {
	err := m.To.Archive.Put(ctx, section, entries...)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	if len(entries) == 1 {
		m.refused = entries[0].Key()
		return nil
	}
	for _, e := range entries {
		if err := m.offer(ctx, section, []ports.Entry{e}); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) changed() error {
	why := "the two differ"
	if m.refused != "" {
		why = fmt.Sprintf("the target did not take %s", m.refused)
	}
	return fault.New(fault.Conflict, "source_changed",
		why+": the source has changed meanwhile. Run this again; without a gateway on the source it is done then")
}

// check counts what both hold.
func (m *move) check(ctx context.Context) (Report, error) {
	var report Report
	for _, section := range ports.Sections() {
		line := Line{Section: section}
		for _, side := range []struct {
			Side
			tally *Tally
		}{{m.From, &line.From}, {m.To, &line.To}} {
			at := Progress{Step: Checking, Side: side.Name, Section: section}
			err := m.pages(ctx, side.Side, at, func(page []ports.Entry) (int, error) {
				side.tally.add(page)
				return 0, nil
			})
			if err != nil {
				return nil, err
			}
		}
		report = append(report, line)
	}
	return report, nil
}

// pages shows all entries of a section, but for the store's own mark. each returns
// how many it has changed.
func (m *move) pages(ctx context.Context, s Side, at Progress, each func(page []ports.Entry) (int, error)) error {
	for after := ""; !at.Done; {
		page, next, err := s.Archive.Scan(ctx, at.Section, after, pageSize)
		if err != nil {
			return err
		}
		if page = withoutMark(page); len(page) > 0 {
			changed, err := each(page)
			if err != nil {
				return err
			}
			at.Seen, at.Changed = at.Seen+len(page), at.Changed+changed
		}
		after, at.Done = next, next == ""
		if m.Progress != nil {
			m.Progress(at)
		}
	}
	return nil
}

func keys(page []ports.Entry) []string {
	all := make([]string, len(page))
	for i, e := range page {
		all[i] = e.Key()
	}
	return all
}
