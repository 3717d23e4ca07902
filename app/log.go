package app

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"patchbay/config"
	"patchbay/core/guard"
	"patchbay/core/logging"
)

const (
	bufferTime  = 5 * time.Millisecond
	bufferLimit = 256 << 10 // bytes
)

// logger returns a log with the configured level and format that contains no secrets of the
// configuration. The lines of requests are written within 5 ms, or when flush is called.
func logger(c *config.Config, out io.Writer) (l logging.Log, flush func()) {
	to := &lineBuffer{to: out}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // the configuration has checked it
	}
	options := &slog.HandlerOptions{Level: level}
	var format slog.Handler = slog.NewTextHandler(to, options)
	if c.Log.Format == "json" {
		format = slog.NewJSONHandler(to, options)
	}
	return logging.New(lineHandler{format, to}, c.Secrets()...), to.flush
}

// lineHandler writes a line out at once, together with the lines before it, unless it is the
// line of a request: the process may end because of what the line reports, and an action must
// not go unlogged. Request lines are frequent, and losing those of the last 5 ms before a kill
// is acceptable.
type lineHandler struct {
	slog.Handler // writes to buffer
	buffer       *lineBuffer
}

// Handle implements slog.Handler.
func (l lineHandler) Handle(ctx context.Context, r slog.Record) error {
	err := l.Handler.Handle(ctx, r)
	if r.Message != logging.RequestLine || l.buffer.full() {
		l.buffer.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (l lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lineHandler{l.Handler.WithAttrs(attrs), l.buffer}
}

// WithGroup implements slog.Handler.
func (l lineHandler) WithGroup(name string) slog.Handler {
	return lineHandler{l.Handler.WithGroup(name), l.buffer}
}

// lineBuffer buffers lines for up to 5 ms and writes them together: writing the line of each
// request separately takes longer than building it. A caller waits for the output only when
// the buffer exceeds bufferLimit.
type lineBuffer struct {
	to io.Writer

	mu     sync.Mutex
	lines  []byte
	output sync.Mutex // held by the goroutine that writes; acquired before mu
	spare  []byte
}

// Write implements io.Writer. It never waits for the output.
func (h *lineBuffer) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.lines) == 0 {
		time.AfterFunc(bufferTime, func() { _ = guard.Do(func() error { h.flush(); return nil }) })
	}
	h.lines = append(h.lines, line...)
	return len(line), nil
}

// full reports whether the buffer exceeds bufferLimit.
func (h *lineBuffer) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.lines) > bufferLimit
}

// flush writes the buffered lines.
func (h *lineBuffer) flush() {
	h.output.Lock()
	defer h.output.Unlock()
	h.mu.Lock()
	out := h.lines
	h.lines = h.spare[:0]
	h.mu.Unlock()
	if len(out) > 0 {
		_, _ = h.to.Write(out) // there is nowhere to report the error
	}
	h.spare = out
}
