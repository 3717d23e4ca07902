package emails

import (
	"context"
	"sync/atomic"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/ports"
)

// changers is how many messages of a batch are changed at once.
const changers = 8

// CancelBatch stops the messages of a batch that wait. What is being sent, or was sent, stays as it
// is, but is not tried again, nor split. The mark that says so is on disk before the first of the messages
// is canceled.
//
// NotFound; Unavailable, also while it is held: nothing is canceled; UnknownOutcome: repeat it.
func (s *Service) CancelBatch(ctx context.Context, tenant, id string) (BatchState, error) {
	b, err := s.openBatch(ctx, tenant, id)
	if err != nil {
		return BatchState{}, err
	}
	now := s.Clock.Now()
	if err := s.batches.Update(ctx, &b, func(b *batch) error { b.CanceledAt = now; return nil }); err != nil {
		return BatchState{}, err
	}
	err = s.changeWaiting(ctx, b.Batch, func(ctx context.Context, st stored) error {
		if st.message.Splitting {
			return s.splitNow(ctx, tenant, st.message.ID)
		}
		_, err := s.cancel(ctx, st)
		return err
	})
	var state BatchState
	if err == nil {
		state, err = s.GetBatch(ctx, tenant, id)
	}
	return state, partly("emails.CancelBatch", err)
}

// RescheduleBatch moves the messages of a batch that wait to another time, each as Reschedule does; one that is
// past means now. What is being sent, or does not wait any more, stays as it is. The batch shows the time once all
// of them are moved. A repeat goes on where the one before ended: what waits until that time is not written again.
//
// NotFound; Conflict with code unexpected_state: none of them waits; Invalid: as for Reschedule; Unavailable, also
// while it is held: nothing is moved; UnknownOutcome: some may be moved, repeat it.
func (s *Service) RescheduleBatch(ctx context.Context, tenant, id string, at time.Time) (BatchState, error) {
	b, err := s.openBatch(ctx, tenant, id)
	if err != nil {
		return BatchState{}, err
	}
	now := s.Clock.Now()
	at = latest(at, now)
	var there atomic.Int64 // those that wait until then, or may
	err = s.changeWaiting(ctx, b.Batch, func(ctx context.Context, st stored) (err error) {
		if !s.waitsFor(&st, at, now) || b.Cancels(&st.message) {
			_, err = s.change(ctx, st, "rescheduled", func(st *stored) error {
				st.message.BatchCanceledAt = b.CanceledAt
				return s.moveTo(st, at)
			})
		}
		if err == nil || fault.Is(err, fault.UnknownOutcome) {
			there.Add(1)
		}
		return err
	})
	switch {
	case err != nil && there.Load() == 0:
		return BatchState{}, err
	case err == nil && there.Load() == 0:
		return BatchState{}, fault.New(fault.Conflict, errState.Code, "no email of this batch waits")
	}
	if err == nil {
		err = s.batches.Update(ctx, &b, func(b *batch) error { b.SendAt = at; return nil })
	}
	var state BatchState
	if err == nil {
		state, err = s.GetBatch(ctx, tenant, id)
	}
	return state, partly("emails.RescheduleBatch", err)
}

// openBatch returns a batch that may be changed. NotFound; Unavailable, also while it is held.
func (s *Service) openBatch(ctx context.Context, tenant, id string) (batch, error) {
	b, err := s.batches.Get(ctx, tenant, id)
	if err == nil && b.record.Held {
		err = errHeld
	}
	return b, err
}

// waitsFor reports whether a message of a batch waits, as after a move to a time, which is now or later. What is
// due is not moved to a later now: that would never end, and would cost it its place among those that wait for room.
func (s *Service) waitsFor(st *stored, at, now time.Time) bool {
	m, due := &st.message, st.record.Due
	switch {
	case s.mayMove(st) != nil:
		return false
	case !at.After(now):
		return !due.After(now)
	}
	return due.Equal(at.Truncate(time.Microsecond)) && (m.SendAt.Equal(at) || wasAsked(m)) // as stores keep it
}

// changeWaiting passes the messages of a batch that wait to change, a few at once. A Conflict or NotFound of
// change says that a message does not wait any more. It returns another error of change, after which it ends soon,
// or one of the journal.
func (s *Service) changeWaiting(ctx context.Context, b email.Batch, change func(context.Context, stored) error) error {
	var page []stored
	changePage := func(int) error {
		defer func() { page = page[:0] }()
		return s.inParallel(len(page), func(i int) (err error) {
			st := page[i]
			if st.record.Partial {
				st, err = s.changeable(ctx, b.Tenant, st.record.ID)
			}
			if err == nil {
				err = change(ctx, st)
			}
			if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) { // it is being sent, split or erased
				return nil
			}
			return err
		})
	}
	return s.messages.Walk(ctx, b.Tenant, ports.Filter{Customer: b.ID, Status: string(email.Queued)}, changePage, func(st stored) error {
		page = append(page, st)
		return nil
	})
}

// inParallel calls do for each number below n, a few at once. After an error it begins no more calls; it returns the
// first one.
func (s *Service) inParallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var first atomic.Pointer[error]
	running := guard.Group{Log: s.Log}
	for range min(changers, n) {
		running.Go("batch", func() {
			for first.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := guard.Do(func() error { return do(i) }); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	running.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// partly returns the error of an operation that had changed something before: UnknownOutcome, unless a repeat
// would be of no use. No other may say that nothing was done.
func partly(op string, err error) error {
	if err == nil || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Internal) {
		return err
	}
	f := fault.Wrap(fault.UnknownOutcome, op, err)
	f.RetryAfter = fault.From(err).RetryAfter
	return f
}
