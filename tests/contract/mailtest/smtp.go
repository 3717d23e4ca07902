package mailtest

import (
	"errors"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/internal/suite"
)

// smtpCases are the cases of a conversation by SMTP.
func smtpCases(n Network) []suite.Case[NetworkHarness] {
	closed := outcome{"a connection that ends before the message is unavailable", ClosedAtRcpt, fault.Unavailable, 0}
	return []suite.Case[NetworkHarness]{
		{
			Name: "a message that was accepted is accepted however the connection ends",
			Doc:  "If the server answers 250 to a message and the connection then ends, Send returns no error, and that message and the next are delivered once.",
			Run:  acceptedThenClosed,
		},
		{
			Name: "one refused recipient of two refuses the message",
			Doc:  "If the server refuses one of two recipients, Send returns Invalid, whose chain names that recipient with the code and whose text names nobody, and neither gets the message.",
			Run:  oneRefused,
		},
		{
			Name: "usable after: one refused recipient of two refuses the message",
			Doc:  "The message after that is accepted, and goes to its own recipients alone.",
			Run:  afterOneRefused,
		},
		closed.first(n),
		closed.next(),
	}
}

// A client that ends the transaction by RSET or QUIT may see an error then. It is not one of the
// message.
func acceptedThenClosed(t *testing.T, h NetworkHarness) {
	m := message()
	h.Fail(t, EndsAfter, &m)
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Errorf("error %v, want none", err)
	}
	wantDelivered(t, h.Harness, 1)
	m = message()
	h.Fail(t, None, &m)
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Errorf("the next message: error %v, want none", err)
	}
	wantDelivered(t, h.Harness, 2)
}

func two(h NetworkHarness) email.Message {
	m := private(h)
	m.To, m.Bcc = append(m.To, email.Address{Email: "eve@example.com", Name: "Private Eve"}), nil
	return m
}

func oneRefused(t *testing.T, h NetworkHarness) {
	m := two(h)
	h.Fail(t, OneRefused, &m)
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.Invalid)
	suite.Equal(t, "attempts", h.Attempts(), 1)
	wantDelivered(t, h.Harness, 0)
	var named email.RefusedRecipients
	if !errors.As(err, &named) || len(named) != 1 {
		t.Fatalf("the error names %d recipients, want one", len(named))
	}
	suite.Equal(t, "who is refused", named[0].Email, "eve@example.com")
	suite.Equal(t, "the code", named[0].Code, "5.1.1")
	h.wantNothingPrivate(t, err)
}

func afterOneRefused(t *testing.T, h NetworkHarness) {
	m := two(h)
	h.Fail(t, OneRefused, &m)
	_, _ = h.Mailer.Send(t.Context(), m) // the case before checks the result
	m = message()
	h.Fail(t, None, &m)
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatalf("the next message: error %v, want none", err)
	}
	suite.Equal(t, "recipients at the provider", h.onlyKept(t).To, []string{"ada@example.com"})
}
