package mongostore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"patchbay/core/fault"
)

func TestKindsOfFailures(t *testing.T) {
	t.Parallel()
	command := func(code int32) error { return mongo.CommandError{Code: code, Message: "refused"} }
	for name, c := range map[string]struct {
		err         error
		read, write fault.Kind
	}{
		"no document":              {mongo.ErrNoDocuments, fault.NotFound, fault.UnknownOutcome},
		"no server was found":      {topology.ServerSelectionError{Wrapped: errors.New("none")}, fault.Unavailable, fault.Unavailable},
		"no connection was free":   {topology.WaitQueueTimeoutError{Wrapped: context.DeadlineExceeded}, fault.Unavailable, fault.Unavailable},
		"not the primary":          {command(notWritable), fault.Unavailable, fault.Unavailable},
		"no primary, by old code":  {command(notPrimaryNoSlave), fault.Unavailable, fault.Unavailable},
		"a wrong password":         {command(failedToLogin), fault.Unavailable, fault.Unavailable},
		"no right to write":        {command(unauthorized), fault.Unavailable, fault.Unavailable},
		"a conflict of writes":     {command(writeConflict), fault.Unavailable, fault.Unavailable},
		"a document beyond 16 MB":  {command(objectTooLarge), fault.Unavailable, fault.Invalid},
		"a unique value is taken":  {mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000}}}, fault.Unavailable, fault.Conflict},
		"an internal error":        {command(internalError), fault.Unavailable, fault.UnknownOutcome},
		"interrupted at shutdown":  {command(11600), fault.Unavailable, fault.UnknownOutcome},
		"no majority acknowledged": {mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}, fault.Unavailable, fault.UnknownOutcome},
		"the connection was reset": {mongo.CommandError{Labels: []string{"NetworkError"}, Wrapped: &net.OpError{Op: "read", Err: io.EOF}}, fault.Unavailable, fault.UnknownOutcome},
		"a deadline exceeded":      {context.DeadlineExceeded, fault.Unavailable, fault.UnknownOutcome},
		"an error of another type": {errors.New("odd"), fault.Unavailable, fault.UnknownOutcome},
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
