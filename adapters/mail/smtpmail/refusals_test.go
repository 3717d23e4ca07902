package smtpmail_test

import (
	"testing"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/core/fault"
)

// refused is an answer that does not accept a message, and what follows.
type refused struct {
	name  string
	at    smtpsim.Step
	reply string
	kind  fault.Kind
	code  string
	kept  bool // the next message goes over the same connection
}

// Before the message is sent, every answer but the expected one proves that nothing was accepted.
var early = []refused{
	{"a greeting with 421 means that the server is away", smtpsim.Greeting, "421 4.3.2 Shutting down", fault.Unavailable, "unavailable", false},
	{"a greeting with 421 4.7 means that the gateway is too fast", smtpsim.Greeting, "421 4.7.0 Try again later", fault.RateLimited, "rate_limit", false},
	{"a greeting about connections means that the gateway is too fast", smtpsim.Greeting, "421 Too many connections from your IP", fault.RateLimited, "rate_limit", false},
	{"a greeting with 554 is about the gateway", smtpsim.Greeting, "554 5.7.1 Your address is on a blocklist", fault.Unauthorized, "provider_misconfigured", false},
	{"EHLO and HELO with 5yz are about the gateway", smtpsim.Ehlo, "550 5.7.1 Access denied", fault.Unauthorized, "provider_misconfigured", false},
	{"AUTH with 535 is about the credentials", smtpsim.Auth, "535 5.7.8 Error: authentication failed", fault.Unauthorized, "provider_misconfigured", false},
	{"AUTH with 530 is about the credentials", smtpsim.Auth, "530 5.7.0 Must issue a STARTTLS command first", fault.Unauthorized, "provider_misconfigured", false},
	{"AUTH with 534 is about the credentials", smtpsim.Auth, "534 5.7.9 Application-specific password required", fault.Unauthorized, "provider_misconfigured", false},
	{"AUTH with 504 is about the mechanism", smtpsim.Auth, "504 5.7.4 Unrecognized authentication type", fault.Unauthorized, "provider_misconfigured", false},
	{"AUTH with 454 passes", smtpsim.Auth, "454 4.7.0 Temporary authentication failure", fault.Unavailable, "unavailable", false},
	{"AUTH about logins means that the gateway is too fast", smtpsim.Auth, "454 4.7.0 Too many login attempts, please try again later", fault.RateLimited, "rate_limit", false},
	{"SendGrid's 451 to AUTH about credits is the quota", smtpsim.Auth, "451 Authentication failed: Maximum credits exceeded", fault.QuotaExceeded, "quota_exceeded", false},
	{"Amazon's 454 about the daily quota is the quota", smtpsim.Auth, "454 Throttling failure: Daily message quota exceeded.", fault.QuotaExceeded, "quota_exceeded", false},
	{"Amazon's 454 about the rate means that the gateway is too fast", smtpsim.Mail, "454 Throttling failure: Maximum sending rate exceeded.", fault.RateLimited, "rate_limit", true},
	{"AUTH about a disabled account is about the account", smtpsim.Auth, "535 5.7.1 Account disabled", fault.Unauthorized, "account_suspended", false},

	{"MAIL with 550 is about the sender", smtpsim.Mail, "550 5.7.1 Sender rejected", fault.Refused, "sender_rejected", true},
	{"MAIL with 553 is about the sender", smtpsim.Mail, "553 5.1.8 Domain of sender does not resolve", fault.Refused, "sender_rejected", true},
	{"MAIL about a sender identity is about an unverified sender", smtpsim.Mail, "550 The from address does not match a verified Sender Identity.", fault.Refused, "sender_not_verified", true},
	{"MAIL with 530 is about the credentials", smtpsim.Mail, "530 5.7.0 Authentication required", fault.Unauthorized, "provider_misconfigured", false},
	{"MAIL with 552 is about the size", smtpsim.Mail, "552 5.3.4 Message size exceeds fixed limit", fault.Refused, "message_too_large", true},
	{"MAIL with 452 passes", smtpsim.Mail, "452 4.3.1 Insufficient system storage", fault.Unavailable, "unavailable", true},
	{"MAIL with 451 passes", smtpsim.Mail, "451 4.3.0 Local error in processing", fault.Unavailable, "unavailable", true},
	{"MAIL with 450 4.7 means that the gateway is too fast", smtpsim.Mail, "450 4.7.1 Slow down", fault.RateLimited, "rate_limit", true},
	{"MAIL with 421 ends the conversation", smtpsim.Mail, "421 4.3.2 Shutting down", fault.Unavailable, "unavailable", false},
	{"MAIL with 503 is about neither sender nor account", smtpsim.Mail, "503 5.5.1 Bad sequence of commands", fault.Refused, "provider_refused", true},
	{"Gmail's 550 to MAIL about the daily limit is the quota", smtpsim.Mail, "550 5.4.5 Daily user sending limit exceeded.", fault.QuotaExceeded, "quota_exceeded", true},

	{"RCPT with 550 5.1.1 is about the recipient", smtpsim.Rcpt, "550 5.1.1 User unknown", fault.Invalid, "recipient_rejected", true},
	{"RCPT with 550 alone is about the recipient", smtpsim.Rcpt, "550 No such user here", fault.Invalid, "recipient_rejected", true},
	{"RCPT with 5.2.1 is about the recipient, whatever it says of an account", smtpsim.Rcpt, "550 5.2.1 The account is disabled", fault.Invalid, "recipient_rejected", true},
	{"RCPT with 552 5.2.2 is about the recipient's mailbox", smtpsim.Rcpt, "552 5.2.2 Mailbox quota exceeded", fault.Invalid, "recipient_rejected", true},
	{"Outlook's 550 5.4.1 is about the recipient", smtpsim.Rcpt, "550 5.4.1 Recipient address rejected: Access denied", fault.Invalid, "recipient_rejected", true},
	{"RCPT with 5.1.7 is about the sender", smtpsim.Rcpt, "550 5.1.7 Bad sender address", fault.Refused, "sender_rejected", true},
	{"RCPT with 5.1.8 is about the sender", smtpsim.Rcpt, "550 5.1.8 Sender address rejected: Domain not found", fault.Refused, "sender_rejected", true},
	{"RCPT with 5.7.1 is the provider's policy", smtpsim.Rcpt, "550 5.7.1 Not by our policy", fault.Refused, "provider_refused", true},
	{"a refused relay says nothing of the recipient", smtpsim.Rcpt, "554 5.7.1 Relay access denied", fault.Refused, "provider_refused", true},
	{"a refused relay in other words says nothing of the recipient", smtpsim.Rcpt, "550 Relaying denied", fault.Refused, "provider_refused", true},
	{"RCPT with 554 alone is the provider's policy", smtpsim.Rcpt, "554 Transaction failed", fault.Refused, "provider_refused", true},
	{"RCPT with 530 is about the credentials", smtpsim.Rcpt, "530 Authentication required", fault.Unauthorized, "provider_misconfigured", false},
	{"RCPT with 452 4.5.3 is about the number of recipients", smtpsim.Rcpt, "452 4.5.3 Too many recipients", fault.Refused, "too_many_recipients", true},
	{"RCPT with 450 passes, and is about the recipient", smtpsim.Rcpt, "450 4.2.1 Mailbox busy", fault.Unavailable, "recipient_unavailable", true},
	{"RCPT with 450 alone passes, and is about the recipient", smtpsim.Rcpt, "450 Try again", fault.Unavailable, "recipient_unavailable", true},
	{"RCPT with 451 4.7 means that the gateway is too fast", smtpsim.Rcpt, "451 4.7.1 Greylisted", fault.RateLimited, "rate_limit", true},
	{"RCPT with 451 passes", smtpsim.Rcpt, "451 4.3.0 Local error", fault.Unavailable, "unavailable", true},
	{"RCPT with 421 ends the conversation", smtpsim.Rcpt, "421 4.4.2 Timeout", fault.Unavailable, "unavailable", false},

	{"DATA with 554 is the provider's policy", smtpsim.Data, "554 5.5.1 No valid recipients", fault.Refused, "provider_refused", true},
	{"DATA with 451 passes", smtpsim.Data, "451 4.3.0 Try again", fault.Unavailable, "unavailable", true},
	{"DATA with 550 5.1.1 is about a recipient", smtpsim.Data, "550 5.1.1 User unknown", fault.Invalid, "recipient_rejected", true},
	{"DATA with a success that asks for nothing proves that nothing was sent", smtpsim.Data, "250 2.0.0 Ok", fault.Unavailable, "unavailable", false},
	{"DATA with what is no answer proves that nothing was sent", smtpsim.Data, "Hello?", fault.Unavailable, "connection_failed", false},
}

