// Package logging filters everything that is written to the log. No line contains an address, a
// secret or a body, whichever code writes it; each line names the request that it is about; and
// lines that an outage repeats are folded.
//
// Lines are written with log/slog. This package decides by an attribute's name what it may
// contain: see Known.
package logging

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Log is a logger with the outages that fold its lines.
type Log struct {
	*slog.Logger
	Outages *Outages
}

// New returns a Log that writes to a handler. The secrets are never written, in whatever text
// they occur.
func New(to slog.Handler, secrets ...string) Log {
	clean := cleaner{secrets: secretForms(secrets)}
	outages := &Outages{log: slog.New(&handler{next: to, cleaner: clean, outages: new(Outages)}), all: make(map[string]*Outage)}
	return Log{Logger: slog.New(&handler{next: to, cleaner: clean, outages: outages}), Outages: outages}
}

// Discard returns a Log that discards everything.
func Discard() Log { return New(slog.DiscardHandler) }

// handler cleans each line, and folds lines that an outage repeats.
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
	return h.write(ctx, r)
}

// write cleans a line and writes it.
func (h *handler) write(ctx context.Context, r slog.Record) error {
	var all [16]slog.Attr // enough for most lines, without an allocation
	attrs := all[:0]
	given := func(key string) bool { return has(&r, key) }
	for _, a := range callerOf(ctx).attrs() {
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

// Encoder is a handler that can write a line without a slog.Record, which would cost as much as
// the line itself. It does not retain the attributes.
type Encoder interface {
	slog.Handler
	Encode(at time.Time, level slog.Level, msg string, attrs []slog.Attr) error
}

// Request writes the line of a request, by far the most frequent line. It does not report an
// outage, so it is never folded.
func Request(log *slog.Logger, level slog.Level, attrs []slog.Attr) {
	at := time.Now() //nolint:forbidigo // as slog does
	h, ours := log.Handler().(*handler)
	var to Encoder
	if ours {
		to, ours = h.next.(Encoder)
	}
	if !ours {
		r := slog.NewRecord(at, level, RequestLine, 0) // the program counter would cost more than the line
		r.AddAttrs(attrs...)
		_ = log.Handler().Handle(context.Background(), r) // there is nowhere to report the error
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

// RequestLine is the text of a request's line.
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

// WithGroup implements slog.Handler. Groups are ignored, because attributes are known by their
// names.
func (h *handler) WithGroup(string) slog.Handler { return h }

// Caller is who made the request that a line is about.
type Caller struct {
	Request string // id of the request
	Tenant  string
	Key     string // id of the API key
}

func (c Caller) attrs() []slog.Attr {
	if c == (Caller{}) { // as most lines in the background
		return nil
	}
	attrs := []slog.Attr{slog.String("request", c.Request), slog.String("tenant", c.Tenant), slog.String("key", c.Key)}
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Value.String() == "" })
}

type callerKey struct{}

// callerContext is a context with a caller. Each request makes one; context.WithValue would take
// three allocations in place of one.
type callerContext struct {
	context.Context
	caller Caller
}

// Value implements context.Context.
func (c *callerContext) Value(key any) any {
	if key == (callerKey{}) {
		return &c.caller
	}
	return c.Context.Value(key)
}

// WithCaller returns a context whose log lines name the caller. Like the context's other values,
// the caller outlives the request.
func WithCaller(ctx context.Context, c Caller) context.Context { return &callerContext{ctx, c} }

// callerOf returns the caller of the request, or the zero Caller outside of a request.
func callerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}

// Act logs what a person did through the API or the admin listener, and its result. action is
// one of a few words: payment.resolve, key.revoke. by is the id of the API key, or another name
// of the person; it may be empty if the context names the key.
func Act(ctx context.Context, log *slog.Logger, action, by string, err error, object ...slog.Attr) {
	if by == "" {
		by = callerOf(ctx).Key
	}
	attrs := append([]slog.Attr{slog.String("action", action), slog.String("by", by)}, object...)
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "administrative act failed", append(attrs, slog.Any("error", err))...)
		return
	}
	log.LogAttrs(ctx, slog.LevelInfo, "administrative act", attrs...)
}

// secretForms returns the texts to blank, the longest first because one may contain another. Secrets
// of only a few characters are left out, since they would blank half of the log. Each secret is
// also blanked in its URL-encoded and quoted forms.
func secretForms(secrets []string) (all []string) {
	for _, s := range secrets {
		if len(s) >= minSecret {
			quoted := strconv.Quote(s)
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1])
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}

const minSecret = 6
