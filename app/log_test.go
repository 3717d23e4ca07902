package app

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/config"
	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// held is a log, where it is written, and what has it written at once.
type held struct {
	*slog.Logger
	page  *testlog.Buffer
	flush func()
}

func TestRequestLinesAreBufferedForFiveMilliseconds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		write func(*testing.T, *held)
		want  int // lines that are written
	}{
		"the line of a request is not written at once":              {func(_ *testing.T, h *held) { h.Info("request") }, 0},
		"a line written by Request is not written at once":          {func(_ *testing.T, h *held) { logging.Request(h.Logger, slog.LevelInfo, nil) }, 0},
		"the line of a request is written after 5 ms":               {func(_ *testing.T, h *held) { h.Info("request"); <-time.After(5 * time.Millisecond); synctest.Wait() }, 1},
		"another line is written at once, with all lines before it": {func(_ *testing.T, h *held) { h.Info("request"); h.Info("administrative act") }, 2},
		"a line of a logger with attributes is written at once":     {func(_ *testing.T, h *held) { h.With("provider", "first").WithGroup("g").Warn("outage begins") }, 1},
		"flush writes the line of a request":                        {func(_ *testing.T, h *held) { h.Info("request"); h.flush() }, 1},
		"a full buffer is written at once": {func(t *testing.T, h *held) {
			for strings.Count(h.page.String(), "\n") == 0 {
				h.Info("request", "words", strings.Repeat("a", 100))
			}
			if n := strings.Count(h.page.String(), "\n"); n < 1000 || n > 3000 {
				t.Errorf("got %d lines at once, want 1000 to 3000", n)
			}
			h.page.Take()
		}, 0},
		"the line of a request after a flush is written after 5 ms": {func(_ *testing.T, h *held) {
			h.Info("administrative act")
			h.Info("request")
			<-time.After(5 * time.Millisecond)
			synctest.Wait()
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				page := new(testlog.Buffer)
				l, flush := logger(&config.Config{Log: config.Log{Level: "info", Format: "text"}}, page)
				tt.write(t, &held{l.Logger, page, flush})
				if got := strings.Count(page.String(), "\n"); got != tt.want {
					t.Errorf("%d lines of %d:\n%s", got, tt.want, page)
				}
			})
		})
	}
}

// What the API writes of a request holds no more than any other line, and says who asked.
func TestARequestLineIsRedacted(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		page := new(testlog.Buffer)
		l, flush := logger(&config.Config{Log: config.Log{Level: "info", Format: format}}, page)
		logging.Request(l.Logger, slog.LevelInfo, []slog.Attr{
			slog.String("request", "ada@example.com"), slog.String("route", "/api/users/:id"), slog.Int("status", 200), slog.String("recipient", "ada"),
		})
		flush()
		line := page.String()
		if strings.Contains(line, "ada") || !strings.Contains(line, "/api/users/:id") || !strings.Contains(line, "200") || strings.Count(line, "[withheld]") != 2 {
			t.Errorf("%s: line = %s, want the route and the status, and two values withheld", format, line)
		}
	}
}
