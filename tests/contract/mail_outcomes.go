package contract

import (
	"context"
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
)

// MailFault is something that goes wrong between a mailer and its provider.
type MailFault string

// The faults a harness can bring about.
const (
	MailRefused      MailFault = "refused"       // the connection is refused
	MailRejected     MailFault = "rejected"      // the message is refused for good, in words that quote an address
	MailUnauthorized MailFault = "unauthorized"  // our credentials
	MailForbidden    MailFault = "forbidden"     // our account
	MailExhausted    MailFault = "exhausted"     // the account is used up
	MailRateLimited  MailFault = "rate_limited"  // too many requests; come again in a minute
	MailUnavailable  MailFault = "unavailable"   // 503
	MailServerError  MailFault = "server_error"  // 500 with a body that is not the provider's
	MailMalformed    MailFault = "malformed"     // taken, and answered with a 2xx that nobody can read
	MailNoSuccess    MailFault = "no_success"    // a 2xx that means that nothing was taken
	MailResetBefore  MailFault = "reset_before"  // the connection is reset before anything was done
	MailResetAfter   MailFault = "reset_after"   // taken, then the connection is reset
	MailHangsAfter   MailFault = "hangs_after"   // taken, then silence
	MailHangsForever MailFault = "hangs_forever" // silence, nothing done
)

// MailOutcomesHarness is a mailer on an account of its own at a provider over the
// network, that the suite can look into.
type MailOutcomesHarness struct {
	MailHarness
	// Requests counts those that reached the provider.
	Requests func() int
	// Fail makes the next request go wrong, and whatever comes after it go well.
	Fail func(t *testing.T, f MailFault)
	// Secrets are the account's credentials.
	Secrets []string
}

// mailOutcomes says what a mailer makes of each fault, and whether the mail went
// out.
var mailOutcomes = []struct {
	name      string
	fault     MailFault
	kind      fault.Kind
	delivered int
}{
	{"29 refused by the provider: rejected for good", MailRejected, fault.Invalid, 0},
	{"30 a 401: unauthorized", MailUnauthorized, fault.Unauthorized, 0},
	{"30 a 403: unauthorized", MailForbidden, fault.Unauthorized, 0},
	{"31 the account is used up: quota exceeded", MailExhausted, fault.QuotaExceeded, 0},
	{"32 a 429: rate limited", MailRateLimited, fault.RateLimited, 0},
	{"33 a 503: unavailable", MailUnavailable, fault.Unavailable, 0},
	{"34 connection refused: unavailable", MailRefused, fault.Unavailable, 0},
	{"35 reset with nothing done: unknown", MailResetBefore, fault.UnknownOutcome, 0},
	{"35 taken, then reset: unknown", MailResetAfter, fault.UnknownOutcome, 1},
	{"36 taken, then silence: unknown", MailHangsAfter, fault.UnknownOutcome, 1},
	{"36 silence, nothing done: unknown", MailHangsForever, fault.UnknownOutcome, 0},
	{"37 a 500 that is not the provider's: unknown", MailServerError, fault.UnknownOutcome, 0},
	{"38 a 2xx that nobody can read: unknown", MailMalformed, fault.UnknownOutcome, 1},
	{"38 a 2xx that is no success: unknown", MailNoSuccess, fault.UnknownOutcome, 0},
}

// MailOutcomes is the contract of ports.Mailer for what goes wrong with a provider
// over the network. The numbers are those of the email reference.
func MailOutcomes(t *testing.T, open func(t *testing.T) MailOutcomesHarness) {
	for _, c := range mailOutcomes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			h.Fail(t, c.fault)
			_, err := h.Mailer.Send(t.Context(), letter())
			wantKind(t, err, c.kind)
			if n := len(h.Delivered(t)); n != c.delivered {
				t.Errorf("%d messages were delivered, want %d", n, c.delivered)
			}
			if after := fault.From(err).RetryAfter; c.fault == MailRateLimited && (after < 50*time.Second || after > 70*time.Second) {
				t.Errorf("to be tried again after %s, want a minute", after)
			}
			h.tellsNothing(t, err)
		})
		t.Run("45 usable again after: "+string(c.fault), func(t *testing.T) {
			t.Parallel()
			h := open(t)
			h.Fail(t, c.fault)
			_, _ = h.Mailer.Send(t.Context(), letter()) // seen above
			h.Fail(t, "")
			if _, err := h.Mailer.Send(t.Context(), letter()); err != nil {
				t.Errorf("the next: %v", err)
			}
			if n := len(h.Delivered(t)); n != c.delivered+1 {
				t.Errorf("%d messages were delivered, want %d", n, c.delivered+1)
			}
		})
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, h MailOutcomesHarness)
	}{
		{"26 what is not declared makes no request", undeclaredMakesNoRequest},
		{"41 given up before a byte is written: no request", givenUpMakesNoRequest},
		{"45 a connection serves one message after the other", oneRequestEach},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

// tellsNothing holds that an error has no credentials and nothing of the message
// (case 43).
func (h MailOutcomesHarness) tellsNothing(t *testing.T, err error) {
	t.Helper()
	if len(h.Secrets) == 0 {
		t.Fatal("the harness names no secret")
	}
	f := fault.From(err)
	said := err.Error() + f.Message + f.Code + f.Param
	for _, private := range append([]string{"ada@example.com", "Hello Ada"}, h.Secrets...) {
		if strings.Contains(said, private) {
			t.Errorf("%q is in %q", private, said)
		}
	}
}

func undeclaredMakesNoRequest(t *testing.T, h MailOutcomesHarness) {
	m := letter()
	for range 1 + h.Mailer.Features().Tags {
		m.Tags = append(m.Tags, "t"+string(rune('a'+len(m.Tags))))
	}
	_, err := h.Mailer.Send(t.Context(), m)
	wantKind(t, err, fault.Unsupported)
	if n := h.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func givenUpMakesNoRequest(t *testing.T, h MailOutcomesHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Mailer.Send(ctx, letter())
	wantKind(t, err, fault.Canceled)
	if n := h.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func oneRequestEach(t *testing.T, h MailOutcomesHarness) {
	for range 3 {
		if _, err := h.Mailer.Send(t.Context(), letter()); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.Requests(); n != 3 {
		t.Errorf("%d requests for 3 messages", n)
	}
}
