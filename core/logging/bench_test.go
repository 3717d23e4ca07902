package logging_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"patchbay/core/logging"
)

// requestLine writes what the API writes of each request.
func requestLine(log *slog.Logger) {
	log.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("method", "POST"), slog.String("route", "/api/payments"), slog.Int("status", 201), slog.Duration("duration", 1234567*time.Nanosecond),
		slog.String("request", "req_06h2c8a9qds55fph680tjrzfg8"), slog.String("tenant", "default"), slog.String("key", "key_06h2c8a9qds55fph680tjrzfg8"))
}

// What a line costs, beside the same line through slog alone.
func BenchmarkRequestLine(b *testing.B) {
	secrets := []string{"sk_live_51HxAbCdEfGhIjKl", "whsec_0123456789abcdef", "SG.0123456789", "a-password-of-a-database"}
	plain := slog.NewTextHandler(io.Discard, nil) //nolint:sloglint // it formats the line, which is what is measured
	for name, log := range map[string]*slog.Logger{"slog": slog.New(plain), "cleaned": logging.New(plain, secrets...).Logger} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				requestLine(log)
			}
		})
	}
}
