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
	text := func() slog.Handler { return slog.NewTextHandler(struct{ io.Writer }{io.Discard}, nil) } // it writes its text
	for name, log := range map[string]*slog.Logger{"cleaned": New(text(), "a secret of ours", "another secret").Logger, "as it is": slog.New(text())} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("method", "POST"), slog.String("route", "/api/payments/:id/refunds"),
					slog.Int("status", 201), slog.Duration("duration", 3*time.Millisecond), slog.String("request", "req_06h2c50wqsrj78vdkj099fkkq8"),
					slog.String("client", "192.0.2.1"), slog.String("tenant", "default"), slog.String("key", "key_06h2c50wqsrj78vdkj099fkkq8"))
			}
		})
	}
}
