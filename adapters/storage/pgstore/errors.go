package pgstore

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"patchbay/core/fault"
)

// readFault assigns a Kind to the error of a read, which has changed nothing.
func readFault(op string, err error) error {
	var e *pgconn.PgError
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case nothing(err):
		return fault.Wrap(fault.NotFound, op, err)
	case errors.As(err, &e) && refusal(e.Code) != fault.UnknownOutcome:
		return fault.Wrap(refusal(e.Code), op, err)
	}
	return fault.Wrap(fault.Unavailable, op, err)
}

// writeFault assigns a Kind to the error of a write. A write that Postgres itself refuses
// has changed nothing, because each write is one statement. A write that was not sent has
// changed nothing, either. All other outcomes are unknown, also if the server ended, which
// may happen after the commit and before the answer.
func writeFault(op string, err error) error {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &connect), pgconn.SafeToRetry(err):
		return fault.Wrap(fault.Unavailable, op, err)
	case errors.As(err, &e):
		return fault.Wrap(refusal(e.Code), op, err)
	}
	return fault.Wrap(fault.UnknownOutcome, op, err)
}

// refusal returns the Kind for an error reported by Postgres, by its SQLSTATE (PostgreSQL's
// manual, appendix A).
func refusal(state string) fault.Kind {
	switch state {
	case "23505": // unique_violation
		return fault.Conflict
	case "22021", "22P05": // a text that is not valid in the database's encoding
		return fault.Invalid
	case "25006": // read_only_sql_transaction: a standby
		return fault.Unavailable
	case "57014": // query_canceled, before the commit
		return fault.Unavailable
	case "40003": // statement_completion_unknown
		return fault.UnknownOutcome
	}
	if len(state) < 2 {
		return fault.UnknownOutcome
	}
	switch state[:2] {
	case "28": // invalid authorization
		return fault.Unauthorized
	case "40", "53", "55": // rolled back, insufficient resources, lock not available
		return fault.Unavailable
	case "54": // the data exceeds a limit of the server
		return fault.Invalid
	case "22", "23", "42": // the statement or its data
		return fault.Internal
	}
	return fault.UnknownOutcome // 57P0x, 08, 58, XX: the server or the connection ended
}

// ousted reports whether an error means that the server does not accept writes: it is
// read-only, shutting down, or not started yet.
func ousted(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "25006", // read_only_sql_transaction
		"57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return true
	}
	return false
}