// After the message was sent, only the known refusals prove that it was not accepted.
var late = []refused{
	{"a message refused with 5.1.1 has a bad recipient", smtpsim.Message, "550 5.1.1 User unknown", fault.Invalid, "recipient_rejected", true},
	{"a message refused with 5.1.8 has a bad sender", smtpsim.Message, "550 5.1.8 Bad sender", fault.Refused, "sender_rejected", true},
	{"a message refused with 5.6.0 is one that nobody takes", smtpsim.Message, "554 5.6.0 Message cannot be parsed", fault.Invalid, "rejected", true},
	{"a message refused with 5.7.1 is against the provider's policy", smtpsim.Message, "550 5.7.1 Message looks like spam", fault.Refused, "provider_refused", true},
	{"a message refused with 554 alone is against the provider's policy", smtpsim.Message, "554 Message refused", fault.Refused, "provider_refused", true},
	{"Amazon's 554 about verification is about an unverified sender", smtpsim.Message, "554 Message rejected: Email address is not verified.", fault.Refused, "sender_not_verified", true},
	{"a message refused with 552 is too large", smtpsim.Message, "552 Message exceeds fixed size", fault.Refused, "message_too_large", true},
	{"a message refused with 5.2.3 is too large", smtpsim.Message, "550 5.2.3 Too large for the mailbox", fault.Refused, "message_too_large", true},
	{"a message refused with 451 may be sent later", smtpsim.Message, "451 4.3.0 Queue file write error", fault.Unavailable, "unavailable", true},
	{"a message refused with 452 may be sent later", smtpsim.Message, "452 4.3.1 Insufficient system storage", fault.Unavailable, "unavailable", true},
	{"a message refused with 450 4.7 may be sent later", smtpsim.Message, "450 4.7.1 Slow down", fault.RateLimited, "rate_limit", true},
	{"a message refused with 535 means the credentials", smtpsim.Message, "535 5.7.8 Session expired", fault.Unauthorized, "provider_misconfigured", false},
	{"421 after a message proves nothing", smtpsim.Message, "421 4.4.2 Timeout", fault.UnknownOutcome, "no_answer", false},
	{"an unknown 4yz after a message proves nothing", smtpsim.Message, "499 Who knows", fault.UnknownOutcome, "no_answer", false},
	{"an unknown 5yz after a message proves nothing", smtpsim.Message, "599 Who knows", fault.UnknownOutcome, "no_answer", false},
	{"a success other than 250 after a message proves nothing", smtpsim.Message, "251 2.0.0 Forwarded", fault.UnknownOutcome, "no_answer", false},
	{"354 after a message proves nothing", smtpsim.Message, "354 Go on", fault.UnknownOutcome, "no_answer", false},
	{"what is no answer after a message proves nothing", smtpsim.Message, "Hello?", fault.UnknownOutcome, "no_answer", false},
}

