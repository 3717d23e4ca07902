package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"patchbay/core/fault"
)

// The table of DESIGN.md, "Errors decide everything", a row a kind. Each cell is
// money or mail: a kind that fails over though something may have been executed
// charges twice.
func TestRules(t *testing.T) {
	t.Parallel()
	const no, yes = false, true
	table := []struct {
		kind                          fault.Kind
		retry, failover, trips, alert bool
	}{
		{fault.Internal, no, no, no, no},
		{fault.Invalid, no, no, no, no},
		{fault.Declined, no, no, no, no},
		{fault.NotFound, no, no, no, no},
		{fault.Conflict, no, no, no, no},
		{fault.Unsupported, no, no, no, no},
		{fault.Canceled, no, no, no, no},
		{fault.Unauthorized, no, yes, yes, yes},
		{fault.Refused, no, yes, no, no},
		{fault.QuotaExceeded, no, yes, yes, yes},
		{fault.RateLimited, yes, yes, yes, no},
		{fault.Unavailable, yes, yes, yes, no},
		{fault.UnknownOutcome, yes, no, yes, no},
		{fault.Overloaded, no, no, no, no},
	}
	seen := make(map[fault.Kind]bool)
	for _, row := range table {
		seen[row.kind] = true
		t.Run(row.kind.String(), func(t *testing.T) {
			t.Parallel()
			want := fault.Rule{Retry: row.retry, Failover: row.failover, Trips: row.trips, Alert: row.alert}
			if got := row.kind.Rule(); got != want {
				t.Errorf("Rule() = %+v, want %+v", got, want)
			}
		})
	}
	for _, k := range fault.Kinds() {
		if !seen[k] {
			t.Errorf("%s has no row in this table", k)
		}
	}
	if len(seen) != len(fault.Kinds()) {
		t.Errorf("%d kinds in this table, %d in Kinds()", len(seen), len(fault.Kinds()))
	}
}

func TestUndefinedKindAllowsNothing(t *testing.T) {
	t.Parallel()
	stranger := fault.Kind(len(fault.Kinds()))
	if got := stranger.Rule(); got != (fault.Rule{}) {
		t.Errorf("Rule() = %+v, want nothing allowed", got)
	}
	if got, want := stranger.String(), fmt.Sprintf("kind(%d)", uint8(stranger)); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

// The names are stored with payments and shown in metrics: changing one makes
// what is stored unreadable.
func TestNames(t *testing.T) {
	t.Parallel()
	names := map[fault.Kind]string{
		fault.Internal:       "internal",
		fault.Invalid:        "invalid",
		fault.Declined:       "declined",
		fault.NotFound:       "not_found",
		fault.Conflict:       "conflict",
		fault.Unsupported:    "unsupported",
		fault.Canceled:       "canceled",
		fault.Unauthorized:   "unauthorized",
		fault.Refused:        "refused",
		fault.QuotaExceeded:  "quota_exceeded",
		fault.RateLimited:    "rate_limited",
		fault.Unavailable:    "unavailable",
		fault.UnknownOutcome: "unknown_outcome",
		fault.Overloaded:     "overloaded",
	}
	for _, k := range fault.Kinds() {
		name := names[k]
		if name == "" {
			t.Errorf("kind %d (%s) has no row in this table", k, k)
		}
		if k.String() != name {
			t.Errorf("String() of kind %d = %q, want %q", k, k, name)
		}
		if got := fault.ParseKind(name); got != k {
			t.Errorf("ParseKind(%q) = %s", name, got)
		}
	}
	for _, stranger := range []string{"", "Invalid", "kind(13)", "unknown"} {
		if got := fault.ParseKind(stranger); got != fault.Internal {
			t.Errorf("ParseKind(%q) = %s, want internal, which allows nothing", stranger, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	declined := fault.New(fault.Declined, "card_declined", "no")
	var forgotten fault.Error
	tests := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"a fault is what it says", declined, fault.Declined},
		{"a wrapped fault is found", fmt.Errorf("first: %w", fmt.Errorf("second: %w", declined)), fault.Declined},
		{"one of several joined errors is found", errors.Join(io.EOF, declined), fault.Declined},
		{"the outermost fault decides", fault.Wrap(fault.UnknownOutcome, "op", declined), fault.UnknownOutcome},
		{"what nobody has classified may have been done", io.ErrUnexpectedEOF, fault.UnknownOutcome},
		{"a time-out that nobody has classified may have been done", context.DeadlineExceeded, fault.UnknownOutcome},
		{"a cancellation that nobody has classified may have been done", fmt.Errorf("do: %w", context.Canceled), fault.UnknownOutcome},
		{"a kind that somebody forgot to set allows nothing", &forgotten, fault.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fault.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf(%v) = %s, want %s", tt.err, got, tt.want)
			}
			for _, k := range fault.Kinds() {
				if got := fault.Is(tt.err, k); got != (k == tt.want) {
					t.Errorf("Is(%v, %s) = %v", tt.err, k, got)
				}
			}
		})
	}
}

func TestNoErrorIsOfNoKind(t *testing.T) {
	t.Parallel()
	for _, k := range fault.Kinds() {
		if fault.Is(nil, k) {
			t.Errorf("Is(nil, %s)", k)
		}
	}
}

func TestFromKeepsTheCause(t *testing.T) {
	t.Parallel()
	if f := fault.From(io.EOF); !errors.Is(f, io.EOF) {
		t.Errorf("From(EOF) = %v, without its cause", f)
	}
	if f := fault.Wrap(fault.Unavailable, "op", io.EOF); !errors.Is(f, io.EOF) {
		t.Errorf("Wrap(EOF) = %v, without its cause", f)
	}
	inner := fault.New(fault.Invalid, "c", "m")
	if f := fault.From(fmt.Errorf("outer: %w", inner)); f != inner {
		t.Errorf("From gives %v, want the very error with its code", f)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  *fault.Error
		want string
	}{
		{"only a kind", &fault.Error{Kind: fault.Conflict}, "conflict"},
		{"for callers", fault.New(fault.Invalid, "bad", "it is bad"), "invalid (bad): it is bad"},
		{"of a field", fault.InvalidParam("to[0]", "bad", "it is bad"), "invalid (bad) at to[0]: it is bad"},
		{"of another's error", fault.Wrap(fault.Unavailable, "mockpay.capture", io.EOF), "mockpay.capture: unavailable: EOF"},
		{
			"everything",
			&fault.Error{Op: "op", Kind: fault.Declined, Code: "code", Param: "param", Message: "message", Err: io.EOF},
			"op: declined (code) at param: message: EOF",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What is shown to callers is Message and Code; the cause may hold an address
// or a part of a request.
func TestWrapShowsNothingToCallers(t *testing.T) {
	t.Parallel()
	f := fault.Wrap(fault.Internal, "op", errors.New("password=hunter2"))
	if shown := f.Code + f.Message + f.Param; shown != "" {
		t.Errorf("callers would see %q", shown)
	}
}
