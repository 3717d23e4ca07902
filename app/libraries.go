package app

import (
	"context"
	"log/slog"
	"regexp"
	"strings"

	fiberlog "github.com/gofiber/fiber/v2/log"

	"patchbay/core/logging"
)

// captureLibraryLogs sends the log output of libraries to the gateway's log. It sets the default
// logger of slog, and with it the output of package log, to which net/http and goose write.
// Packages wire and mongostore redirect fasthttp and the MongoDB driver there, which would
// otherwise write to standard error. captureLibraryLogs must be called before any of these is
// created. The other libraries (sqlite, pgx, the clients of providers, fx) do not log.
func captureLibraryLogs(log *slog.Logger) {
	h := newReports(log)
	slog.SetDefault(slog.New(h))
	fiberlog.SetOutput(slog.NewLogLogger(h, slog.LevelWarn).Writer())
}

// reports is a handler that logs the messages of libraries. It removes quoted text, which
// may be part of a request body. A library may repeat a message without end, so repetitions
// are collapsed.
type reports struct{ to *logging.Repeated }

func newReports(log *slog.Logger) reports {
	return reports{&logging.Repeated{Log: log, Level: slog.LevelWarn, Text: "a library reports"}}
}

// Enabled implements slog.Handler.
func (reports) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h reports) Handle(ctx context.Context, r slog.Record) error {
	words := strings.TrimSpace(quoted.ReplaceAllString(r.Message, `"…"`))
	h.to.Note(ctx, digits.ReplaceAllString(words, ""), slog.String("words", words))
	return nil
}

// quoted matches quoted text, also if the closing quote is missing.
var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*(?:\"|$)|`[^`]*(?:`|$)")

// digits are those of a port or a time, by which repetitions of a message differ.
var digits = regexp.MustCompile(`\p{Nd}`)

// WithAttrs implements slog.Handler. Attributes that a library adds are dropped.
func (h reports) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h reports) WithGroup(string) slog.Handler { return h }
