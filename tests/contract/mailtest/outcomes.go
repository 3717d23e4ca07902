package mailtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/internal/suite"
)

// outcome is the error Kind that a mailer returns for a fault, and the number of messages that are
// delivered nevertheless.
type outcome struct {
	name      string
	fault     Fault
	kind      fault.Kind
	delivered int
}

var outcomes = []outcome{
	{"a rejected message is invalid", Rejected, fault.Invalid, 0},
	{"refused credentials are unauthorized", Unauthorized, fault.Unauthorized, 0},
	{"a refused sender is refused", SenderRefused, fault.Refused, 0},
	{"a suspended account is unauthorized", Suspended, fault.Unauthorized, 0},
	{"an exhausted account has exceeded its quota", Exhausted, fault.QuotaExceeded, 0},
	{"too many messages are rate limited", RateLimited, fault.RateLimited, 0},
	{"an unavailable provider is unavailable", Unavailable, fault.Unavailable, 0},
	{"a refused connection is unavailable", Refused, fault.Unavailable, 0},
	{"a reset with nothing done is unknown", ResetBefore, fault.UnknownOutcome, 0},
	{"a reset after acceptance is unknown", ResetAfter, fault.UnknownOutcome, 1},
	{"silence after acceptance is unknown", HangsAfter, fault.UnknownOutcome, 1},
	{"silence with nothing done is unknown", HangsForever, fault.UnknownOutcome, 0},
	{"a server error that is not the provider's is unknown", ServerError, fault.UnknownOutcome, 0},
	{"an unreadable success is unknown", Malformed, fault.UnknownOutcome, 1},
	{"a success that accepts nothing is unknown", NoSuccess, fault.UnknownOutcome, 0},
}

// pageOutcomes returns an outcome for each HTTP status with which a provider reports that it did not
// accept a mail. The same status from a proxy proves nothing.
func pageOutcomes() (all []outcome) {
	for _, status := range []int{400, 401, 402, 403, 404, 405, 413, 429, 503} {
		all = append(all, outcome{fmt.Sprintf("a proxy's page with a %d after acceptance is unknown", status), Page(status), fault.UnknownOutcome, 1})
	}
	return all
}

// RunNetwork runs the suite for the failures of a mailer that reaches its provider over a network.
// open makes a mailer that has delivered nothing.
func RunNetwork(t *testing.T, n Network, open func(t *testing.T) NetworkHarness) {
	n.check(t)
	suite.Run(t, n.cases(), open)
}

func (n Network) cases() []suite.Case[NetworkHarness] {
	all := []suite.Case[NetworkHarness]{
		{
			Name: "every recipient gets a copy",
			Doc:  "The provider gets every address of To, Cc and Bcc.",
			Run:  everyRecipient,
		},
		{
			Name: "recipients in bcc alone",
			Doc:  "If all recipients are in Bcc, each gets a copy that names none of the others, or the message is refused with Unsupported if OnlyBcc is not declared.",
			Run:  onlyBcc,
		},
		{
			Name: "a duplicate recipient gets one copy",
			Doc:  "An address that is given twice gets one copy, or the message is refused with Invalid.",
			Run:  duplicateRecipient,
		},
		{
			Name: "recipients that no header names get the message alone",
			Doc:  "A message that was handed over as MIME goes to its hidden recipients and not to others in its headers, or is refused with Unsupported if MIME is not declared.",
			Run:  hiddenRecipients,
		},
		{
			Name: "an undeclared feature makes no attempt",
			Doc:  "Each declared feature can be used, and a message with any other is refused with Unsupported before the provider is reached.",
			Run:  undeclaredNoAttempt,
		},
		{
			Name: "the provider keeps marks and metadata",
			Doc:  "The provider keeps Patchbay's marks and the metadata, and the receipt has a reference that no other message has.",
			Run:  marksAndMetadata(n),
		},
		{
			Name: "tracking is on or off as the message says",
			Doc:  "The provider is told to track a message, or not to, if both are declared. If one is declared its account does that, and it is told nothing. A message that says neither tells it nothing. What is not declared is refused with Unsupported.",
			Run:  tracking,
		},
		{
			Name: "a repeated attempt is sent once",
			Doc:  "If KeyMemory is declared, a second call of an attempt delivers nothing and returns the same reference, and Account is declared too; otherwise it delivers the message again.",
			Run:  repeatedAttempt,
		},
		{
			Name: "a call that is canceled too late is unknown",
			Doc:  "If the context ends after the message has left, Send returns UnknownOutcome.",
			Run:  canceledTooLate,
		},
		{
			Name: "a canceled call makes no attempt",
			Doc:  "Under a context that has ended Send returns Canceled and does not reach the provider.",
			Run:  canceledNoAttempt,
		},
		{
			Name: "a connection serves one message after the other",
			Doc:  "A connection is used again after an answer of any kind, unless the protocol forbids it, and not after it broke; every message is one attempt.",
			Run:  connectionReused(n),
		},
	}
	for _, o := range slices.Concat(outcomes, pageOutcomes()) {
		if n.has(o.fault) {
			all = append(all, o.first(n), o.next())
		}
	}
	all = append(all, templateCases()...)
	all = append(all, personalizationCases()...)
	if n.SMTP {
		all = append(all, smtpCases(n)...)
	}
	return all
}

