// Package storecopy copies everything in one store into another, and verifies the copy. Entries
// that are already copied are not copied again.
package storecopy

import (
	"context"
	"fmt"
	"slices"

	"patchbay/core/fault"
	"patchbay/ports"
)

// pageSize is the number of entries compared at a time; pages of large entries have fewer.
const pageSize = 500

// Side is one of the two stores.
type Side struct {
	Name    string // the provider's name
	Journal ports.Journal
	Archive ports.Archive
	Older   bool // it was restored from an older copy, and no gateway has noticed that yet
}

// Options configures Copy.
type Options struct {
	From, To Side
	Clock    ports.Clock
	Progress func(Progress) // called after each page; may be nil
	Ready    func() error   // called before the target may be used; may be nil
}

// Progress is the progress of one step in one section.
type Progress struct {
	Step    Step
	Side    string // the store whose entries are read
	Section ports.Section
	Seen    int // entries read
	Changed int // entries removed or put
	Done    bool
}

// Step is a part of the work. Each step goes through all sections.
type Step string

// The steps, in order. Removing comes first, so that no entry of the target conflicts with the
// key or a unique value of an entry that is put.
const (
	Removing Step = "removing" // from the target: what the source does not have, or has with other content
	Putting  Step = "putting"  // into the target: what it lacks
	Checking Step = "checking" // both stores
)

// Copy makes the target hold exactly what the source holds, and reports what both hold. It may
// be interrupted at any moment and run again. Until both are found equal, the target is marked
// as an unfinished copy, on which no gateway starts. Then the source is marked as moved, and no
// gateway starts on it: otherwise both stores would accept the same idempotency keys.
//
// Conflict: with code target_used, source_unfinished or source_moved, nothing was done; with
// code target_taken, somebody else began to use the target; with code source_changed, the report
// says how the stores differ. Otherwise as for the stores.
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
	// Events that are saved but not published would never be published by the target.
	unpublished, err := o.From.Journal.Publish(ctx, 1)
	if err != nil {
		return report, err
	}
	if unpublished > 0 || !report.Equal() {
		return report, m.changed()
	}
	if o.Ready != nil {
		if err := o.Ready(); err != nil {
			return report, err
		}
	}
	// In this order: if Copy is interrupted in between, no gateway starts on either store.
	if err := m.markMoved(ctx); err != nil {
		return report, err
	}
	before := source.Value
	target.Value.Restore, target.Value.Payments, target.Value.Older = before.Restore, before.Payments, before.Older || m.From.Older
	return report, setState(ctx, m.To.Journal, &target, finished)
}

// markMoved marks the source as moved. A gateway already running on it continues until it is
// stopped; what it accepts until then is copied when Copy is run again.
func (m *move) markMoved(ctx context.Context) error {
	_, err := changeMark(ctx, m.From.Journal, m.Clock, func(source *mark) error {
		source.Value.To, source.Record.Index.Status = m.To.Name, moved
		return nil
	})
	return err
}

// move is a Copy in progress.
type move struct {
	Options
	refused string // key of an entry that the target refused
}

// begin marks the target as an unfinished copy, and publishes the pending events of the source.
func (m *move) begin(ctx context.Context) (source, target mark, err error) {
	if source, err = readMark(ctx, m.From.Journal, m.Clock); err != nil {
		return source, target, err
	}
	switch to := source.Value.To; {
	case state(source) == unfinished:
		err = fault.New(fault.Conflict, "source_unfinished", fmt.Sprintf("%q is itself an unfinished copy, of %q", m.From.Name, source.Value.Of))
	case state(source) == moved && to != m.To.Name:
		err = fault.New(fault.Conflict, "source_moved", fmt.Sprintf("%q was moved to %q: copy from there", m.From.Name, to))
	default:
		target, err = m.freeTarget(ctx)
	}
	if err != nil {
		return source, target, err
	}
	if err := setState(ctx, m.To.Journal, &target, unfinished); err != nil {
		return source, target, err
	}
	for {
		published, err := m.From.Journal.Publish(ctx, pageSize)
		if err != nil || published == 0 {
			return source, target, err
		}
	}
}

