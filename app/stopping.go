package app

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/guard"
)

// stopReportInterval is how often a long stop logs what it is waiting for.
const stopReportInterval = 5 * time.Second

// underway counts the work in progress that a stop waits for. It is complete before the
// gateway starts.
type underway struct {
	requests []func() int // in progress at the API
	calls    []func() int // in progress at providers
}

func (u *underway) attrs() []slog.Attr {
	return []slog.Attr{slog.Int("requests", sum(u.requests)), slog.Int("calls", sum(u.calls))}
}

func sum(counts []func() int) (n int) {
	for _, count := range counts {
		n += count()
	}
	return n
}

// stop calls end, and logs what it is waiting for until end returns.
func (u *underway) stop(log *slog.Logger, end func() error) error {
	began := time.Now()
	ctx := context.Background()
	log.LogAttrs(ctx, slog.LevelInfo, "stopping, once what is under way is done; a second signal ends it at once", u.attrs()...)
	done := make(chan error, 1)
	guard.Go(log, "stop", func() { done <- guard.Do(end) })
	ticker := time.NewTicker(stopReportInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			took := slog.Duration("took", time.Since(began).Round(time.Millisecond))
			if err != nil {
				log.LogAttrs(ctx, slog.LevelWarn, "stopped before all was done; the rest is taken up at the next start", took, slog.Any("error", err))
				return err
			}
			log.LogAttrs(ctx, slog.LevelInfo, "stopped; all that was under way is done", took)
			return nil
		case <-ticker.C:
			log.LogAttrs(ctx, slog.LevelInfo, "still stopping", u.attrs()...)
		}
	}
}
