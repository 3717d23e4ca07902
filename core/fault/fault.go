// Package fault defines the errors that all layers share.
//
// Code that handles an error branches on its Kind, never on its text. The Kind says what is
// allowed next: a retry, a failover to another provider, a count against the breaker. See
// Rule.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Kind classifies a failure by what may be done next.
type Kind uint8

const (
	// Internal is a mistake of our own. It is the zero value, so that a Kind that was not
	// set never looks retryable.
	Internal Kind = iota
	// Invalid: the request is wrong, and a repeat will be, too.
	Invalid
	// Declined: the payment was refused by the issuer or the provider's rules.
	Declined
	// NotFound: the named object does not exist, or belongs to somebody else.
	NotFound
	// Conflict: the object exists already, or has changed since it was read.
	Conflict
	// Unsupported: this provider does not support it, but others may. Nothing was done.
	Unsupported
	// Canceled: the caller gave up before anything was sent.
	Canceled
	// Unauthorized: our credentials at the provider were refused.
	Unauthorized
	// Refused: the provider refuses this request, but would accept others. Not processed.
	Refused
	// QuotaExceeded: our account at the provider has no quota left.
	QuotaExceeded
	// RateLimited: the provider refused because of our request rate. Not processed.
	RateLimited
	// Unavailable: the provider could not be reached. It is proved that nothing was processed.
	Unavailable
	// UnknownOutcome: the request may have been processed. An error that nobody has
	// classified has this Kind.
	UnknownOutcome
	// Overloaded: our own limit is reached. Nothing was sent.
	Overloaded
)

var names = [...]string{
	Internal: "internal", Invalid: "invalid", Declined: "declined", NotFound: "not_found",
	Conflict: "conflict", Unsupported: "unsupported", Canceled: "canceled",
	Unauthorized: "unauthorized", Refused: "refused", QuotaExceeded: "quota_exceeded", RateLimited: "rate_limited",
	Unavailable: "unavailable", UnknownOutcome: "unknown_outcome", Overloaded: "overloaded",
}

// Kinds lists every Kind, for tables that must cover all of them.
func Kinds() []Kind {
	kinds := make([]Kind, len(names))
	for i := range names {
		kinds[i] = Kind(i)
	}
	return kinds
}

func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind returns the Kind with this name, or Internal if the name is not known.
func ParseKind(name string) Kind {
	for i, n := range names {
		if n == name {
			return Kind(i)
		}
	}
	return Internal
}

// Rule is what a Kind allows. Retry means the same provider under the same key. Failover
// means another provider. Trips means that the failure counts against the provider's breaker.
type Rule struct {
	Retry, Failover, Trips bool
	// Alert means that a person is needed: the problem is the account itself, and the
	// breaker stays open for long.
	Alert bool
}

var rules = map[Kind]Rule{
	Unauthorized:   {Failover: true, Trips: true, Alert: true},
	QuotaExceeded:  {Failover: true, Trips: true, Alert: true},
	Refused:        {Failover: true},
	RateLimited:    {Retry: true, Failover: true, Trips: true},
	Unavailable:    {Retry: true, Failover: true, Trips: true},
	UnknownOutcome: {Retry: true, Trips: true},
}

// Rule returns what k allows. A Kind without a rule allows nothing.
func (k Kind) Rule() Rule { return rules[k] }

// Error is a failure with all that a caller may act upon. Message and Code are shown to
// callers of the API, so neither may contain a secret. Err is for the log.
type Error struct {
	Kind        Kind
	Op          string        // the operation: "mockpay.capture"
	Provider    string        // the provider's configured name, if one was involved
	Code        string        // stable, for programs: "amount_too_small"
	Param       string        // the field that is wrong, as the caller named it
	Message     string        // for people
	DeclineCode string        // the issuer's reason, for Declined
	RetryAfter  time.Duration // zero if not known
	NoRetry     bool          // the request must not be repeated at this provider, whatever the Kind allows
	Blameless   bool          // does not count against the provider's breaker, whatever the Kind says
	// Skipped means that no call was made, because the provider keeps failing. RetryAfter is then our own
	// wait, and the error says nothing of the request.
	Skipped bool
	Proven  bool    // comes with the provider's own object, made or changed by this request
	Answer  *Answer // the provider's answer, nil if there was none
	Err     error
}

// Answer is a provider's answer to a request that it did not execute. It may be shown:
// whoever makes an Answer removes addresses and secrets, and bounds its size.
type Answer struct {
	Status int    `json:"status"`          // HTTP status
	Field  string `json:"field,omitempty"` // the part of the request that is wrong, in the provider's terms; may be empty
	Words  string `json:"words,omitempty"` // the provider's text; empty if it is not certain to be the provider's
	// Private means that the words are not logged: see the function Private.
	Private bool `json:"-"`
}

// Private returns err with its answer marked as private. The words of a provider may quote the request, and
// that of some requests is not kept.
func Private(err error) error {
	var answer *Answer
	for e, rest := (*Error)(nil), err; answer == nil && errors.As(rest, &e); rest = e.Err {
		answer = e.Answer
	}
	if answer == nil {
		return err
	}
	outer := From(err)
	marked, quoted := *outer, *answer
	quoted.Private, marked.Answer = true, &quoted
	if err != error(outer) { //nolint:errorlint // what wraps it is kept, too
		marked.Op, marked.Err = "", err
	}
	return &marked
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Kind.String())
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Param != "" {
		b.WriteString(" at " + e.Param)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error that callers of the API may see.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// InvalidParam returns the error for a field that is wrong.
func InvalidParam(param, code, message string) *Error {
	return &Error{Kind: Invalid, Param: param, Code: code, Message: message}
}

// InvalidEntry returns the error for one entry of a field that is a map. Its key may be none: what cannot be
// printed is replaced, and the end of a long one is cut off.
func InvalidEntry(param, key, code, message string) *Error {
	runes := []rune(key)
	if len(runes) > maxKey {
		runes = append(runes[:maxKey], '…')
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = unicode.ReplacementChar
		}
	}
	key = string(runes)
	if key != "" {
		param += "." + key
	}
	return InvalidParam(param, code, message)
}

const maxKey = 80 // characters: no valid key is longer

// Wrap classifies err. The text of err is not shown to callers.
func Wrap(kind Kind, op string, err error) *Error {
	return &Error{Kind: kind, Op: op, Err: err}
}

// From returns the first *Error in err's chain. An error without one is UnknownOutcome,
// since nothing proves that the request was not processed.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: UnknownOutcome, Err: err}
}

// KindOf returns the Kind of err, or UnknownOutcome if err was not classified.
func KindOf(err error) Kind { return From(err).Kind }

// Is reports whether err is of this Kind. It is false for nil.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
