package httpapi_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpapi"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/logging"
	"patchbay/tests/testlog"
)

// canary stands for something that an error contains and a caller must not see.
const canary = "postgres-password-hunter2"

// kinds has the status of each Kind. A Kind without a row fails the test, so that a new one gets a
// status.
var kinds = map[fault.Kind]struct {
	status int
	kind   string // of the error
	code   string // of an error without one
}{
	fault.Internal:       {500, "api_error", "internal"},
	fault.Invalid:        {400, "validation_error", "invalid"},
	fault.Declined:       {402, "card_error", "card_declined"},
	fault.NotFound:       {404, "validation_error", "not_found"},
	fault.Conflict:       {409, "validation_error", "conflict"},
	fault.Unsupported:    {400, "validation_error", "unsupported"},
	fault.Canceled:       {503, "api_error", "canceled"},
	fault.Unauthorized:   {503, "api_error", "provider_misconfigured"},
	fault.Refused:        {503, "api_error", "provider_refused"},
	fault.QuotaExceeded:  {503, "api_error", "quota_exceeded"},
	fault.RateLimited:    {503, "api_error", "rate_limited"},
	fault.Unavailable:    {503, "api_error", "unavailable"},
	fault.UnknownOutcome: {503, "api_error", "unknown_outcome"},
	fault.Overloaded:     {429, "api_error", "overloaded"},
}

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, kind := range fault.Kinds() {
		want, ok := kinds[kind]
		if !ok {
			t.Errorf("%s has no row in the table", kind)
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			r.failing(fault.Wrap(kind, "op-"+canary, errors.New(canary)))
			a := r.do(t, "GET", "/readyz", "")
			a.refused(t, want.status, want.code, "")
			if a.err.Type != want.kind {
				t.Errorf("type = %q, want %q", a.err.Type, want.kind)
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("body = %s, want no cause (%q) in it", a.body, canary)
			}
			// The operator must see what the caller must not.
			logged := strings.Contains(r.log.String(), "request="+a.err.RequestID)
			if logged != (want.status >= 500) {
				t.Errorf("status %d is logged: %t, want %t", want.status, logged, want.status >= 500)
			}
		})
	}
	if !strings.Contains(r.log.String(), canary) {
		t.Errorf("log = %q, want the cause %q in it", r.log.String(), canary)
	}
}

func TestPrivateTextOfErrorsIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for name, err := range map[string]error{
		"an error without a kind":                     errors.New(canary),
		"a wrapped error":                             fmt.Errorf("reading: %w", fault.Wrap(fault.Unavailable, canary, errors.New(canary))),
		"an internal error with a message":            fault.New(fault.Internal, canary, canary),
		"an unknown outcome with a message":           fault.New(fault.UnknownOutcome, "timeout", canary),
		"the provider's text about our account":       fault.New(fault.Unauthorized, canary, "Invalid API key: "+canary),
		"the provider's text about a refused request": fault.New(fault.Refused, canary, "not for "+canary),
	} {
		t.Run(name, func(t *testing.T) {
			r.failing(err)
			a := r.do(t, "GET", "/readyz", "")
			if a.status < 500 {
				t.Errorf("status = %d, want 5xx", a.status)
			}
			if text := a.body + fmt.Sprint(a.header); strings.Contains(text, canary) {
				t.Errorf("answer = %s, want no %q in it", text, canary)
			}
		})
	}
}

func TestCodeMessageAndParamAreShown(t *testing.T) {
	t.Parallel()
	r := serve(t)
	r.failing(fault.InvalidParam("to[0]", "invalid_address", "an address must look like ada@example.com"))
	a := r.do(t, "GET", "/readyz", "")
	a.refused(t, 400, "invalid_address", "to[0]")
	if a.err.Message != "an address must look like ada@example.com" {
		t.Errorf("message = %q, want that of the error", a.err.Message)
	}
}

