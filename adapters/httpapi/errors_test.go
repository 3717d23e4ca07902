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
	code   string // where the failure has none
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
				t.Errorf("type %s, want %s", a.err.Type, want.kind)
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("the cause got out: got %s, want no %q in it", a.body, canary)
			}
			// The operator must see what the caller must not.
			logged := strings.Contains(r.log.String(), "request="+a.err.RequestID)
			if logged != (want.status >= 500) {
				t.Errorf("logged: %v, at status %d, want %v", logged, want.status, (want.status >= 500))
			}
		})
	}
	if !strings.Contains(r.log.String(), canary) {
		t.Errorf("the log does not say the cause, want %q in it", canary)
	}
}

func TestTextThatIsNotForCallersStaysInside(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for name, err := range map[string]error{
		"an error nobody classified":            errors.New(canary),
		"one that was wrapped":                  fmt.Errorf("reading: %w", fault.Wrap(fault.Unavailable, canary, errors.New(canary))),
		"a mistake of ours with a message":      fault.New(fault.Internal, canary, canary),
		"an unknown outcome with a message":     fault.New(fault.UnknownOutcome, "timeout", canary),
		"our account refused, in its own words": fault.New(fault.Unauthorized, canary, "Invalid API key: "+canary),
		"a request refused, in its own words":   fault.New(fault.Refused, canary, "not for "+canary),
	} {
		t.Run(name, func(t *testing.T) {
			r.failing(err)
			if a := r.do(t, "GET", "/readyz", ""); a.status < 500 || strings.Contains(a.body+fmt.Sprint(a.header), canary) {
				t.Errorf("got %d %v %s, want status at least 500, no %q in it", a.status, a.header, a.body, canary)
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
		t.Errorf("got %s, want \"an address must look like ada@example.com\"", a.body)
	}
}

func TestConflictsHaveStatusesOfTheirOwn(t *testing.T) {
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
		{"where nothing is known, a second", &fault.Error{Kind: fault.Unavailable}, "1"},
		{"a provider that does not know us, which somebody must put right", &fault.Error{Kind: fault.Unauthorized}, "60"},
		{"a provider that does not let us", &fault.Error{Kind: fault.Refused}, "60"},
		{"an account that is used up", &fault.Error{Kind: fault.QuotaExceeded}, "60"},
		{"the same, and it is known when it may be asked again", &fault.Error{Kind: fault.QuotaExceeded, RetryAfter: 5 * time.Second}, "5"},
		{"a part of a second is a whole one", &fault.Error{Kind: fault.RateLimited, RetryAfter: 1200 * time.Millisecond}, "2"},
		{"never none at all", &fault.Error{Kind: fault.Overloaded, RetryAfter: time.Millisecond}, "1"},
		{"a breaker that is open: the rest of its time", &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", RetryAfter: 27*time.Second + time.Millisecond}, "28"},
		{"as long as the provider says", &fault.Error{Kind: fault.Unavailable, RetryAfter: 2 * time.Minute}, "120"},
		{"a conflict that passes", &fault.Error{Kind: fault.Conflict, RetryAfter: 3 * time.Second}, "3"},
		{"a conflict that stays", &fault.Error{Kind: fault.Conflict}, ""},
		{"what stays wrong", &fault.Error{Kind: fault.Invalid}, ""},
		{"a mistake of ours", &fault.Error{Kind: fault.Internal}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.failing(row.err)
			if got := r.do(t, "GET", "/readyz", "").header.Get("Retry-After"); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// A thief who learns that a card is reported stolen would try the next one.
func TestWhyACardWasRefused(t *testing.T) {
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
			if a.err.DeclineCode != row.shown || strings.Contains(a.body, row.declineCode) == row.hidden || (a.err.Message == text) == row.hidden {
				t.Errorf("%s", a.body)
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
			t.Errorf("%s is not in the log:\n%s", want, log.String())
		}
	}
	if a := r.do(t, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("after it: got %d %s, want 200", a.status, a.body)
	}
}
