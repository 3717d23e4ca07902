package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"patchbay/core/fault"
)

// unsent is how pgx marks what failed before anything was sent.
type unsent struct{ error }

func (unsent) SafeToRetry() bool { return true }

// refused returns the error of connecting to a port on which nobody listens.
func refused(t *testing.T) error {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=nobody database=none sslmode=disable", address.Port))
	if err == nil {
		t.Fatal("somebody listens")
	}
	return err
}

func TestKindsOfFailures(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "refused"} }
	for name, c := range map[string]struct {
		err         error
		read, write fault.Kind
	}{
		"no row":                              {pgx.ErrNoRows, fault.NotFound, fault.UnknownOutcome},
		"a connection refused":                {refused(t), fault.Unavailable, fault.Unavailable},
		"nothing was sent":                    {unsent{errors.New("busy")}, fault.Unavailable, fault.Unavailable},
		"the connection was reset":            {&net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}, fault.Unavailable, fault.UnknownOutcome},
		"a deadline exceeded":                 {context.DeadlineExceeded, fault.Unavailable, fault.UnknownOutcome},
		"an error of another type":            {errors.New("odd"), fault.Unavailable, fault.UnknownOutcome},
		"an error with a Kind":                {fault.New(fault.Internal, "scripted", ""), fault.Internal, fault.UnknownOutcome},
		"a unique value is taken":             {state("23505"), fault.Conflict, fault.Conflict},
		"a text that is not valid UTF-8":      {state("22021"), fault.Invalid, fault.Invalid},
		"a character that the encoding lacks": {state("22P05"), fault.Invalid, fault.Invalid},
		"data that exceeds a server limit":    {state("54000"), fault.Invalid, fault.Invalid},
		"a standby":                           {state("25006"), fault.Unavailable, fault.Unavailable},
		"canceled":                            {state("57014"), fault.Unavailable, fault.Unavailable},
		"a wrong password":                    {state("28P01"), fault.Unauthorized, fault.Unauthorized},
		"no entry in pg_hba.conf":             {state("28000"), fault.Unauthorized, fault.Unauthorized},
		"a deadlock":                          {state("40P01"), fault.Unavailable, fault.Unavailable},
		"a conflict of transactions":          {state("40001"), fault.Unavailable, fault.Unavailable},
		"completion of the statement unknown": {state("40003"), fault.Unavailable, fault.UnknownOutcome},
		"the disk is full":                    {state("53100"), fault.Unavailable, fault.Unavailable},
		"too many connections":                {state("53300"), fault.Unavailable, fault.Unavailable},
		"a lock that is not available":        {state("55P03"), fault.Unavailable, fault.Unavailable},
		"a number out of range":               {state("22003"), fault.Internal, fault.Internal},
		"another constraint of the table":     {state("23502"), fault.Internal, fault.Internal},
		"no such table":                       {state("42P01"), fault.Internal, fault.Internal},
		"insufficient privilege":              {state("42501"), fault.Internal, fault.Internal},
		"the server is shut down":             {state("57P01"), fault.Unavailable, fault.UnknownOutcome},
		"the server has crashed":              {state("57P02"), fault.Unavailable, fault.UnknownOutcome},
		"the connection has failed":           {state("08006"), fault.Unavailable, fault.UnknownOutcome},
		"the disk has failed":                 {state("58030"), fault.Unavailable, fault.UnknownOutcome},
		"an internal error of the server":     {state("XX000"), fault.Unavailable, fault.UnknownOutcome},
		"an empty SQLSTATE":                   {state(""), fault.Unavailable, fault.UnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
				if got := fault.KindOf(readFault("op", err)); got != c.read {
					t.Errorf("kind of a failed read = %s, want %s (%v)", got, c.read, err)
				}
				if got := fault.KindOf(writeFault("op", err)); got != c.write {
					t.Errorf("kind of a failed write = %s, want %s (%v)", got, c.write, err)
				}
			}
		})
	}
	if err := errors.Join(readFault("op", nil), writeFault("op", nil)); err != nil {
		t.Errorf("error without a failure = %v, want nil", err)
	}
}
