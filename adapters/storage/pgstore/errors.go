package pgstore

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"patchbay/core/fault"
)

// readFault gives a failed read its Kind: nothing was to be written.
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

// writeFault gives a failed write its Kind. What Postgres itself refuses has left
// no trace: each write is one statement. What was not sent has not, either. All
// else is unknown: also the end of the server, which may come after the commit
// and before the answer.
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

// refusal is the Kind of an error that Postgres tells, by its SQLSTATE
// (PostgreSQL's manual, appendix A).
func refusal(state string) fault.Kind {
	switch state {
	case "23505": // unique_violation
		return fault.Conflict
	case "22021", "22P05": // a text that is none in the database's encoding
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
	case "40", "53", "55": // rolled back, no resources, a lock that was not to be had
		return fault.Unavailable
	case "54": // what is to be stored is beyond a limit of the server
		return fault.Invalid
	case "22", "23", "42": // the statement or its data
		return fault.Internal
	}
	return fault.UnknownOutcome // 57P0x, 08, 58, XX: the server or the connection ended
}

// ousted reports whether an error says that the server is not the one to write to: it
// only reads, it is going down, or it is not up yet.
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
