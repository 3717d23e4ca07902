package contract

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// MailFault is a failure between a mailer and its provider.
type MailFault string

// The faults that a harness can cause.
const (
	MailRefused      MailFault = "refused"       // the connection is refused
	MailRejected     MailFault = "rejected"      // the message is rejected permanently; the error text quotes an address
	MailUnauthorized MailFault = "unauthorized"  // the provider rejects the credentials
	MailSender       MailFault = "sender"        // the provider rejects the sender of this message
	MailSuspended    MailFault = "suspended"     // the account is suspended and may not send
	MailExhausted    MailFault = "exhausted"     // the account has used up its quota
	MailRateLimited  MailFault = "rate_limited"  // too many requests; retry in a minute
	MailUnavailable  MailFault = "unavailable"   // 503 with the provider's own body
	MailServerError  MailFault = "server_error"  // 500 with a body that is not the provider's
	MailMalformed    MailFault = "malformed"     // accepted, then a 2xx with an unreadable body
	MailNoSuccess    MailFault = "no_success"    // a 2xx whose meaning is that nothing was accepted
	MailResetBefore  MailFault = "reset_before"  // the connection is reset before anything is done
	MailResetAfter   MailFault = "reset_after"   // accepted, then the connection is reset
	MailHangsAfter   MailFault = "hangs_after"   // accepted, then no answer
	MailHangsForever MailFault = "hangs_forever" // nothing is done and no answer comes
)

// MailOutcomesHarness is a mailer with its own account at a provider that is reached over the
// network and whose state the suite can read.
type MailOutcomesHarness struct {
	MailHarness
	// Requests counts the requests that reached the provider.
	Requests func() int
	// Connections counts the connections that carried these requests.
	Connections func() int
	// Kept returns what the provider stores about each delivered message besides the message
	// itself, oldest first.
	Kept func() []MailKept
	// Fail makes the next request fail; later requests succeed.
	Fail func(t *testing.T, f MailFault)
	// Secrets are the account's credentials.
	Secrets []string
}

// MailKept is what a provider stores about a message.
type MailKept struct {
	To        []string          // all recipients, including bcc
	Variables map[string]string // the metadata and Patchbay's own variables
}

// mailOutcome is the error Kind that a mailer returns for a fault, and the number of messages
// delivered.
type mailOutcome struct {
	name      string
	fault     MailFault
	kind      fault.Kind
	delivered int
}

