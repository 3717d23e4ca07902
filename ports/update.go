package ports

import (
	"context"
	"errors"

	"patchbay/core/fault"
)

// Doubt remembers that the outcome of a write is unknown. It stays unknown until the write is
// repeated and acknowledged: a later call that was refused, or did not reach the store, says
// nothing about the first one. The zero Doubt has no unknown outcome.
type Doubt struct{ first error }

// Over returns err, or UnknownOutcome if that was the outcome of an earlier call.
func (d *Doubt) Over(err error) error {
	switch {
	case err == nil, d.first == nil && !fault.Is(err, fault.UnknownOutcome):
		return err
	case d.first == nil:
		d.first = err
		return err
	case fault.Is(err, fault.UnknownOutcome):
		return err
	}
	f := *fault.From(d.first)
	f.Kind, f.RetryAfter, f.Err = fault.UnknownOutcome, fault.From(err).RetryAfter, errors.Join(d.first, err)
	return &f
}

// Edit describes a change of something that a journal stores.
type Edit struct {
	// Try makes each call of the journal: Once or Insist.
	Try func(ctx context.Context, call func() error) error
	// Change changes what was read last. It must not make any calls, and may be called several
	// times, so it must be idempotent, like a merge. Its error ends the update.
	Change func() error
	// Save saves the change if the stored version is still the one that was read.
	Save func() error
	// Reload rereads after a save that failed with Conflict or UnknownOutcome. A non-nil final
	// ends the update, because another try is useless: it is failed itself, or the error to return
	// instead.
	Reload func(failed error) (final, err error)
}

// Update applies a change until it is saved: after a conflict with another writer, or a lost
// response, it rereads and tries again.
//
// It returns the errors of Change, final errors, and the errors of the journal. Once a save had
// an unknown outcome, every later failure of the journal is UnknownOutcome too.
func Update(ctx context.Context, e Edit) error {
	var doubt Doubt
	for {
		if err := e.Change(); err != nil {
			return err
		}
		failed := e.Try(ctx, e.Save)
		err := doubt.Over(failed)
		if !fault.Is(failed, fault.Conflict) && !fault.Is(failed, fault.UnknownOutcome) || ctx.Err() != nil {
			return err
		}
		var final error
		rerr := e.Try(ctx, func() (rerr error) {
			final, rerr = e.Reload(failed)
			return rerr
		})
		switch {
		case rerr != nil:
			return doubt.Over(rerr)
		case final != nil && final == failed: //nolint:errorlint // this very one
			return err
		case final != nil:
			return final
		}
	}
}
