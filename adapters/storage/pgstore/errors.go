package pgstore

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"patchbay/core/fault"
)

// readFault assigns a Kind to the error of a read, which has changed nothing.
func readFault(op string, err error) error {
	if err == nil {
		return nil // before anything that only an error needs
	}
	_, classified := errors.AsType[*fault.Error](err)
	e, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case classified:
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return fault.Wrap(fault.NotFound, op, err)
	case answered && refusal(e.Code) != fault.UnknownOutcome:
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

// refusals are the Kinds of errors reported by Postgres, by their SQLSTATE or, with two
// characters, by its class (PostgreSQL's manual, appendix A). After any other error the
// outcome is unknown: the server or the connection has ended (57P0x, 08, 58, XX).
var refusals = map[string]fault.Kind{
	"22021": fault.Invalid,        // character_not_in_repertoire: a text that is not valid in the database's encoding
	"22P05": fault.Invalid,        // untranslatable_character: the same
	"23505": fault.Conflict,       // unique_violation
	"25006": fault.Unavailable,    // read_only_sql_transaction: a standby
	"40003": fault.UnknownOutcome, // statement_completion_unknown
	"57014": fault.Unavailable,    // query_canceled, before the commit
	"22":    fault.Internal,       // the data of the statement
	"23":    fault.Internal,       // a constraint
	"28":    fault.Unauthorized,
	"40":    fault.Unavailable, // rolled back
	"42":    fault.Internal,    // the statement
	"53":    fault.Unavailable, // insufficient resources
	"54":    fault.Invalid,     // the data exceeds a limit of the server
	"55":    fault.Unavailable, // lock not available
}

// refusal returns the Kind of an error by its SQLSTATE.
func refusal(state string) fault.Kind {
	for _, key := range []string{state, state[:min(2, len(state))]} {
		if kind, ok := refusals[key]; ok {
			return kind
		}
	}
	return fault.UnknownOutcome
}

// readOnly reports whether an error means that the server does not accept writes: it is a
// standby, shutting down, or not started yet.
func readOnly(err error) bool {
	var e *pgconn.PgError
	// read_only_sql_transaction, admin_shutdown, crash_shutdown, cannot_connect_now
	return errors.As(err, &e) && slices.Contains([]string{"25006", "57P01", "57P02", "57P03"}, e.Code)
}
