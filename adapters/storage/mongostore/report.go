package mongostore

import (
	"log/slog"
)

// report takes what the driver says of itself, which it does where variables of the
// environment ask for it, such as MONGODB_LOG_ALL, and would write to the standard error.
// What goes with the words may be a document, and is left out.
type report struct{}

// Info implements options.LogSink.
func (report) Info(_ int, words string, _ ...any) {
	slog.Default().Info(words) //nolint:sloglint // the driver's own
}

// Error implements options.LogSink.
func (report) Error(_ error, words string, _ ...any) {
	slog.Default().Error(words) //nolint:sloglint // the driver's own
}
