package storecopy

import (
	"context"
	"fmt"

	"patchbay/core/fault"
	"patchbay/ports"
)

// Reopen lets gateways use a store again that was moved to another one. The other store becomes
// an unfinished copy, on which no gateway starts. force is needed if the other store has been
// used, or is not available (its Journal is nil): what it has accepted since is not in this
// store, and requests repeated under the same keys are executed again.
//
// Conflict: with code store_not_moved; with code copy_used, without force. Otherwise as for the
// stores.
func Reopen(ctx context.Context, store, copied Side, clock ports.Clock, force bool) error {
	source, err := readMark(ctx, store.Journal, clock)
	if err != nil {
		return err
	}
	to := source.Value.To
	if state(source) != moved {
		return fault.New(fault.Conflict, "store_not_moved", fmt.Sprintf("%q was not moved: nothing is to be done", store.Name))
	}
	if copied.Journal != nil {
		if err := markUnfinished(ctx, store, copied, clock, force); err != nil {
			return err
		}
	} else if !force {
		return fault.New(fault.Conflict, "copy_used", fmt.Sprintf("%q is not at hand: see that no gateway serves from it, and give --force", to))
	}
	source.Value.To = ""
	return setState(ctx, store.Journal, &source, inUse)
}

// markUnfinished marks a finished copy as an unfinished one.
func markUnfinished(ctx context.Context, store, copied Side, clock ports.Clock, force bool) error {
	target, err := readMark(ctx, copied.Journal, clock)
	switch {
	case err != nil:
		return err
	case state(target) == finished && target.Value.Of == store.Name:
		return setState(ctx, copied.Journal, &target, unfinished)
	case state(target) == unfinished || state(target) == "" || force:
		return nil
	}
	return fault.New(fault.Conflict, "copy_used", fmt.Sprintf(
		"%q has been served from: what it has accepted is not in %q, and would be done again; give --force if that is meant", copied.Name, store.Name))
}

// MovedTo returns the name of the provider that a store was moved to, empty if it was not moved.
func MovedTo(ctx context.Context, j ports.Records, clock ports.Clock) (string, error) {
	m, err := readMark(ctx, j, clock)
	if err != nil || state(m) != moved {
		return "", err
	}
	return m.Value.To, nil
}
