package mongostore

import "log/slog"

// driverLog receives the driver's log messages. The driver logs if environment variables such
// as MONGODB_LOG_ALL request it, by default to standard error. The values that come with a
// message may include a document, and are dropped.
type driverLog struct{}

// Info implements options.LogSink.
func (driverLog) Info(_ int, message string, _ ...any) {
	slog.Default().Info(message) //nolint:sloglint // the driver's own
}

// Error implements options.LogSink.
func (driverLog) Error(_ error, message string, _ ...any) {
	slog.Default().Error(message) //nolint:sloglint // the driver's own
}
