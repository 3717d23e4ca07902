package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// TestMailBySMTP checks where mail goes whose first provider is an SMTP server, with one copy for
// everybody who gets any.
func TestMailBySMTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		faults        []smtpsim.Fault
		delivery      string
		status, tries string
		smtp, mailgun int // copies
	}{
		{
			"a message is sent over TLS", nil,
			"at_most_once", "sent", "smtp accepted", 1, 0,
		},
		{
			"a message is sent although the connection ends after 250",
			[]smtpsim.Fault{{At: smtpsim.Message, After: true, Mishap: smtpsim.AnswersAndCloses()}},
			"at_most_once", "sent", "smtp accepted", 1, 0,
		},
		{
			"an account without credits fails over",
			[]smtpsim.Fault{{At: smtpsim.Auth, Mishap: smtpsim.Says("451 Authentication failed: Maximum credits exceeded")}},
			"at_most_once", "sent", "smtp provider_unusable, mailgun accepted", 0, 1,
		},
		{
			"a server that shuts down before the message fails over",
			[]smtpsim.Fault{{At: smtpsim.Rcpt, Mishap: smtpsim.SaysAndCloses("421 4.3.2 Shutting down")}},
			"at_most_once", "sent", "smtp not_accepted, mailgun accepted", 0, 1,
		},
		{
			"a refused recipient fails the message",
			[]smtpsim.Fault{{At: smtpsim.Rcpt, Mishap: smtpsim.Says("550 5.1.1 User unknown")}},
			"at_least_once", "failed", "smtp rejected_message", 0, 0,
		},
		{
			"no answer to the message leaves it unknown where two copies are not allowed",
			[]smtpsim.Fault{{At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()}},
			"at_most_once", "unknown", "smtp ambiguous", 1, 0,
		},
		{
			"no answer to the message fails over where two copies are allowed",
			[]smtpsim.Fault{{At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()}},
			"at_least_once", "sent", "smtp ambiguous, mailgun accepted", 1, 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, mailgun := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS}), mailgunsim.Start(t, mailgunsim.Options{})
			p := &mailGateway{Gateway: smtpGateway(t, server, mailgun)}
			server.Inject(c.faults...)
			p.becomes(t, p.send(t, "k", object{"delivery": c.delivery}), c.status, c.tries)
			if got := len(server.Delivered()); got != c.smtp {
				t.Errorf("the server has %d copies, want %d", got, c.smtp)
			}
			wantCopies(t, "mailgun", mailgun, c.mailgun)
		})
	}
}

// smtpGateway starts a gateway whose providers are an SMTP server, and then Mailgun.
func smtpGateway(t *testing.T, server *smtpsim.Sim, mailgun *mailgunsim.Sim) *gateway.Gateway {
	t.Helper()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, server.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [smtp, mailgun], from: shop@example.com}
providers:
  smtp: {type: smtp, host: %s, port: %d, username: %s, password: "${SMTP_PASSWORD}", ca_file: %q, hello: gateway.example.com}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q}
policies:
  mail: {timeout: 5s, attempts: 1}
`, server.Host(), server.Port(), server.User(), authority, mailgun.Domain(), mailgun.URL()),
		"SMTP_PASSWORD="+server.Key(), "MAILGUN_KEY="+mailgun.Key())
	g.Restart(t)
	return g
}