var mailOutcomes = []mailOutcome{
	{"29 refused by the provider: rejected for good", MailRejected, fault.Invalid, 0},
	{"30 a 401: unauthorized", MailUnauthorized, fault.Unauthorized, 0},
	{"30 a sender that is not verified: refused", MailSender, fault.Refused, 0},
	{"30 a suspended account: unauthorized", MailSuspended, fault.Unauthorized, 0},
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

// MailPage is a fault: the provider accepts the mail, then a proxy answers with its own page and
// this status.
func MailPage(status int) MailFault { return MailFault(fmt.Sprint("page_", status)) }

// Page returns the status of a MailPage.
func (f MailFault) Page() (status int, ok bool) {
	text, ok := strings.CutPrefix(string(f), "page_")
	status, err := strconv.Atoi(text)
	return status, ok && err == nil
}

// pages returns a case for each status with which a provider reports that it did not accept a mail.
// The same status from a proxy proves nothing.
func pages() (all []mailOutcome) {
	for _, status := range []int{400, 401, 402, 403, 404, 405, 413, 429, 503} {
		name := fmt.Sprintf("37 taken, then a proxy's page with a %d: unknown", status)
		all = append(all, mailOutcome{name, MailPage(status), fault.UnknownOutcome, 1})
	}
	return all
}

// MailOutcomes runs the suite for the failures of a ports.Mailer whose provider is reached over the
// network. The numbers are those of the email reference.
func MailOutcomes(t *testing.T, open func(t *testing.T) MailOutcomesHarness) {
	for _, c := range slices.Concat(mailOutcomes, pages()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			h.Fail(t, c.fault)
			_, err := h.Mailer.Send(t.Context(), private(h))
			wantKind(t, err, c.kind)
			if n := h.Requests(); n != 1 && c.fault != MailRefused || n > 1 {
				t.Errorf("%d requests, want one", n)
			}
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
			_, _ = h.Mailer.Send(t.Context(), message()) // the result is checked above
			h.Fail(t, "")
			if _, err := h.Mailer.Send(t.Context(), message()); err != nil {
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
		{"5 a blind copy is sent, and so is every other", everybodyGetsIt},
		{"23 an address twice: refused, or one copy", twiceIsOnce},
		{"26 what is declared works, and what is not makes no request", declaredOrNoRequest},
		{"28 the provider keeps our id and the metadata, and gives an id of its own", idsAndMetadata},
		{"36 given up once it was sent: unknown", givenUpTooLate},
		{"41 given up before a byte is written: no request", givenUpMakesNoRequest},
		{"45 a connection serves one message after the other", oneConnection},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

// private returns a message with a recognizable value in each field that must not appear in an
// error.
func private(h MailOutcomesHarness) email.Message {
	m := message()
	m.From.Name, m.To[0].Name, m.Subject = "Private Sender", "Private Person", "Private Subject"
	m.Bcc = []email.Address{{Email: "private@example.com"}}
	if h.Mailer.Features().Metadata {
		m.Metadata = map[string]string{"customer": "Private Metadata"}
	}
	return m
}

// tellsNothing checks that an error contains no credentials and no part of the message (case 43).
func (h MailOutcomesHarness) tellsNothing(t *testing.T, err error) {
	t.Helper()
	if len(h.Secrets) == 0 {
		t.Fatal("the harness names no secret")
	}
	f := fault.From(err)
	said := strings.ToLower(strings.Join([]string{err.Error(), f.Message, f.Code, f.Param, fmt.Sprint(f.Answer)}, " "))
	for _, kept := range append([]string{"ada@example.com", "Hello Ada", "private"}, h.Secrets...) {
		if strings.Contains(said, strings.ToLower(kept)) {
			t.Errorf("%q is in %q", kept, said)
		}
	}
}

func givenUpMakesNoRequest(t *testing.T, h MailOutcomesHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Mailer.Send(ctx, message())
	wantKind(t, err, fault.Canceled)
	if n := h.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A message that the provider has accepted stays sent when the caller's context is cancelled.
func givenUpTooLate(t *testing.T, h MailOutcomesHarness) {
	h.Fail(t, MailHangsAfter)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		_, err := h.Mailer.Send(ctx, message())
		answer <- err
	}()
	soon(t, "the message arrives", func() bool { return len(h.Delivered(t)) == 1 })
	cancel()
	wantKind(t, <-answer, fault.UnknownOutcome)
}

// The adapter reads each answer to its end, also that of a refusal, so that the next message can
// use the same connection. A broken connection is not reused.
func oneConnection(t *testing.T, h MailOutcomesHarness) {
	sent := 0
	for _, f := range []MailFault{"", MailRejected, MailUnauthorized, MailRateLimited, MailUnavailable, MailServerError, MailResetAfter} {
		h.Fail(t, f)
		if _, err := h.Mailer.Send(t.Context(), message()); (err == nil) != (f == "") {
			t.Fatalf("%q: %v", f, err)
		}
		if n := h.Connections(); n != 1 {
			t.Errorf("%d connections at %q, want 1", n, f)
		}
		sent++
	}
	if _, err := h.Mailer.Send(t.Context(), message()); err != nil || h.Connections() != 2 {
		t.Errorf("%d connections after one broke, want 2: %v", h.Connections(), err)
	}
	if n := h.Requests(); n != sent+1 {
		t.Errorf("%d requests for %d messages", n, sent+1)
	}
}
