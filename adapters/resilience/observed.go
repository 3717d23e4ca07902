package resilience

import (
	"context"

	"patchbay/core/fault"
)

// observed reports the calls of a store that has no policy because it is on this machine.
type observed struct {
	provider string
	observe  func(Event)
}

// Observe decorates an open store, and reports each of its calls. It neither bounds nor
// retries calls.
func Observe(name string, store Store, observe func(Event)) *Storage {
	s := &Storage{observed: &observed{name, observe}}
	s.store.Store(&store)
	return s
}

// note reports how a call ended. A failure that counts against the store gets the store's
// name.
func (o *observed) note(ctx context.Context, op string, err error) error {
	e := Event{Provider: o.provider, Op: op, Decision: Tried, Attempt: 1}
	if err != nil {
		if f := fault.From(err); blames(f) && ctx.Err() == nil {
			e.Counts, err = true, named(err, f, o.provider)
		}
		e.Failed, e.Kind, e.Err = true, fault.KindOf(err), err
	}
	o.observe(e)
	return err
}

// named sets the provider's name in a failure, whose first fault is f, if it has none.
func named(err error, f *fault.Error, provider string) error {
	if f.Provider != "" {
		return err
	}
	one := *f
	one.Provider = provider
	if err != error(f) { //nolint:errorlint // what stands around it is told, too
		one.Op, one.Err = "", err
	}
	return &one
}