func TestAnAnswerIsOfTheMessageTheServerOrNobody(t *testing.T) {
	t.Parallel()
	for _, c := range append(early, late...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, smtpsim.Options{})
			m := open(t, settingsFor(t, sim), patience)
			sim.Inject(smtpsim.Fault{At: c.at, Mishap: smtpsim.Says(c.reply), After: c.at == smtpsim.Greeting})
			if c.at == smtpsim.Ehlo {
				sim.Inject(smtpsim.Fault{At: "HELO", Mishap: smtpsim.Says(c.reply)})
			}
			_, err := m.Send(t.Context(), message())
			if got := fault.KindOf(err); err == nil || got != c.kind {
				t.Errorf("error %v, want kind %s", err, c.kind)
			}
			if got := fault.From(err).Code; got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
			}
			if got := len(sim.Delivered()); got != 0 {
				t.Errorf("%d messages are delivered, want 0", got)
			}
			if _, err := m.Send(t.Context(), message()); err != nil {
				t.Errorf("the next message: error %v, want none", err)
			}
			want := 2
			if c.kept {
				want = 1
			}
			if got := sim.Connections(); got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
		})
	}
}

// A recipient who cannot get mail for now is no reason to leave the server alone.
func TestABusyRecipientDoesNotCountAgainstTheServer(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]bool{"450 4.2.1 Mailbox busy": true, "451 4.3.0 Local error": false} {
		sim := smtpsim.Start(t, smtpsim.Options{})
		sim.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.Says(reply)})
		_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message())
		if got := fault.From(err).Blameless; err == nil || got != want {
			t.Errorf("%s: blameless = %t in %v, want %t", reply, got, err, want)
		}
	}
}

// An operator sees what the server has said, and to which command.
func TestAnErrorHasTheAnswer(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	sim.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.Says("550-5.7.1 Not <ada@example.com>,", "550 5.7.1 by our policy")})
	_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message())
	want := fault.Answer{Status: 550, Field: "RCPT TO", Words: "5.7.1 Not <[…]>, 5.7.1 by our policy"}
	if got := fault.From(err).Answer; got == nil || *got != want {
		t.Errorf("answer %+v, want %+v", got, want)
	}
}
