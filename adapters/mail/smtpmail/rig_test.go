package smtpmail_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"patchbay/adapters/mail/smtpmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/tests/gateway"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// message is a message to one recipient.
func message() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: day,
	}
}

// settingsFor returns the settings for a simulator, without TLS.
func settingsFor(t *testing.T, sim *smtpsim.Sim) *smtpmail.Settings {
	t.Helper()
	s := smtpmail.Provider.Settings().(*smtpmail.Settings)
	s.Host, s.Port, s.Security, s.Hello = sim.Host(), sim.Port(), "none", "gateway.example.com"
	s.Username, s.Password = sim.User(), setting.NewSecret(sim.Key())
	return s
}

// trusting returns the settings for a simulator over TLS, with its authority trusted.
func trusting(t *testing.T, sim *smtpsim.Sim, security string) *smtpmail.Settings {
	t.Helper()
	s := settingsFor(t, sim)
	s.Security, s.CAFile = security, filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.CAFile, sim.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// open makes a mailer that gives up a message after the time-out.
func open(t *testing.T, s *smtpmail.Settings, timeout time.Duration) *smtpmail.Mailer {
	t.Helper()
	m, err := smtpmail.New(provider.Environment{Name: "smtp", Settings: s, Timeout: timeout, MaxConns: 10})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	gateway.Eventually(t, patience, what, ok)
}

// patience is a time-out that no test waits for.
const patience = time.Minute
