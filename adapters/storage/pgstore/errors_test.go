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

// refused is what comes of connecting where nobody listens.
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

func TestKindOfAFailure(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "refused"} }
	for name, c := range map[string]struct {
		err         error
		read, write fault.Kind
	}{
		"no row":                           {pgx.ErrNoRows, fault.NotFound, fault.UnknownOutcome},
		"nobody listens":                   {refused(t), fault.Unavailable, fault.Unavailable},
		"nothing was sent":                 {unsent{errors.New("busy")}, fault.Unavailable, fault.Unavailable},
		"the connection was reset":         {&net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}, fault.Unavailable, fault.UnknownOutcome},
		"the time ran out":                 {context.DeadlineExceeded, fault.Unavailable, fault.UnknownOutcome},
		"what nobody knows":                {errors.New("odd"), fault.Unavailable, fault.UnknownOutcome},
		"what has a Kind, to a read":       {fault.New(fault.Internal, "scripted", ""), fault.Internal, fault.UnknownOutcome},
		"a unique value is taken":          {state("23505"), fault.Conflict, fault.Conflict},
		"a text that is none":              {state("22021"), fault.Invalid, fault.Invalid},
		"a letter that is none there":      {state("22P05"), fault.Invalid, fault.Invalid},
		"more than an index takes":         {state("54000"), fault.Invalid, fault.Invalid},
		"a standby":                        {state("25006"), fault.Unavailable, fault.Unavailable},
		"canceled":                         {state("57014"), fault.Unavailable, fault.Unavailable},
		"a wrong password":                 {state("28P01"), fault.Unauthorized, fault.Unauthorized},
		"no entry in pg_hba.conf":          {state("28000"), fault.Unauthorized, fault.Unauthorized},
		"a deadlock":                       {state("40P01"), fault.Unavailable, fault.Unavailable},
		"a conflict of transactions":       {state("40001"), fault.Unavailable, fault.Unavailable},
		"it says itself that it is unsure": {state("40003"), fault.Unavailable, fault.UnknownOutcome},
		"the disk is full":                 {state("53100"), fault.Unavailable, fault.Unavailable},
		"too many connections":             {state("53300"), fault.Unavailable, fault.Unavailable},
		"a lock that was not to be had":    {state("55P03"), fault.Unavailable, fault.Unavailable},
		"a number out of range":            {state("22003"), fault.Internal, fault.Internal},
		"another rule of the table":        {state("23502"), fault.Internal, fault.Internal},
		"no such table":                    {state("42P01"), fault.Internal, fault.Internal},
		"no right":                         {state("42501"), fault.Internal, fault.Internal},
		"the server is shut down":          {state("57P01"), fault.Unavailable, fault.UnknownOutcome},
		"the server has crashed":           {state("57P02"), fault.Unavailable, fault.UnknownOutcome},
		"the connection has failed":        {state("08006"), fault.Unavailable, fault.UnknownOutcome},
		"the disk has failed":              {state("58030"), fault.Unavailable, fault.UnknownOutcome},
		"a mistake in the server":          {state("XX000"), fault.Unavailable, fault.UnknownOutcome},
		"a state that is none":             {state(""), fault.Unavailable, fault.UnknownOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
				if got := fault.KindOf(readFault("op", err)); got != c.read {
					t.Errorf("a read: %s, want %s", got, c.read)
				}
				if got := fault.KindOf(writeFault("op", err)); got != c.write {
					t.Errorf("a write: %s, want %s", got, c.write)
				}
			}
		})
	}
	if readFault("op", nil) != nil || writeFault("op", nil) != nil {
		t.Error("no failure is none")
	}
}
