package logging

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// BenchmarkLine is what a request costs by its line, beside what log/slog takes for it.
func BenchmarkLine(b *testing.B) {
	plain := slog.New(slog.NewTextHandler(io.Discard, nil))
	for name, log := range map[string]*slog.Logger{"cleaned": New(slog.NewTextHandler(io.Discard, nil), "a secret of ours", "another secret").Logger, "as it is": plain} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("method", "POST"), slog.String("route", "/api/payments/:id/refunds"),
					slog.Int("status", 201), slog.Duration("duration", 3*time.Millisecond), slog.String("request", "req_06h2c50wqsrj78vdkj099fkkq8"),
					slog.String("client", "192.0.2.1"), slog.String("tenant", "default"), slog.String("key", "key_06h2c50wqsrj78vdkj099fkkq8"))
			}
		})
	}
}
