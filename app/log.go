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
	holdFor  = 5 * time.Millisecond
	holdMost = 256 << 10 // bytes
)

// logger writes as the configuration says, and none of its secrets. The lines of requests
// are written within 5 ms, or by flush.
func logger(c *config.Config, out io.Writer) (l logging.Log, flush func()) {
	to := &heldLines{to: out}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // the configuration has checked it
	}
	return logging.New(&lineHandler{to: to, level: level, json: c.Log.Format == "json", now: new(second)}, c.Secrets()...), to.flush
}

// heldLines hands on what is written to it up to 5 ms later, many lines at once: to write
// the line of each request by itself takes longer than to make it. Whoever writes waits for
// the output only where that is far behind.
type heldLines struct {
	to io.Writer

	mu     sync.Mutex
	lines  []byte
	output sync.Mutex // held by who hands on; taken before mu
	spare  []byte
}

// Write implements io.Writer.
func (h *heldLines) Write(line []byte) (int, error) {
	switch held := h.hold(line); {
	case held == len(line): // the first
		time.AfterFunc(holdFor, func() { _ = guard.Do(func() error { h.flush(); return nil }) })
	case held > holdMost:
		h.flush()
	}
	return len(line), nil
}

// hold keeps a line, and returns how many bytes are held with it.
func (h *heldLines) hold(line []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line...)
	return len(h.lines)
}

// flush hands on what is held.
func (h *heldLines) flush() {
	h.output.Lock()
	defer h.output.Unlock()
	h.mu.Lock()
	out := h.lines
	h.lines = h.spare[:0]
	h.mu.Unlock()
	if len(out) > 0 {
		_, _ = h.to.Write(out) // nobody else can be told
	}
	h.spare = out
}
