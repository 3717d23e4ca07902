package logging

import (
	"errors"
	"iter"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/guard"
)

// shape says which text values an attribute may have. Numbers, durations, times and booleans are
// allowed under every known name.
type shape int

const (
	word   shape = iota + 1 // an id or a name: short, and only the characters that ids consist of
	phrase                  // text of this program, of a provider or of the configuration
	stack                   // a stack trace of an internal error
)

// shapes has the known attributes. An attribute that is not listed is written without its value,
// so there is none under which an address, a secret or a body could be logged.
var shapes = map[string]shape{
	// Who made the request.
	"request": word, "tenant": word, "key": word, "by": word, "client": word, // an IP address
	// What the line is about.
	"payment": word, "operation": word, "email": word, "batch": word, "template": word, "attempt": word, "webhook": word, "user": word, "refund": word, "suppression": word,
	"record": word, "intent": word, "queue": word, "provider": word, "next": word,
	"account": phrase, "before": phrase, // an account is several words: its id, its mode, its host
	// What happened.
	"action": word, "op": word, "outcome": word, "kind": word, "code": word, "decline_code": word, "status": word,
	"reason": word, "verdict": word, "type": word, "decision": word, "of": word, "signal": word, "param": word,
	"method": word, "route": phrase, "error": phrase, "words": phrase, "detail": phrase, "effect": phrase, "what": phrase, "field": word,
	"next_step": phrase, "stack": stack,
	// How often, and how long. Their values are numbers and durations, or times.
	"count": word, "tries": word, "attempts": word, "failures": word, "failed": word, "passed_over": word, "folded": word,
	"took": word, "duration": word, "for": word, "since": word, "due": word, "held": word, "requests": word, "calls": word, "waiting": word, "connections": word,
	// The installation.
	"url": phrase, "path": phrase, "listener": word, "version": phrase, "providers": phrase, "store": phrase, "files": phrase,
	"keys_required": word, "live": word, "cause": phrase,
}

// Known reports whether an attribute of this name is written with its value.
func Known(name string) bool { return shapes[name] != 0 }

const (
	textLimit    = 400     // bytes of a phrase
	stackLimit   = 4 << 10 // bytes of a stack trace or of an internal error's text
	wordLimit    = 200
	examined     = 16 << 10 // bytes of a text that are examined
	withheld     = "[withheld]"
	blankSecret  = "[secret]"
	blankAddress = "[address]"
)

// cleaner removes what must not be written from log lines.
type cleaner struct{ secrets []string }

// add appends an attribute in the form in which it may be written. An error adds several
// attributes, except those that the line has already.
func (c cleaner) add(to []slog.Attr, a slog.Attr, given func(key string) bool) []slog.Attr {
	v := a.Value.Resolve()
	s := shapes[a.Key]
	if s == 0 {
		return append(to, slog.String(a.Key, withheld))
	}
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool, slog.KindDuration, slog.KindTime:
		return append(to, slog.Attr{Key: a.Key, Value: v})
	case slog.KindString:
		return append(to, slog.String(a.Key, c.shaped(v.String(), s)))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case nil:
			return to
		case error:
			return append(to, c.failure(a.Key, x, given)...)
		case interface{ String() string }: // a fault.Kind or similar
			return append(to, slog.String(a.Key, c.shaped(x.String(), s)))
		case []string:
			return append(to, slog.String(a.Key, c.text(strings.Join(x, ", "), textLimit)))
		}
	case slog.KindGroup, slog.KindLogValuer:
	}
	return append(to, slog.String(a.Key, withheld))
}

func (c cleaner) shaped(text string, s shape) string {
	switch {
	case s == stack:
		return c.text(text, stackLimit)
	case s == phrase:
		return c.text(text, textLimit)
	case c.plain(text):
		return text
	}
	return withheld
}

// plain reports whether a text is a single word, such as an id, that contains nothing to be
// removed.
func (c cleaner) plain(text string) bool {
	if len(text) > wordLimit || strings.ContainsFunc(text, notInWord) || mayHaveToken(text) && tokens.MatchString(text) {
		return false
	}
	return !slices.ContainsFunc(c.secrets, func(s string) bool { return strings.Contains(text, s) })
}