func TestStatusOfConflictsByCode(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for code, status := range map[string]int{
		idempotency.CodeMismatch: 422, // the draft standard of Idempotency-Key, section 2.7
		idempotency.CodeInFlight: 409,
		"version_mismatch":       412, // RFC 9110, section 13.1.1
		"email_taken":            409,
		events.CodeGone:          410,
	} {
		r.failing(fault.New(fault.Conflict, code, "it is so"))
		r.do(t, "GET", "/readyz", "").refused(t, status, code, "")
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name string
		err  *fault.Error
		want string
	}{
		{"unavailable: a second", &fault.Error{Kind: fault.Unavailable}, "1"},
		{"our account is refused, which a person must fix: a minute", &fault.Error{Kind: fault.Unauthorized}, "60"},
		{"the request is refused, which a person must fix: a minute", &fault.Error{Kind: fault.Refused}, "60"},
		{"our account has no quota left: a minute", &fault.Error{Kind: fault.QuotaExceeded}, "60"},
		{"our account has no quota left, with a time: that time", &fault.Error{Kind: fault.QuotaExceeded, RetryAfter: 5 * time.Second}, "5"},
		{"a part of a second is rounded up", &fault.Error{Kind: fault.RateLimited, RetryAfter: 1200 * time.Millisecond}, "2"},
		{"a millisecond is rounded up to a second", &fault.Error{Kind: fault.Overloaded, RetryAfter: time.Millisecond}, "1"},
		{"an open breaker: its remaining time", &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", RetryAfter: 27*time.Second + time.Millisecond}, "28"},
		{"the time that the provider says", &fault.Error{Kind: fault.Unavailable, RetryAfter: 2 * time.Minute}, "120"},
		{"a conflict with a time: that time", &fault.Error{Kind: fault.Conflict, RetryAfter: 3 * time.Second}, "3"},
		{"a conflict without a time: none", &fault.Error{Kind: fault.Conflict}, ""},
		{"an invalid request: none", &fault.Error{Kind: fault.Invalid}, ""},
		{"an internal error: none", &fault.Error{Kind: fault.Internal}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.failing(row.err)
			if got := r.do(t, "GET", "/readyz", "").header.Get("Retry-After"); got != row.want {
				t.Errorf("Retry-After = %q, want %q", got, row.want)
			}
		})
	}
}

// A thief who learns that a card is reported stolen would try the next one.
func TestTheReasonOfADeclineIsHiddenIfTheCardIsSuspect(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, row := range []struct {
		name, declineCode, shown string
		hidden                   bool
	}{
		{"no money", "insufficient_funds", "insufficient_funds", false},
		{"stolen", "stolen_card", "generic_decline", true},
		{"lost", "lost_card", "generic_decline", true},
		{"fraud", "fraudulent", "generic_decline", true},
		{"picked up", "pickup_card", "generic_decline", true},
		{"blocked by the merchant", "merchant_blacklist", "generic_decline", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := "because it is " + row.declineCode
			r.failing(&fault.Error{Kind: fault.Declined, Code: "card_declined", DeclineCode: row.declineCode, Message: text})
			a := r.do(t, "GET", "/readyz", "")
			a.refused(t, 402, "card_declined", "")
			if a.err.DeclineCode != row.shown {
				t.Errorf("decline_code = %q, want %q", a.err.DeclineCode, row.shown)
			}
			if shown := strings.Contains(a.body, row.declineCode); shown == row.hidden {
				t.Errorf("body = %s, has %q: %t, want %t", a.body, row.declineCode, shown, !row.hidden)
			}
			if shown := a.err.Message == text; shown == row.hidden {
				t.Errorf("message = %q, is the issuer's: %t, want %t", a.err.Message, shown, !row.hidden)
			}
		})
	}
}

func TestAPanicEndsTheRequestAlone(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	r := serve(t, func(s *httpapi.Server) { // without anything behind payments
		s.LogRequests, s.Log = true, logging.New(slog.NewTextHandler(&log, nil)).Logger
	})
	r.do(t, "GET", "/api/payments/pay_1", "").refused(t, 500, "internal", "")
	for _, want := range []string{"httpapi.panic", "getPayment", "msg=request method=GET route=/api/payments/:id status=500"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log = %q, want %q in it", log.String(), want)
		}
	}
	r.do(t, "GET", "/healthz", "").hasStatus(t, 200) // the next request is served
}