// first is the case of the attempt that fails.
func (o outcome) first(n Network) suite.Case[NetworkHarness] {
	doc := fmt.Sprintf("Send returns %s after one attempt, with %d messages delivered, and the error names no part of the message and no secret.", o.kind, o.delivered)
	return suite.Case[NetworkHarness]{Name: o.name, Doc: doc, Run: func(t *testing.T, h NetworkHarness) {
		m := private(h)
		h.Fail(t, o.fault, &m)
		_, err := h.Mailer.Send(t.Context(), m)
		suite.WantKind(t, err, o.kind)
		attempts := h.Attempts()
		if o.fault == Refused && attempts == 0 {
			attempts = 1 // a provider need not see a connection that is refused
		}
		suite.Equal(t, "attempts", attempts, 1)
		wantDelivered(t, h.Harness, o.delivered)
		if o.fault == RateLimited {
			n.wantRetryAfter(t, fault.From(err).RetryAfter)
		}
		h.wantNothingPrivate(t, err)
	}}
}

// next is the case of the attempt after the one that fails.
func (o outcome) next() suite.Case[NetworkHarness] {
	return suite.Case[NetworkHarness]{Name: "usable after: " + o.name, Doc: "The message after that is accepted and delivered.", Run: func(t *testing.T, h NetworkHarness) {
		m := message()
		h.Fail(t, o.fault, &m)
		_, _ = h.Mailer.Send(t.Context(), m) // the result is checked by the case of the fault
		m = message()
		h.Fail(t, None, &m)
		if _, err := h.Mailer.Send(t.Context(), m); err != nil {
			t.Errorf("the next message: error %v, want none", err)
		}
		wantDelivered(t, h.Harness, o.delivered+1)
	}}
}

func (n Network) wantRetryAfter(t *testing.T, got time.Duration) {
	t.Helper()
	switch {
	case n.NoRetryAfter && got != 0:
		t.Errorf("to be tried again after %s, want 0: the provider says no time", got)
	case !n.NoRetryAfter && (got < 50*time.Second || got > 70*time.Second):
		t.Errorf("to be tried again after %s, want a minute", got)
	}
}

// private returns a message with a recognizable value in each field that must not appear in an
// error.
func private(h NetworkHarness) email.Message {
	m := message()
	m.From.Name, m.To[0].Name, m.Subject = "Private Sender", "Private Person", "Private Subject"
	m.Bcc = []email.Address{{Email: "private@example.com"}}
	if h.Mailer.Features().Metadata {
		m.Metadata = map[string]string{"customer": "Private-Metadata"}
	}
	return m
}

// wantNothingPrivate checks that an error contains no credentials and no part of the message.
func (h NetworkHarness) wantNothingPrivate(t *testing.T, err error) {
	t.Helper()
	if len(h.Secrets) == 0 {
		t.Fatal("the harness names no secret")
	}
	if err == nil {
		return // the caller has reported it
	}
	f := fault.From(err)
	text := strings.ToLower(strings.Join([]string{err.Error(), f.Message, f.Code, f.Param, fmt.Sprint(f.Answer)}, " "))
	for _, private := range append([]string{"ada@example.com", "eve@example.com", "Hello Ada", "private"}, h.Secrets...) {
		if strings.Contains(text, strings.ToLower(private)) {
			t.Errorf("error = %q, want one without %q", text, private)
		}
	}
}

func canceledNoAttempt(t *testing.T, h NetworkHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Mailer.Send(ctx, message())
	suite.WantKind(t, err, fault.Canceled)
	suite.Equal(t, "attempts", h.Attempts(), 0)
}

// A message that the provider has accepted stays sent when the caller's context is canceled.
func canceledTooLate(t *testing.T, h NetworkHarness) {
	m := message()
	h.Fail(t, HangsAfter, &m)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := h.Mailer.Send(ctx, m)
		result <- err
	}()
	suite.Eventually(t, "the message is delivered", func() bool { return len(h.Delivered(t)) == 1 })
	cancel()
	suite.WantKind(t, <-result, fault.UnknownOutcome)
}

// The adapter reads each answer to its end, also that of a refusal, so that the next message can
// use the same connection. A broken connection is not reused.
func connectionReused(n Network) func(t *testing.T, h NetworkHarness) {
	return func(t *testing.T, h NetworkHarness) {
		connections := func(after Fault, want int) {
			t.Helper()
			if h.Connections != nil {
				suite.Equal(t, fmt.Sprintf("connections after %q", after), h.Connections(), want)
			}
		}
		sent, want := 0, 1
		for _, f := range []Fault{None, Rejected, Unauthorized, RateLimited, Unavailable, ServerError, ResetAfter} {
			if !n.has(f) {
				continue
			}
			m := message()
			h.Fail(t, f, &m)
			if _, err := h.Mailer.Send(t.Context(), m); (err == nil) != (f == None) {
				t.Fatalf("fault %q: error %v, want one: %t", f, err, f != None)
			}
			connections(f, want)
			sent++
			if f == ResetAfter || slices.Contains(n.Ends, f) {
				want++
			}
		}
		if _, err := h.Mailer.Send(t.Context(), message()); err != nil {
			t.Errorf("after a broken connection: error %v, want none", err)
		}
		connections(ResetAfter, want)
		suite.Equal(t, "attempts", h.Attempts(), sent+1)
	}
}
