package ports

import (
	"context"
	"errors"

	"patchbay/core/fault"
)

// Doubt keeps in mind that the outcome of a write is not known. It stays so until the
// write is done again and answered: that a later call was refused, or did not reach the
// store, says nothing of the first. The zero Doubt is none.
type Doubt struct{ first error }

// Over is what a failure comes to: itself, or UnknownOutcome where that was the outcome
// of a call before it.
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

// Edit is how something that a journal keeps is changed.
type Edit struct {
	// Try makes each call of the journal: Once or Insist.
	Try func(ctx context.Context, call func() error) error
	// Change makes the change to what was read last. It must not call anybody, and may be
	// called several times: it is a merge, so that twice is the same as once. Its error
	// ends the work.
	Change func() error
	// Save saves it, if it is still as it was read.
	Save func() error
	// Reload reads it again after a save that failed, as a Conflict or with an outcome
	// that is not known. final ends the work, since there is no use in another try: failed
	// itself, or what it comes to.
	Reload func(failed error) (final, err error)
}

// Update changes something until the change is saved: where somebody else was quicker, or
// the answer was lost, it is read again.
//
// Its errors are those of Change, final ones, and what the journal returns. Once a save
// had an outcome that is not known, no failure of the journal is less than that.
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
