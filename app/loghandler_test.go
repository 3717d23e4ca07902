package app

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"patchbay/core/logging"
)

// Whoever reads the log notices no difference from the handlers of log/slog.
func TestLinesAreThoseOfSlog(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", "request", "two words", "a=b", `"quoted"`, `back\slash`, "tab\there", "line\nend", "\x00\x1f\x7f", "<a&b>", "ä", "日本", "\u2028\u2029", "\u00a0", "\u200b",
		"\xff\xfe", "half \xe2\x82", "\ufffd", "pay_0190", "/api/users/:id", "…", "e\u0301", "🙂",
	}
	values := []slog.Value{
		slog.IntValue(0), slog.IntValue(-200), slog.Int64Value(math.MinInt64), slog.Uint64Value(math.MaxUint64), slog.BoolValue(true), slog.BoolValue(false),
		slog.Float64Value(0.1), slog.Float64Value(1e21), slog.Float64Value(-3), slog.DurationValue(0), slog.DurationValue(1234567 * time.Nanosecond), slog.DurationValue(-time.Hour),
		slog.TimeValue(time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)), slog.TimeValue(time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.FixedZone("", -5*3600))),
	}
	for _, text := range texts {
		values = append(values, slog.StringValue(text))
	}
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelInfo + 1}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var attrs, with []slog.Attr
		for range random.IntN(8) {
			attrs = append(attrs, slog.Attr{Key: "k" + texts[random.IntN(len(texts))], Value: values[random.IntN(len(values))]})
		}
		for range random.IntN(3) {
			with = append(with, slog.Attr{Key: "w", Value: values[random.IntN(len(values))]})
		}
		at := time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).UTC()
		if random.IntN(50) == 0 {
			at = time.Time{}
		}
		r := slog.NewRecord(at, levels[random.IntN(len(levels))], texts[random.IntN(len(texts))], 0)
		r.AddAttrs(attrs...)
		for _, json := range []bool{false, true} {
			var got, want bytes.Buffer
			to := &lineBuffer{to: &got}
			options := &slog.HandlerOptions{Level: slog.LevelInfo}
			var std slog.Handler = slog.NewTextHandler(&want, options)
			if json {
				std = slog.NewJSONHandler(&want, options)
			}
			var own slog.Handler = &lineHandler{to: to, level: slog.LevelInfo, json: json, now: new(second)}
			std, own = std.WithAttrs(with), own.WithAttrs(with)
			if a, b := own.Enabled(t.Context(), r.Level), std.Enabled(t.Context(), r.Level); a != b {
				t.Fatalf("level %s is enabled: %t, want %t", r.Level, a, b)
			}
			if err := own.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			to.flush()
			if err := std.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Fatalf("got  %swant %s", &got, &want)
			}
		}
	}
}

// BenchmarkRequestLine is the line of a request as it is written, beside the same through
// the handlers of log/slog.
func BenchmarkRequestLine(b *testing.B) {
	secrets := []string{"sk_live_51HxAbCdEfGhIjKl", "whsec_0123456789abcdef", "SG.0123456789", "a-password-of-a-database"}
	held := &lineBuffer{to: io.Discard}
	for name, to := range map[string]slog.Handler{
		"text": &lineHandler{to: held, now: new(second)}, "json": &lineHandler{to: held, json: true, now: new(second)},
		"slog's text": slog.NewTextHandler(held, nil), "slog's json": slog.NewJSONHandler(held, nil),
	} {
		log := logging.New(to, secrets...).Logger
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logging.Request(log, slog.LevelInfo, []slog.Attr{
					slog.String("method", "GET"), slog.String("route", "/api/users/:id"), slog.Int("status", 200), slog.Duration("duration", 1234567),
					slog.String("request", "req_01k9x7m2v4t8q3w5"), slog.String("client", "127.0.0.1"), slog.String("tenant", "default"), slog.String("key", "local"),
				})
			}
		})
	}
}
