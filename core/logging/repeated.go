package logging

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"patchbay/core/guard"
)

// Repeated writes what may happen very often: the first at once, and then a line a minute
// that says how many there were, for as long as there are any.
type Repeated struct {
	Log   *slog.Logger
	Level slog.Level
	Text  string

	mu  sync.Mutex
	all map[string]*repetition
}

// maxRepetitions bounds what is told apart; what comes beyond is one more of "other".
const maxRepetitions = 64

type repetition struct {
	count int // since the last line
	attrs []slog.Attr
}

// Note tells that it has happened. What has the same key is the same; the line has the
// attributes of the first, or the last, of them.
func (r *Repeated) Note(ctx context.Context, key string, attrs ...slog.Attr) {
	r.mu.Lock()
	if r.all == nil {
		r.all = make(map[string]*repetition)
	}
	if r.all[key] == nil && len(r.all) >= maxRepetitions {
		key = "other"
	}
	one := r.all[key]
	if one != nil {
		one.count++
		one.attrs = copied(attrs)
		r.mu.Unlock()
		return
	}
	r.all[key] = &repetition{}
	guard.AfterFunc(r.Log, again, "log", func() { r.sum(key) })
	r.mu.Unlock()
	r.Log.LogAttrs(ctx, r.Level, r.Text, attrs...) //nolint:sloglint // a constant of whoever made r
}

// copied is a copy that may be kept: a server may read its next request into the memory
// that texts of this one are in.
func copied(attrs []slog.Attr) []slog.Attr {
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		if a.Value.Kind() == slog.KindString {
			attrs[i].Value = slog.StringValue(strings.Clone(a.Value.String()))
		}
	}
	return attrs
}

// sum writes how many there were in the last minute. After one without any, the next is
// the first again.
func (r *Repeated) sum(key string) {
	r.mu.Lock()
	one := *r.all[key]
	if one.count == 0 {
		delete(r.all, key)
		r.mu.Unlock()
		return
	}
	r.all[key].count = 0
	guard.AfterFunc(r.Log, again, "log", func() { r.sum(key) })
	r.mu.Unlock()
	attrs := append([]slog.Attr{slog.Int("count", one.count)}, one.attrs...)
	r.Log.LogAttrs(context.Background(), r.Level, r.Text, attrs...) //nolint:sloglint // as above
}
