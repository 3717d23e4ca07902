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

	"patchbay/core/fault"
	"patchbay/core/guard"
)

// Log is a logger with the outages that fold its lines.
type Log struct {
	*slog.Logger
	Outages *Outages
}

// New returns a Log that writes to a handler. The secrets are never written, in whatever text
// they occur.
func New(to slog.Handler, secrets ...string) Log {
	h := &handler{next: to, cleaner: cleaner{secrets: secretForms(secrets)}, outages: new(Outages)}
	h.outages.write = func(level slog.Level, msg string, attrs ...slog.Attr) {
		if to.Enabled(context.Background(), level) {
			r := slog.NewRecord(time.Now(), level, msg, 0) //nolint:forbidigo // as slog does
			r.AddAttrs(attrs...)
			_ = h.write(context.Background(), r) // there is nowhere to report the error
		}
	}
	return Log{Logger: slog.New(h), Outages: h.outages}
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

// RequestLine is the text of a request's line.
const RequestLine = "request"

// Request writes the line of a request, by far the most frequent line.
func Request(log *slog.Logger, level slog.Level, attrs []slog.Attr) {
	r := slog.NewRecord(time.Now(), level, RequestLine, 0) //nolint:forbidigo // as slog does, without the program counter, which takes long
	r.AddAttrs(attrs...)
	_ = log.Handler().Handle(context.Background(), r) // there is nowhere to report the error
}

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

// asked is a context with the caller of a request.
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

// WithCaller returns a context whose log lines name the caller. Like the context's other values,
// the caller outlives the request.
func WithCaller(ctx context.Context, c Caller) context.Context { return &asked{ctx, c} }

// CallerOf returns the caller of the request, or the zero Caller outside of a request.
func CallerOf(ctx context.Context) Caller {
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
		by = CallerOf(ctx).Key
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

// objects are the attributes that name what a line is about. A line without any of them adds
// nothing to the outage's own lines.
var objects = map[string]bool{"payment": true, "email": true, "webhook": true, "user": true, "record": true, "intent": true}

// folds reports whether an outage caused a line, and the line is to be folded.
func (o *Outages) folds(r *slog.Record) bool {
	if o.open.Load() == 0 || r.Level < slog.LevelInfo {
		return false
	}
	var failure error
	var provider string
	var object bool
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			failure = err
		}
		if a.Key == "provider" {
			provider = a.Value.String()
		}
		object = object || objects[a.Key]
		return true
	})
	o.mu.RLock()
	defer o.mu.RUnlock()
	if failure == nil {
		one := o.all[provider]
		return one != nil && object && one.fold(r.Message, shown)
	}
	if fault.From(failure).Provider == "" && brought(fault.KindOf(failure)) && object && o.all[provider] != nil {
		return o.all[provider].fold(r.Message, shown)
	}
	unfolded := 0
	if object {
		unfolded = shown
	}
	for f := range faults(failure) {
		one := o.all[f.Provider]
		if one != nil && brought(f.Kind) {
			return one.fold(r.Message, unfolded)
		}
	}
	return false
}

// brought reports whether an outage can cause this kind of failure. A declined card, for
// example, is not caused by one.
func brought(k fault.Kind) bool {
	return k.Rule().Trips || k == fault.Canceled || k == fault.Overloaded
}

// fold counts a line with this text, and reports whether more than shown of them have been
// counted.
func (o *Outage) fold(words string, shown int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folded == nil {
		return false
	}
	if o.folded[words]++; o.folded[words] <= shown {
		return false
	}
	o.now.folded++
	return true
}

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
		one.attrs = copied(attrs)
		r.mu.Unlock()
		return
	}
	r.all[key] = &repetition{}
	guard.AfterFunc(r.Log, again, "log", func() { r.sum(key) })
	r.mu.Unlock()
	r.Log.LogAttrs(ctx, r.Level, r.Text, attrs...) //nolint:sloglint // a constant of whoever made r
}

// copied returns a copy that may be retained: a server may overwrite the memory of a request's
// strings with the next request.
func copied(attrs []slog.Attr) []slog.Attr {
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		if a.Value.Kind() == slog.KindString {
			attrs[i].Value = slog.StringValue(strings.Clone(a.Value.String()))
		}
	}
	return attrs
}

// sum logs how many occurrences the last minute had. After a minute without any, the next one
// counts as the first again.
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
