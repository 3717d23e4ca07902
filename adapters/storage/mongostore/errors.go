package mongostore

import (
	"errors"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
)

// readFault assigns a Kind to the error of a read, which has changed nothing.
func readFault(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return fault.Wrap(fault.NotFound, op, err)
	}
	return fault.Wrap(fault.Unavailable, op, err)
}

// writeFault assigns a Kind to the error of a write.
func writeFault(op string, err error) error {
	if err == nil {
		return nil
	}
	if mongo.IsDuplicateKeyError(err) {
		return table.ErrRecordConflict
	}
	return fault.Wrap(writeKind(err), op, err)
}

// Error codes of the server, from its error_codes.yml.
const (
	internalError     = 1
	unauthorized      = 13
	failedToLogin     = 18
	notWritable       = 10107
	notPrimaryNoSlave = 13435
	objectTooLarge    = 10334
	writeConflict     = 112
)

// writeKind returns Unavailable only if the write cannot have been executed: no server was
// found, no connection was available, or the server refused the command before it ran.
// After any other error the outcome is unknown.
func writeKind(err error) fault.Kind {
	var selection topology.ServerSelectionError
	var queue topology.WaitQueueTimeoutError
	var server mongo.ServerError
	switch {
	case errors.As(err, &selection), errors.As(err, &queue):
		return fault.Unavailable
	case errors.As(err, &server):
		return serverKind(server)
	}
	return fault.UnknownOutcome
}

func serverKind(err mongo.ServerError) fault.Kind {
	switch {
	case err.HasErrorCode(objectTooLarge):
		return fault.Invalid
	case err.HasErrorCode(unauthorized), err.HasErrorCode(failedToLogin),
		err.HasErrorCode(notWritable), err.HasErrorCode(notPrimaryNoSlave), err.HasErrorCode(writeConflict):
		return fault.Unavailable
	}
	return fault.UnknownOutcome
}

func isInternal(err error) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(internalError)
}
