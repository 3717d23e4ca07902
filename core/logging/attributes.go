package logging

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/guard"
)

// shape is what the value of an attribute may be. Numbers, durations, times and truth
// values may stand under any known name.
type shape int

const (
	word   shape = iota + 1 // an id or a name: few characters, of those that ids are made of
	phrase                  // words of this program, of a provider or of the configuration
	trace                   // where in the program a mistake of ours happened
)

// shapes are the attributes that there are. One that is not listed is written without
// its value: what an address, a secret or a body would stand under does not exist.
var shapes = map[string]shape{
	// Who asked.
	"request": word, "tenant": word, "key": word, "by": word, "client": word, // an IP address
	// What it is about.
	"payment": word, "operation": word, "email": word, "attempt": word, "webhook": word, "user": word, "refund": word,
	"record": word, "intent": word, "queue": word, "provider": word, "account": word, "next": word, "before": word,
	// What happened.
	"action": word, "op": word, "outcome": word, "kind": word, "code": word, "decline_code": word, "status": word,
	"reason": word, "verdict": word, "type": word, "decision": word, "of": word, "signal": word, "param": word,
	"method": word, "route": phrase, "error": phrase, "words": phrase, "detail": phrase, "effect": phrase, "what": phrase, "field": word,
	"next_step": phrase, "stack": trace,
	// How often, and how long. Their values are numbers and durations, or times.
	"count": word, "tries": word, "attempts": word, "failures": word, "failed": word, "passed_over": word, "folded": word,
	"took": word, "duration": word, "for": word, "since": word, "due": word, "held": word, "requests": word, "calls": word, "waiting": word, "connections": word,
	// The installation.
	"url": phrase, "path": phrase, "listener": word, "version": phrase, "providers": phrase, "store": phrase, "files": phrase,
	"keys_required": word, "live": word, "cause": phrase,
}

// Known reports whether an attribute has a name that may stand in the log.
func Known(name string) bool { return shapes[name] != 0 }

const (
	textLimit    = 400     // bytes of a phrase
	stackLimit   = 4 << 10 // of where a mistake of ours happened
	wordLimit    = 200
	lookedAt     = 16 << 10 // bytes of a text that are looked at in all
	withheld     = "[withheld]"
	blankSecret  = "[secret]"
	blankAddress = "[address]"
)

// cleaner takes out of a line what must not stand in it.
type cleaner struct{ secrets []string }

// add adds an attribute as it may be written. An error is taken apart, but for what the
// line has already.
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
		case interface{ String() string }: // a fault.Kind and the like
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
	case s == trace:
		return c.text(text, stackLimit)
	case s == phrase:
		return c.text(text, textLimit)
	case c.plain(text):
		return text
	}
	return withheld
}

const (
	inWord  = 1 << iota // it may stand in a word
	inToken             // what looks like a secret has one
)

// signs are the characters of words, such as ids.
var signs = func() (in [256]byte) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:|/*[]") {
		in[b] = inWord
	}
	in['_'], in['-'], in['.'] = inWord|inToken, inWord|inToken, inWord|inToken
	return in
}()

// plain reports whether a text is one word, such as an id, that has nothing which a text would
// be cleaned of.
func (c cleaner) plain(text string) bool {
	every, some := byte(inWord|inToken), byte(0)
	for i := range len(text) {
		every &= signs[text[i]]
		some |= signs[text[i]]
	}
	if every&inWord == 0 || len(text) > wordLimit {
		return false
	}
	if some&inToken != 0 {
		if token, _ := suspects(text); token && tokens.MatchString(text) {
			return false
		}
	}
	for _, s := range c.secrets {
		if len(s) <= len(text) && strings.Contains(text, s) {
			return false
		}
	}
	return true
}

// failure is what a line says of an error: its text, and what it means for programs.
func (c cleaner) failure(key string, err error, given func(key string) bool) []slog.Attr {
	limit := textLimit
	var p *guard.Panic
	panicked := errors.As(err, &p)
	if fault.Is(err, fault.Internal) && !panicked { // a mistake of ours tells where it happened
		limit = stackLimit
	}
	attrs := []slog.Attr{slog.String(key, c.text(err.Error(), limit))}
	var f *fault.Error
	if !errors.As(err, &f) {
		return attrs
	}
	more := []slog.Attr{
		slog.String("kind", f.Kind.String()), slog.String("provider", providerOf(err)), slog.String("code", c.code(f.Code)),
		slog.String("decline_code", c.code(f.DeclineCode)), slog.String("param", c.code(f.Param)),
	}
	if panicked {
		more = append(more, slog.String("stack", c.shaped(string(p.Stack), trace)))
	}
	for inner := range faults(err) {
		if a := inner.Answer; a != nil {
			more = append(more, slog.Int("status", a.Status), slog.String("field", c.code(a.Field)), slog.String("words", c.text(a.Words, textLimit)))
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

// providerOf is the first provider that an error names.
func providerOf(err error) string {
	for f := range faults(err) {
		if f.Provider != "" {
			return f.Provider
		}
	}
	return ""
}

// faults goes through all that an error consists of, from the outside.
func faults(err error) func(yield func(*fault.Error) bool) {
	return func(yield func(*fault.Error) bool) { walk(err, yield) }
}

func walk(err error, yield func(*fault.Error) bool) bool {
	if f, ok := err.(*fault.Error); ok && !yield(f) { //nolint:errorlint // each is looked at, one after the other
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
	versions  = regexp.MustCompile(`^[^@]*/[^@]*@v[0-9]+\.[0-9]+\.[0-9]+[^@/]*/`) // of a module, in the path of a file
	// tokens are what secrets look like: our own keys, those of providers, and those of
	// a buyer's page.
	// What is added here has its place in suspects, too.
	tokens = regexp.MustCompile(`(?i)(\b(pb_live_|sk_live_|sk_test_|rk_live_|rk_test_|whsec_|SG\.|key-[0-9a-z]{16})|_secret_|` +
		`[?&][\w-]*(token|key|secret|password|signature)=|\b(Bearer|Basic)[ \t])[^\s"'<>(),;&]+`)
)

// suspects reports whether something in a text may be a token: it has, in any case, what all
// of them have before their last sign; and whether something may be an address, as it has
// one of the signs with which its own is written. It spares most texts searches that cost
// more than the rest of their line.
func suspects(text string) (token, address bool) {
	for i := range len(text) {
		var before []string
		switch text[i] {
		case '@', '%', '\\', '&':
			address = true
			continue
		case '_':
			before = []string{"live", "test", "whsec", "secret"}
		case '.':
			before = []string{"sg"}
		case ' ', '\t':
			before = []string{"bearer", "basic"}
		case '-':
			before = []string{"key"}
		case '=':
			before = []string{"token", "key", "secret", "password", "signature"}
		default:
			continue
		}
		for _, b := range before {
			if i >= len(b) && strings.EqualFold(text[i-len(b):i], b) {
				token = true
			}
		}
	}
	return token, address
}

// text is a text without addresses and secrets, of at most limit bytes.
func (c cleaner) text(text string, limit int) string {
	text = cut(text, lookedAt)
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, blankSecret)
	}
	token, address := suspects(text)
	if token {
		text = tokens.ReplaceAllString(text, blankSecret)
	}
	if address {
		text = addresses.ReplaceAllStringFunc(text, func(found string) string {
			if versions.MatchString(found) {
				return found
			}
			return blankAddress
		})
	}
	return cut(text, limit) // last, so that it cuts no secret in two
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}

// Text is a text without addresses and what looks like a secret, as it may stand in a
// log.
func Text(text string) string { return cleaner{}.text(text, textLimit) }