// freeTarget returns the mark of a target that may be overwritten: an empty store, or a copy of
// the same source.
func (m *move) freeTarget(ctx context.Context) (mark, error) {
	used := func(why string) error {
		return fault.New(fault.Conflict, "target_used", fmt.Sprintf("nothing is copied into %q: %s", m.To.Name, why))
	}
	target, err := readMark(ctx, m.To.Journal, m.Clock)
	switch {
	case err != nil:
		return mark{}, err
	case state(target) == inUse:
		return mark{}, used("it is in use, or was; name an empty database")
	case state(target) == moved:
		return mark{}, used(fmt.Sprintf("it was in use, and moved to %q; name an empty database", target.Value.To))
	case state(target) != "" && target.Value.Of != m.From.Name:
		return mark{}, used(fmt.Sprintf("it is a copy of %q; name an empty database", target.Value.Of))
	case state(target) != "":
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
	target.Value.Of = m.From.Name
	return target, nil
}

// remove removes entries from the target that the source does not have with the same content.
func (m *move) remove(ctx context.Context, section ports.Section) error {
	differs := func(e ports.Entry, d ports.Digest, exists bool) bool { return !exists || d != e.Digest() }
	return m.compare(ctx, Removing, section, m.To, m.From, differs, func(differing []ports.Entry) error {
		return m.To.Archive.Remove(ctx, section, keys(differing)...)
	})
}

// put adds the entries that the target lacks.
func (m *move) put(ctx context.Context, section ports.Section) error {
	lacks := func(_ ports.Entry, _ ports.Digest, exists bool) bool { return !exists }
	return m.compare(ctx, Putting, section, m.From, m.To, lacks, func(missing []ports.Entry) error {
		return m.putAll(ctx, section, missing)
	})
}

// compare passes those entries of a side to change that selected selects. exists reports whether
// the other side has an entry with that key, and d is the digest of that entry.
func (m *move) compare(ctx context.Context, step Step, section ports.Section, side, other Side, selected func(e ports.Entry, d ports.Digest, exists bool) bool, change func([]ports.Entry) error) error {
	return m.pages(ctx, step, section, side, func(page []ports.Entry) (int, error) {
		digests, err := other.Archive.Digests(ctx, section, keys(page)...)
		if err != nil {
			return 0, err
		}
		page = slices.DeleteFunc(page, func(e ports.Entry) bool {
			d, exists := digests[e.Key()]
			return !selected(e, d, exists)
		})
		if len(page) == 0 {
			return 0, nil
		}
		return len(page), change(page)
	})
}

// putAll puts entries. An entry that the target refuses has changed in the source since the first
// step; the other entries are put nevertheless.
func (m *move) putAll(ctx context.Context, section ports.Section, entries []ports.Entry) error {
	err := m.To.Archive.Put(ctx, section, entries...)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	if len(entries) == 1 {
		m.refused = entries[0].Key()
		return nil
	}
	for _, e := range entries {
		if err := m.putAll(ctx, section, []ports.Entry{e}); err != nil {
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

// check counts the entries of both stores.
func (m *move) check(ctx context.Context) (Report, error) {
	var report Report
	for _, section := range ports.Sections() {
		line := Line{Section: section}
		for _, counted := range []struct {
			side  Side
			tally *Tally
		}{{m.From, &line.From}, {m.To, &line.To}} {
			err := m.pages(ctx, Checking, section, counted.side, func(page []ports.Entry) (int, error) {
				counted.tally.add(page)
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

// pages passes all entries of a section except the store's own mark to each, page by page. each
// returns how many entries it has changed.
func (m *move) pages(ctx context.Context, step Step, section ports.Section, side Side, each func(page []ports.Entry) (int, error)) error {
	at := Progress{Step: step, Side: side.Name, Section: section}
	for after := ""; !at.Done; {
		page, next, err := side.Archive.Scan(ctx, section, after, pageSize)
		if err != nil {
			return err
		}
		if page = withoutMark(page); len(page) > 0 {
			read := len(page) // each may change the page
			changed, err := each(page)
			if err != nil {
				return err
			}
			at.Seen, at.Changed = at.Seen+read, at.Changed+changed
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
