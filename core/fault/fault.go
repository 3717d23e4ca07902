// Package fault is the vocabulary of failure that every layer shares.
//
// Whoever receives an error branches on its Kind, never on its text. A Kind
// says what is allowed next: try again, go to another provider, count against
// the breaker. See Rule.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what a failure means for whoever must decide what to do next.
type Kind uint8

const (
	// Internal is a mistake of our own. It is the zero value, so that a Kind
	// somebody forgot to set never looks retryable.
	Internal Kind = iota
	// Invalid: the request is wrong and will stay wrong.
	Invalid
	// Declined: the payment was refused by the issuer or the provider's rules.
	Declined
	// NotFound: the thing named does not exist, or belongs to somebody else.
	NotFound
	// Conflict: the thing exists already, or has changed since it was read.
	Conflict
	// Unsupported: this provider cannot do that, which others may. Nothing was done.
	Unsupported
	// Canceled: the caller gave up before anything was sent.
	Canceled
	// Unauthorized: our credentials at the provider were refused.
	Unauthorized
	// Refused: the provider refuses this request, and would not every other. Not
	// processed.
	Refused
	// QuotaExceeded: our account at the provider is used up.
	QuotaExceeded
	// RateLimited: the provider refused because of our rate. Not processed.
	RateLimited
	// Unavailable: the provider could not be reached. Proved not processed.
	Unavailable
	// UnknownOutcome: it may have been processed. What nobody can classify is this.
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

// Kinds lists every Kind, for tables that must cover them all.
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

// ParseKind returns the Kind with this name, Internal for a name it does not know.
func ParseKind(name string) Kind {
	for i, n := range names {
		if n == name {
			return Kind(i)
		}
	}
	return Internal
}

// Rule is what a Kind allows. "Retry" means the same provider under the same
// key; "Failover" means another provider; "Trips" means that the failure counts
// against the provider's breaker.
type Rule struct {
	Retry, Failover, Trips bool
	// Alert asks for a person: the account itself is at fault, and the breaker
	// stays open for long.
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

// Error is a failure with everything a caller may act upon. Message and Code
// are shown to callers of the API, so neither may hold a secret; Err is for the
// log.
type Error struct {
	Kind        Kind
	Op          string        // where: "mockpay.capture"
	Provider    string        // the provider's configured name, where one was involved
	Code        string        // stable, for programs: "amount_too_small"
	Param       string        // the field that is wrong, as the caller wrote it
	Message     string        // for people
	DeclineCode string        // the issuer's reason, with Declined
	RetryAfter  time.Duration // zero where nothing is known
	NoRetry     bool          // whoever failed asks not to be asked the same again, whatever the Kind allows
	Blameless   bool          // it says nothing about how well the provider is, whatever the Kind counts
	Proven      bool          // it comes with the provider's own object, made or changed by this very request
	Answer      *Answer       // the provider's, nil where it gave none
	Err         error
}

// Answer is what a provider answered to a request that it did not do. It may be shown:
// whoever makes one takes addresses and secrets out, and bounds it.
type Answer struct {
	Status int    // of HTTP
	Field  string // the part of the request that is wrong, as the provider calls it; may be empty
	Words  string // the provider's own; empty where it is not sure that they are
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

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error that callers of the API may see.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// InvalidParam makes the error for a field that is wrong.
func InvalidParam(param, code, message string) *Error {
	return &Error{Kind: Invalid, Param: param, Code: code, Message: message}
}

// Wrap classifies err, whose text stays out of what callers see.
func Wrap(kind Kind, op string, err error) *Error {
	return &Error{Kind: kind, Op: op, Err: err}
}

// From returns the first *Error in err's chain. An error without one is an
// UnknownOutcome: nobody could say that nothing happened.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: UnknownOutcome, Err: err}
}

// KindOf returns the Kind of err, UnknownOutcome where nobody classified it.
func KindOf(err error) Kind { return From(err).Kind }

// Is reports whether err is a failure of this kind. It is false for nil.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
