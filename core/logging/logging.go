// Package logging is what stands between whoever writes a line and the log. No line
// holds an address, a secret or a body, whoever writes it; each has the request that
// it is about; and what an outage repeats is folded into few lines.
//
// Lines are written with log/slog. What may stand in one is decided here, by the
// attribute's name: see Known.
package logging

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Log is a log with what is folded in it.
type Log struct {
	*slog.Logger
	Outages *Outages
}

// New makes a Log that writes to a handler. None of the secrets is ever written, in
// whatever text it would stand.
func New(to slog.Handler, secrets ...string) Log {
	c := cleaner{secrets: telling(secrets)}
	outages := &Outages{write: func(level slog.Level, msg string, attrs ...slog.Attr) {
		write(context.Background(), to, c, level, msg, attrs)
	}}
	return Log{Logger: slog.New(&handler{next: to, cleaner: c, outages: outages}), Outages: outages}
}

// Discard is a Log that keeps nothing.
func Discard() Log { return New(slog.DiscardHandler) }

// handler cleans each line, and folds those that an outage repeats.
type handler struct {
	next    slog.Handler
	cleaner cleaner
	outages *Outages
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.outages.folds(&r) {
		r.Level = slog.LevelDebug
		if !h.next.Enabled(ctx, r.Level) {
			return nil
		}
	}
	var all [16]slog.Attr // of most lines: they are kept where they cost nothing
	attrs := all[:0]
	given := func(key string) bool { return has(&r, key) }
	for _, a := range CallerOf(ctx).attrs() {
		if !given(a.Key) {
			attrs = h.cleaner.add(attrs, a, given)
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		attrs = h.cleaner.add(attrs, a, given)
		return true
	})
	out := slog.NewRecord(r.Time, r.Level, h.cleaner.text(r.Message, textLimit), r.PC)
	out.AddAttrs(attrs...)
	return h.next.Handle(ctx, out)
}

// Encoder is a handler that writes a line without a slog.Record, which costs as much as the
// line. It does not keep the attributes.
type Encoder interface {
	slog.Handler
	Encode(at time.Time, level slog.Level, msg string, attrs []slog.Attr) error
}

// Request writes the line of a request: the one of which there are as many as requests. It
// tells of no outage, so that none folds it.
func Request(log *slog.Logger, level slog.Level, attrs []slog.Attr) {
	at := time.Now() //nolint:forbidigo // as slog does
	h, ours := log.Handler().(*handler)
	var to Encoder
	if ours {
		to, ours = h.next.(Encoder)
	}
	if !ours {
		r := slog.NewRecord(at, level, RequestLine, 0) // where in the program it is written costs more than the line
		r.AddAttrs(attrs...)
		_ = log.Handler().Handle(context.Background(), r) // there is nobody else to be told
		return
	}
	clean := cleaned.Get().(*[]slog.Attr)
	defer cleaned.Put(clean)
	*clean = (*clean)[:0]
	for _, a := range attrs {
		*clean = h.cleaner.add(*clean, a, func(string) bool { return false })
	}
	_ = to.Encode(at, level, RequestLine, *clean)
}

// RequestLine is what the line of a request says.
const RequestLine = "request"

var cleaned = sync.Pool{New: func() any { return new([]slog.Attr) }}

// has reports whether a line has an attribute.
func has(r *slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var clean []slog.Attr
	for _, a := range attrs {
		clean = h.cleaner.add(clean, a, func(string) bool { return false })
	}
	return &handler{next: h.next.WithAttrs(clean), cleaner: h.cleaner, outages: h.outages}
}

// WithGroup implements slog.Handler. Attributes are known by their names: groups are
// left out.
func (h *handler) WithGroup(string) slog.Handler { return h }

// write writes a line past what is folded.
func write(ctx context.Context, to slog.Handler, c cleaner, level slog.Level, msg string, attrs []slog.Attr) {
	if !to.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, msg, 0) //nolint:forbidigo // as slog does
	var clean []slog.Attr
	for _, a := range attrs {
		clean = c.add(clean, a, func(key string) bool {
			return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == key })
		})
	}
	r.AddAttrs(clean...)
	_ = to.Handle(ctx, r) // there is nobody else to be told
}

// Caller is who asked for what a line is about.
type Caller struct {
	Request string // the id of the request
	Tenant  string
	Key     string // the id of the API key
}

func (c Caller) attrs() []slog.Attr {
	if c == (Caller{}) {
		return nil
	}
	var attrs []slog.Attr
	for _, a := range []slog.Attr{slog.String("request", c.Request), slog.String("tenant", c.Tenant), slog.String("key", c.Key)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

type callerKey struct{}

// asked is a context of somebody's request.
type asked struct {
	context.Context
	caller Caller
}

// Value implements context.Context.
func (a *asked) Value(key any) any {
	if key == (callerKey{}) {
		return &a.caller
	}
	return a.Context.Value(key)
}

// WithCaller returns a context whose lines name who asked. It outlives the request, as
// the context's values do.
func WithCaller(ctx context.Context, c Caller) context.Context { return &asked{ctx, c} }

// CallerOf tells who asked, the zero Caller where that was nobody's request.
func CallerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}

// Act writes what a person did through the API or the admin listener, and what became
// of it. action is one of few words: payment.resolve, key.revoke. by is the id of the API key,
// or how the person is known otherwise; it may be empty where the context names the key.
func Act(ctx context.Context, log *slog.Logger, action, by string, err error, object ...slog.Attr) {
	if by == "" {
		by = CallerOf(ctx).Key
	}
	attrs := append([]slog.Attr{slog.String("action", action), slog.String("by", by)}, object...)
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "administrative act failed", append(attrs, slog.Any("error", err))...)
		return
	}
	log.LogAttrs(ctx, slog.LevelInfo, "administrative act", attrs...)
}

// telling are the secrets that are blanked, the longest first: one may be part of another.
// One of few characters would blank half of the log. Each is blanked as it is written in a
// URL and in quotes, too.
func telling(secrets []string) (all []string) {
	for _, s := range secrets {
		if len(s) >= minSecret {
			quoted := strconv.Quote(s)
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1])
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

const minSecret = 6
