package record

import (
	"context"
	"errors"
	"time"

	"patchbay/core/fault"
)

// ErrUnchanged is returned by a change that has nothing to save: the update ends without an error.
var ErrUnchanged = errors.New("nothing is to be saved")

const (
	insistEvery = 200 * time.Millisecond
	// grace is how long a response may be delayed to make it a better one.
	grace = time.Second
)

// Grace returns a context that ends in one second, even if ctx has ended. It is used to look up
// the outcome of a write whose response was lost, and to read from a fallback.
func Grace(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), grace)
}

// Insisting returns the Repository with updates that repeat each call of the journal while it
// fails as Unavailable, until their context ends. They save an outcome that would otherwise be
// lost, and so unknown.
func (r Repository[T]) Insisting() Repository[T] {
	r.insisting = true
	return r
}

// Insert saves a new v. If the outcome is unknown, it reads what is stored under the name of v,
// within Grace. same returns nil if that is from the same request; v becomes it then.
func (r Repository[T]) Insert(ctx context.Context, v *T, same func(stored *T) error) error {
	err := r.Save(ctx, v)
	if !fault.Is(err, fault.UnknownOutcome) {
		return err
	}
	ctx, cancel := Grace(ctx)
	defer cancel()
	stored, rerr := r.Get(ctx, r.Record(v).Tenant, r.Record(v).ID)
	if rerr != nil {
		return err
	}
	if err := same(&stored); err != nil {
		return err
	}
	r.replace(v, stored)
	return nil
}

// Update applies a change to v until it is saved: after a conflict with another writer, or a lost
// response, it reads v again and repeats the change. The change must be idempotent, like a merge.
// Its error ends the update, without a save; ErrUnchanged ends it without an error.
//
// Another try is useless, and the error is returned, if the record is Held, or if there was a
// Conflict though nobody else has changed it: then its new Idem or Ref belongs to another record.
//
// It returns the errors of change and of the journal. Once a save had an unknown outcome, every
// later failure of the journal is UnknownOutcome too. After an error v is what could not be
// saved, or what was read last.
func (r Repository[T]) Update(ctx context.Context, v *T, change func(*T) error) error {
	return r.update(ctx, v, r.Get, change)
}

// Put is Update for a record that may not be stored yet. It reads the record by Open.
func (r Repository[T]) Put(ctx context.Context, tenant, id string, change func(*T) error) (v T, err error) {
	err = r.call(ctx, func() (err error) { v, err = r.Open(ctx, tenant, id); return err })
	if err == nil {
		err = r.update(ctx, &v, r.Open, change)
	}
	return v, err
}

func (r Repository[T]) update(ctx context.Context, v *T, read func(ctx context.Context, tenant, id string) (T, error), change func(*T) error) error {
	var before uncertainty
	for {
		if err := change(v); errors.Is(err, ErrUnchanged) {
			return nil
		} else if err != nil {
			return err
		}
		failed := r.call(ctx, func() error { return r.Save(ctx, v) })
		err, conflict := before.result(failed), fault.Is(failed, fault.Conflict)
		if !conflict && !fault.Is(failed, fault.UnknownOutcome) || ctx.Err() != nil {
			return err
		}
		was := *r.Record(v)
		var fresh T
		rerr := r.call(ctx, func() (err error) { fresh, err = read(ctx, was.Tenant, was.ID); return err })
		if rerr != nil {
			return before.result(rerr)
		}
		now := r.Record(&fresh)
		if now.Held {
			return err
		}
		taken := conflict && now.Rev == was.Rev && (now.Idem != was.Idem || now.Ref != was.Ref)
		if taken && r.Taken != nil {
			err = r.Taken(v)
		}
		if r.replace(v, fresh); taken {
			return err
		}
	}
}

// replace replaces v by what was read again.
func (r Repository[T]) replace(v *T, fresh T) {
	if r.Keep != nil {
		r.Keep(v, &fresh)
	}
	*v = fresh
}

// call makes a call of the journal, or several if the Repository is Insisting.
func (r Repository[T]) call(ctx context.Context, call func() error) error {
	if !r.insisting {
		return call()
	}
	ticker := time.NewTicker(insistEvery)
	defer ticker.Stop()
	for {
		err := call()
		if !fault.Is(err, fault.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// uncertainty remembers that the outcome of a write is unknown. It stays unknown until the write is
// repeated and acknowledged: a later call that was refused, or did not reach the store, says
// nothing about the first one. The zero doubt has no unknown outcome.
type uncertainty struct{ first error }

// result returns err, or UnknownOutcome if that was the outcome of an earlier call.
func (d *uncertainty) result(err error) error {
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
