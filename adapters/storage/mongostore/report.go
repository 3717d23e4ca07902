package mongostore

import (
	"log/slog"
)

// report receives the driver's log messages. The driver logs if environment variables such
// as MONGODB_LOG_ALL request it, by default to standard error. The values that come with a
// message may include a document, and are dropped.
type report struct{}

// Info implements options.LogSink.
func (report) Info(_ int, words string, _ ...any) {
	slog.Default().Info(words) //nolint:sloglint // the driver's own
}

// Error implements options.LogSink.
func (report) Error(_ error, words string, _ ...any) {
	slog.Default().Error(words) //nolint:sloglint // the driver's own
}
