package app

import (
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
	return logging.New(&lineHandler{to: to, level: level, json: c.Log.Format == "json", now: new(second)}, c.Secrets()...), to.flush
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

// Write implements io.Writer.
func (h *lineBuffer) Write(line []byte) (int, error) {
	switch held := h.add(line); {
	case held == len(line): // the first line in the buffer
		time.AfterFunc(bufferTime, func() { _ = guard.Do(func() error { h.flush(); return nil }) })
	case held > bufferLimit:
		h.flush()
	}
	return len(line), nil
}

// add appends a line to the buffer, and returns the buffer's size in bytes.
func (h *lineBuffer) add(line []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line...)
	return len(h.lines)
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
