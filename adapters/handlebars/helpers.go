package handlebars

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// helper is a helper of the language.
type helper struct {
	block    bool // {{#name}}…{{/name}}; any other prints or passes on a value
	min, max int  // number of arguments
	// lenient helpers take a key that the data lack for a value that is false: they are how a
	// template asks whether there is one.
	lenient bool
	// value is the result of a helper that is no block. holds decides a block without a context of
	// its own.
	value func(e *evaluation, args []any) any
	holds func(e *evaluation, args []any) bool
}

// helpers are those of SendGrid's and of Mailgun's templates.
// https://www.twilio.com/docs/sendgrid/for-developers/sending-email/using-handlebars
// https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-templates
var helpers = map[string]helper{
	"if":          {block: true, min: 1, max: 1, lenient: true, holds: func(_ *evaluation, a []any) bool { return truthy(a[0]) }},
	"unless":      {block: true, min: 1, max: 1, lenient: true, holds: func(_ *evaluation, a []any) bool { return !truthy(a[0]) }},
	"each":        {block: true, min: 1, max: 1},
	"with":        {block: true, min: 1, max: 1, lenient: true},
	"and":         {block: true, min: 2, max: 2, lenient: true, holds: func(_ *evaluation, a []any) bool { return truthy(a[0]) && truthy(a[1]) }},
	"or":          {block: true, min: 2, max: 2, lenient: true, holds: func(_ *evaluation, a []any) bool { return truthy(a[0]) || truthy(a[1]) }},
	"equals":      {block: true, min: 2, max: 2, holds: func(_ *evaluation, a []any) bool { return equal(a[0], a[1]) }},
	"equal":       {block: true, min: 2, max: 2, holds: func(_ *evaluation, a []any) bool { return equal(a[0], a[1]) }},
	"notEquals":   {block: true, min: 2, max: 2, holds: func(_ *evaluation, a []any) bool { return !equal(a[0], a[1]) }},
	"greaterThan": {block: true, min: 2, max: 2, holds: func(e *evaluation, a []any) bool { return e.number(a[0]) > e.number(a[1]) }},
	"lessThan":    {block: true, min: 2, max: 2, holds: func(e *evaluation, a []any) bool { return e.number(a[0]) < e.number(a[1]) }},
	"length":      {min: 1, max: 1, lenient: true, value: func(_ *evaluation, a []any) any { return length(a[0]) }},
	"lookup":      {min: 2, max: 2, value: (*evaluation).lookup},
	"insert":      {min: 1, max: 2, lenient: true, value: insert},
	"formatDate":  {min: 2, max: 3, value: (*evaluation).formatDate},
}

// Helpers lists the helpers that Render has.
func Helpers() []string { return slices.Sorted(maps.Keys(helpers)) }

// length counts as JavaScript does, in units of UTF-16.
func length(v any) any {
	switch v := v.(type) {
	case string:
		return float64(len(utf16.Encode([]rune(v))))
	case []any:
		return float64(len(v))
	}
	return float64(0)
}

// lookup is the value under a key that the data name.
func (e *evaluation) lookup(args []any) any {
	v, ok := member(args[0], e.text(args[1]))
	if !ok {
		return e.absent(e.text(args[1]))
	}
	return v
}

// insert prints a value or, where there is none, a text: {{insert name "default=Customer"}}.
func insert(_ *evaluation, args []any) any {
	if args[0] != nil && args[0] != "" || len(args) < 2 {
		return args[0]
	}
	if text, ok := args[1].(string); ok {
		return strings.TrimPrefix(text, "default=")
	}
	return args[1]
}

// formatDate prints a time of ISO 8601 in a format of SendGrid's tokens, in UTC or at an offset such
// as -0800.
func (e *evaluation) formatDate(args []any) any {
	text := e.text(args[0])
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, text); err != nil {
			e.fail("template_data_invalid", "formatDate takes a time such as 2026-01-31T23:00:00Z")
		}
	}
	zone := time.UTC
	if len(args) > 2 {
		zone = e.zone(e.text(args[2]))
	}
	return format(at.In(zone), e.text(args[1]))
}

func (e *evaluation) zone(text string) *time.Location {
	for _, layout := range []string{"-0700", "-07:00", "Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Location()
		}
	}
	e.fail("template_data_invalid", "the offset of formatDate is written -0800")
	return nil
}

// tokens are those of formatDate, with their layouts in Go. Of two that begin alike the longer one
// comes first.
var tokens = []struct{ token, layout string }{
	{"YYYY", "2006"},
	{"YY", "06"},
	{"MMMM", "January"},
	{"MMM", "Jan"},
	{"MM", "01"},
	{"M", "1"},
	{"DD", "02"},
	{"D", "2"},
	{"dddd", "Monday"},
	{"ddd", "Mon"},
	{"hh", "03"},
	{"h", "3"},
	{"HH", "15"},
	{"H", "15"},
	{"mm", "04"},
	{"m", "4"},
	{"ss", "05"},
	{"s", "5"},
	{"A", "PM"},
	{"ZZ", "-0700"},
	{"Z", "-07:00"},
}

func format(at time.Time, text string) string {
	var b strings.Builder
next:
	for text != "" {
		for _, t := range tokens {
			if strings.HasPrefix(text, t.token) {
				b.WriteString(at.Format(t.layout))
				text = text[len(t.token):]
				continue next
			}
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String()
}
