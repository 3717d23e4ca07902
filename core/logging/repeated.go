package logging

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"patchbay/core/guard"
)

// Repeated logs an event that may happen very often: the first occurrence at once, and then one
// line per minute with their number, as long as there are any.
type Repeated struct {
	Log   *slog.Logger
	Level slog.Level
	Text  string

	mu  sync.Mutex
	all map[string]*repetition
}

// maxRepetitions limits the number of keys; further keys are counted under "other".
const maxRepetitions = 64

type repetition struct {
	count int // since the last line
	attrs []slog.Attr
}

// Note records an occurrence. Occurrences with the same key are counted together; their line has
// the attributes of the first, or of the latest, of them.
func (r *Repeated) Note(ctx context.Context, key string, attrs ...slog.Attr) {
	r.mu.Lock()
	if r.all == nil {
		r.all = make(map[string]*repetition)
	}
	if r.all[key] == nil && len(r.all) >= maxRepetitions {
		key = "other"
	}
	if one := r.all[key]; one != nil {
		one.count++
		one.attrs = clone(attrs)
		r.mu.Unlock()
		return
	}
	r.all[key] = &repetition{}
	guard.AfterFunc(r.Log, lineInterval, "log", func() { r.summarize(key) })
	r.mu.Unlock()
	r.Log.LogAttrs(ctx, r.Level, r.Text, attrs...) //nolint:sloglint // a constant of whoever made r
}

// clone returns a copy that may be retained: a server may overwrite the memory of a request's
// strings with the next request.
func clone(attrs []slog.Attr) []slog.Attr {
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		if a.Value.Kind() == slog.KindString {
			attrs[i].Value = slog.StringValue(strings.Clone(a.Value.String()))
		}
	}
	return attrs
}

// summarize logs how many occurrences the last minute had. After a minute without any, the next one
// counts as the first again.
func (r *Repeated) summarize(key string) {
	r.mu.Lock()
	one := *r.all[key]
	if one.count == 0 {
		delete(r.all, key)
		r.mu.Unlock()
		return
	}
	r.all[key].count = 0
	guard.AfterFunc(r.Log, lineInterval, "log", func() { r.summarize(key) })
	r.mu.Unlock()
	attrs := append([]slog.Attr{slog.Int("count", one.count)}, one.attrs...)
	r.Log.LogAttrs(context.Background(), r.Level, r.Text, attrs...) //nolint:sloglint // as above
}
