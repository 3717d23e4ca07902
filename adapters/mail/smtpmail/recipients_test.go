package smtpmail_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// refusing is a server that refuses Eve for good.
func refusing(t *testing.T, more ...smtpsim.Fault) *smtpsim.Sim {
	t.Helper()
	sim := smtpsim.Start(t, smtpsim.Options{})
	sim.Inject(append(more, smtpsim.Fault{
		At: smtpsim.Rcpt, Match: "eve@", Standing: true, Mishap: smtpsim.Says("550 5.1.1 <eve@example.com>: User unknown"),
	})...)
	return sim
}

func messageTo(names ...string) email.Message {
	m := message()
	m.To = nil
	for _, name := range names {
		m.To = append(m.To, email.Address{Email: name + "@example.com"})
	}
	return m
}

// named lists the recipients whom an error names, each with the code.
func named(err error) string {
	var refused email.RefusedRecipients
	errors.As(err, &refused)
	var all []string
	for _, r := range refused {
		all = append(all, r.Email+" "+r.Code)
	}
	return strings.Join(all, ", ")
}

func TestEveryRefusedRecipientIsKnownAfterOneTransaction(t *testing.T) {
	t.Parallel()
	sim := refusing(t, smtpsim.Fault{At: smtpsim.Rcpt, Match: "mal@", Standing: true, Mishap: smtpsim.Says("550 No such user: mal@example.com")})
	m := open(t, settingsFor(t, sim), patience)
	_, err := m.Send(t.Context(), messageTo("ada", "eve", "mal", "bob"))
	wantKind(t, err, fault.Invalid, email.CodeRecipientRejected)
	if got, want := named(err), "eve@example.com 5.1.1, mal@example.com 550"; got != want {
		t.Errorf("the error names %q, want %q", got, want)
	}
	var refused email.RefusedRecipients
	errors.As(err, &refused)
	if text := fmt.Sprintf("%v %+v", err, fault.From(err).Answer); strings.Contains(text, "eve") || strings.Contains(text, "mal@") {
		t.Errorf("error = %s, want one that names nobody", text)
	}
	for _, r := range refused {
		if r.Reason == "" || strings.Contains(r.Reason, "@") {
			t.Errorf("the reason is %q, want the server's without an address", r.Reason)
		}
	}
	wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.Auth, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Rcpt, smtpsim.Rcpt, smtpsim.Rcpt)
	if _, err := m.Send(t.Context(), messageTo("ada", "bob")); err != nil {
		t.Fatal(err)
	}
	if got := sim.Messages(); len(got) != 1 || !slices.Equal(got[0].To, []string{"ada@example.com", "bob@example.com"}) {
		t.Errorf("the server took %d messages, want one to Ada and Bob", len(got))
	}
	if got := sim.Connections(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// What comes after a refusal does not hide who was refused.
func TestWhatFollowsARefusedRecipientIsForTheNextAttempt(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]smtpsim.Mishap{
		"a mailbox that is busy":  smtpsim.Says("450 4.2.1 Busy"),
		"a relay that is refused": smtpsim.Says("550 5.7.1 Relaying denied"),
		"too many recipients":     smtpsim.Says("452 4.5.3 Too many recipients"),
		"a shutdown":              smtpsim.SaysAndCloses("421 4.3.2 Too many errors"),
		"the end":                 smtpsim.Closes(),
		"a reset":                 smtpsim.Resets(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := refusing(t, smtpsim.Fault{At: smtpsim.Rcpt, Match: "bob@", Mishap: then})
			m := open(t, settingsFor(t, sim), patience)
			_, err := m.Send(t.Context(), messageTo("ada", "eve", "bob", "carl"))
			wantKind(t, err, fault.Invalid, email.CodeRecipientRejected)
			if got, want := named(err), "eve@example.com 5.1.1"; got != want {
				t.Errorf("the error names %q, want %q", got, want)
			}
			if _, err := m.Send(t.Context(), messageTo("ada", "bob", "carl")); err != nil {
				t.Errorf("the next message: error %v, want none", err)
			}
			if got := sim.Messages(); len(got) != 1 || len(got[0].To) != 3 {
				t.Errorf("the server took %d messages, want one to three", len(got))
			}
		})
	}
}

// A failure before any refusal is what the attempt failed of.
func TestAFailureBeforeARefusedRecipientNamesNobody(t *testing.T) {
	t.Parallel()
	sim := refusing(t, smtpsim.Fault{At: smtpsim.Rcpt, Match: "ada@", Mishap: smtpsim.Says("450 4.2.1 Busy")})
	_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), messageTo("ada", "eve"))
	wantKind(t, err, fault.Unavailable, "recipient_unavailable")
	if got := named(err); got != "" {
		t.Errorf("the error names %q, want nobody", got)
	}
}

func TestARefusalThatIsNotAboutTheRecipientNamesNobody(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"550 5.7.1 Relaying denied", "554 5.7.1 Blocked", "503 5.5.1 Bad sequence", "530 5.7.0 Authentication required"} {
		sim := smtpsim.Start(t, smtpsim.Options{})
		sim.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.Says(answer)})
		_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), messageTo("ada", "eve"))
		if got := named(err); err == nil || got != "" {
			t.Errorf("%s: error %v names %q, want nobody", answer, err, got)
		}
	}
}
