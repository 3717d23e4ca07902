package app

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"unicode"

	fiberlog "github.com/gofiber/fiber/v2/log"

	"patchbay/core/logging"
)

// hearLibraries has what libraries write by themselves come into the gateway's log. That is
// slog's default from here on, and the output of the package log with it: net/http and
// goose write there, and wire and mongostore have fasthttp and the driver do so, which
// would write to the standard error. It must be called before any of these is made. The
// others are quiet: sqlite, pgx, the clients of providers, fx.
func hearLibraries(log *slog.Logger) {
	h := newReports(log)
	slog.SetDefault(slog.New(h))
	fiberlog.SetOutput(slog.NewLogLogger(h, slog.LevelWarn).Writer())
}

// reports is a handler that writes down what libraries say: their own words, and nothing
// that they quote, which may be a part of a body. A library may repeat itself for ever.
type reports struct{ to *logging.Repeated }

func newReports(log *slog.Logger) reports {
	return reports{&logging.Repeated{Log: log, Level: slog.LevelWarn, Text: "a library reports"}}
}

// Enabled implements slog.Handler.
func (reports) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h reports) Handle(ctx context.Context, r slog.Record) error {
	words := strings.TrimSpace(quoted.ReplaceAllString(r.Message, `"…"`))
	same := strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) { // a port, or a time
			return -1
		}
		return c
	}, words)
	h.to.Note(ctx, same, slog.String("words", words))
	return nil
}

// quoted is what stands in quotes, also where the second is missing.
var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*(?:\"|$)|`[^`]*(?:`|$)")

// WithAttrs implements slog.Handler. What else a library adds to its words is left out.
func (h reports) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h reports) WithGroup(string) slog.Handler { return h }