func notInWord(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.:|/*[]", r))
}

// failure returns the attributes of an error: its text and its machine-readable fields.
func (c cleaner) failure(key string, err error, given func(key string) bool) []slog.Attr {
	limit := textLimit
	p, panicked := errors.AsType[*guard.Panic](err)
	if fault.Is(err, fault.Internal) && !panicked { // an internal error says where it happened
		limit = stackLimit
	}
	attrs := []slog.Attr{slog.String(key, c.text(err.Error(), limit))}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return attrs
	}
	more := []slog.Attr{
		slog.String("kind", f.Kind.String()), slog.String("provider", providerOf(err)), slog.String("code", c.code(f.Code)),
		slog.String("decline_code", c.code(f.DeclineCode)), slog.String("param", c.code(f.Param)),
	}
	if panicked {
		more = append(more, slog.String("stack", c.shaped(string(p.Stack), stack)))
	}
	for inner := range faults(err) {
		if a := inner.Answer; a != nil {
			more = append(more, slog.Int("status", a.Status), slog.String("field", c.code(a.Field)))
			if !a.Private {
				more = append(more, slog.String("words", c.text(a.Words, textLimit)))
			}
			break
		}
	}
	for _, a := range more {
		if !given(a.Key) && a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

func (c cleaner) code(code string) string { return c.shaped(code, word) }

// providerOf returns the first provider named in an error.
func providerOf(err error) string {
	for f := range faults(err) {
		if f.Provider != "" {
			return f.Provider
		}
	}
	return ""
}

// faults yields every fault.Error in an error's tree, the outermost first.
func faults(err error) iter.Seq[*fault.Error] {
	return func(yield func(*fault.Error) bool) { walk(err, yield) }
}

func walk(err error, yield func(*fault.Error) bool) bool {
	if f, ok := err.(*fault.Error); ok && !yield(f) { //nolint:errorlint // each error of the tree is examined
		return false
	}
	switch x := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		if inner := x.Unwrap(); inner != nil {
			return walk(inner, yield)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range x.Unwrap() {
			if !walk(inner, yield) {
				return false
			}
		}
	}
	return true
}

var (
	addresses = regexp.MustCompile(`("[^"]*"|[^\s"'<>(),;=\[\]]+)(@|%40|%2540|\\u0040|&#64;)[^\s"'<>(),;\[\]]+`)
	versions  = regexp.MustCompile(`^[^@]*/[^@]*@v[0-9]+\.[0-9]+\.[0-9]+[^@/]*/`) // a Go module version in a file path
	// tokens matches what looks like a secret: our own keys, the keys of providers, and those of a
	// buyer's page. Every alternative needs an entry in tokenParts, too.
	tokens = regexp.MustCompile(`(?i)(\b(pb_live_|sk_live_|sk_test_|rk_live_|rk_test_|whsec_|SG\.|key-[0-9a-z]{16})|_secret_|` +
		`[?&][\w-]*(token|key|secret|password|signature)=|\b(Bearer|Basic)[ \t])[^\s"'<>(),;&]+`)
)

// tokenParts are texts of which every token contains one, in any case.
var tokenParts = []string{
	"live_", "test_", "whsec_", "secret_", "sg.", "key-", "bearer", "basic", "token=", "key=", "secret=", "password=", "signature=",
}

// mayHaveToken is a cheap test that avoids most searches by the expensive regular expression.
func mayHaveToken(text string) bool {
	if !strings.ContainsAny(text, "_.-= \t") { // one of which every part has
		return false
	}
	lower := strings.ToLower(text)
	return slices.ContainsFunc(tokenParts, func(part string) bool { return strings.Contains(lower, part) })
}

// text returns a text without addresses and secrets, of at most limit bytes.
func (c cleaner) text(text string, limit int) string {
	text = truncate(text, examined)
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, blankSecret)
	}
	if mayHaveToken(text) {
		text = tokens.ReplaceAllString(text, blankSecret)
	}
	if strings.ContainsAny(text, `@%\&`) { // one of which every form of an address contains
		text = addresses.ReplaceAllStringFunc(text, func(found string) string {
			if versions.MatchString(found) {
				return found
			}
			return blankAddress
		})
	}
	return truncate(text, limit) // last, so that it never cuts a secret before it is recognized
}

func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
