package depot

import (
	"context"
	"fmt"

	"patchbay/core/fault"
	"patchbay/ports"
)

// Reopen lets gateways serve again from a store that was moved to another. That one
// becomes an unfinished copy, on which none starts. force is for where that one has
// been served from, or is not at hand (its Journal is nil): what it has accepted since
// is not in this one, and the same keys are done again.
//
// Conflict: with code store_not_moved; with code copy_used, without force. Else what
// the stores return.
func Reopen(ctx context.Context, store, copied Side, clock ports.Clock, force bool) error {
	source, err := readMark(ctx, store.Journal, clock)
	if err != nil {
		return err
	}
	to := source.origin().To
	if source.state() != moved {
		return fault.New(fault.Conflict, "store_not_moved", fmt.Sprintf("%q was not moved: nothing is to be done", store.Name))
	}
	if copied.Journal != nil {
		if err := disown(ctx, store, copied, clock, force); err != nil {
			return err
		}
	} else if !force {
		return fault.New(fault.Conflict, "copy_used", fmt.Sprintf("%q is not at hand: see that no gateway serves from it, and give --force", to))
	}
	source = source.with(func(o *origin) { o.To = "" })
	return source.become(ctx, inUse)
}

// disown makes a finished copy an unfinished one.
func disown(ctx context.Context, store, copied Side, clock ports.Clock, force bool) error {
	target, err := readMark(ctx, copied.Journal, clock)
	switch {
	case err != nil:
		return err
	case target.state() == finished && target.origin().Of == store.Name:
		return target.become(ctx, unfinished)
	case target.state() == unfinished || target.state() == "" || force:
		return nil
	}
	return fault.New(fault.Conflict, "copy_used", fmt.Sprintf(
		"%q has been served from: what it has accepted is not in %q, and would be done again; give --force if that is meant", copied.Name, store.Name))
}

// MovedTo is the name of the provider that a store was moved to, empty where it was
// not.
func MovedTo(ctx context.Context, j ports.Journal, clock ports.Clock) (string, error) {
	m, err := readMark(ctx, j, clock)
	if err != nil || m.state() != moved {
		return "", err
	}
	return m.origin().To, nil
}
