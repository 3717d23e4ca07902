package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"patchbay/core/fault"
)

// classify assigns a Kind to an error of SQLite. All these errors occur before the commit;
// an error of the commit itself is an UnknownOutcome.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, classified := errors.AsType[*fault.Error](err); classified {
		return err
	}
	return fault.Wrap(kindOf(err), op, err)
}

func kindOf(err error) fault.Kind {
	var e *sqlite.Error
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.NotFound
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Unavailable
	case !errors.As(err, &e):
		return fault.Unavailable
	}
	switch e.Code() & 0xff { // the primary code; the other bits only refine it
	case lib.SQLITE_CONSTRAINT:
		return fault.Conflict
	case lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE:
		return fault.Invalid
	case lib.SQLITE_ERROR, lib.SQLITE_MISUSE, lib.SQLITE_INTERNAL:
		return fault.Internal
	}
	return fault.Unavailable // busy, locked, full, read-only, I/O, memory, corrupt
}
