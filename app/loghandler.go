package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"patchbay/core/logging"
)

// lineHandler writes the same lines as the handlers of log/slog, byte for byte. There is
// one line for each request, and the standard handlers take twice as long as the rest of a
// request. The attributes it receives are already sanitized: strings, numbers, booleans,
// durations and times.
type lineHandler struct {
	to    *lineBuffer
	level slog.Level
	json  bool
	attrs []slog.Attr // added to each line
	now   *second
}

// second caches the formatted text of the last second, because formatting it again takes
// longer than the rest of a line.
type second struct{ last atomic.Pointer[written] }

type written struct {
	unix int64
	zone *time.Location
	text string // without fraction and zone
	end  string
}

// append appends a time with milliseconds.
func (s *second) append(line []byte, at time.Time) []byte {
	w := s.last.Load()
	if unix := at.Unix(); w == nil || w.unix != unix || w.zone != at.Location() {
		w = &written{unix, at.Location(), at.Format("2006-01-02T15:04:05"), at.Format("Z07:00")}
		s.last.Store(w)
	}
	ms := at.Nanosecond() / int(time.Millisecond)
	line = append(append(line, w.text...), '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	return append(line, w.end...)
}

// Enabled implements slog.Handler.
func (l *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

// WithAttrs implements slog.Handler.
func (l *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *l
	with.attrs = append(slices.Clip(l.attrs), attrs...)
	return &with
}

// WithGroup implements slog.Handler. Attributes are identified by name only, so groups are
// ignored.
func (l *lineHandler) WithGroup(string) slog.Handler { return l }

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Handle implements slog.Handler.
func (l *lineHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return l.Encode(r.Time, r.Level, r.Message, attrs)
}

// Encode implements logging.Encoder.
//
// A line is written out at once, together with the lines before it, unless it is the line
// of a request: the process may end because of what the line reports, and an action must
// not go unlogged. Request lines are frequent, and losing those of the last 5 ms before a
// kill is acceptable.
func (l *lineHandler) Encode(at time.Time, level slog.Level, msg string, attrs []slog.Attr) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	line := (*buffer)[:0]
	if l.json {
		line = append(line, '{')
	}
	if !at.IsZero() {
		line = l.add(line, slog.Time(slog.TimeKey, at.Round(0)))
	}
	line = l.add(line, slog.String(slog.LevelKey, level.String()))
	line = l.add(line, slog.String(slog.MessageKey, msg))
	for _, a := range l.attrs {
		line = l.add(line, a)
	}
	for _, a := range attrs {
		line = l.add(line, a)
	}
	if l.json {
		line = append(line, '}')
	}
	line = append(line, '\n')
	*buffer = line
	if _, err := l.to.Write(line); err != nil {
		return err
	}
	if msg != logging.RequestLine {
		l.to.flush()
	}
	return nil
}

func (l *lineHandler) add(line []byte, a slog.Attr) []byte {
	if l.json {
		return addJSON(line, a)
	}
	if len(line) > 0 {
		line = append(line, ' ')
	}
	line = append(addText(line, a.Key), '=')
	switch v := a.Value; v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10)
	case slog.KindDuration:
		return append(line, v.Duration().String()...)
	case slog.KindTime:
		return l.now.append(line, v.Time())
	default:
		return addText(line, v.String())
	}
}

// addText appends a text, in quotes if it needs them.
func addText(line []byte, text string) []byte {
	if text == "" {
		return append(line, '"', '"')
	}
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf {
			if b <= ' ' || b == '"' || b == '=' {
				return strconv.AppendQuote(line, text)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return strconv.AppendQuote(line, text)
		}
		i += size
	}
	return append(line, text...)
}

func addJSON(line []byte, a slog.Attr) []byte {
	if len(line) > 1 {
		line = append(line, ',')
	}
	line = append(addString(line, a.Key), ':')
	switch v := a.Value; v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(line, v.Uint64(), 10)
	case slog.KindDuration:
		return strconv.AppendInt(line, int64(v.Duration()), 10)
	case slog.KindBool:
		return strconv.AppendBool(line, v.Bool())
	case slog.KindTime:
		return append(v.Time().AppendFormat(append(line, '"'), time.RFC3339Nano), '"')
	case slog.KindFloat64:
		return addMarshaled(line, v.Float64())
	default:
		return addString(line, v.String())
	}
}

func addString(line []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			return addMarshaled(line, text)
		}
	}
	return append(append(append(line, '"'), text...), '"')
}

// lined is a line that implements io.Writer for an encoder.
type lined []byte

// Write implements io.Writer.
func (l *lined) Write(b []byte) (int, error) {
	*l = append(*l, b...)
	return len(b), nil
}

func addMarshaled(line []byte, v any) []byte {
	to := lined(line)
	e := json.NewEncoder(&to)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil { // not a number or infinite
		return append(line, `null`...)
	}
	return to[:len(to)-1] // without the trailing newline
}
