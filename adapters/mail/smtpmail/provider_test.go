package smtpmail_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"patchbay/adapters/mail/smtpmail"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/email"
	"patchbay/core/fault"
)

func TestAMistakeInSettingsIsNamed(t *testing.T) {
	t.Parallel()
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := setting.NewSecret("key")
	for name, c := range map[string]struct {
		change     func(s *smtpmail.Settings)
		path, text string // nothing where it is right
	}{
		"the defaults and a host":     {func(*smtpmail.Settings) {}, "", ""},
		"no host":                     {func(s *smtpmail.Settings) { s.Host = "" }, "host", "is required"},
		"a URL as the host":           {func(s *smtpmail.Settings) { s.Host = "smtp://smtp.example.com" }, "host", "must be a host alone, such as smtp.example.com"},
		"a host with a port":          {func(s *smtpmail.Settings) { s.Host = "smtp.example.com:587" }, "host", "must be a host alone, such as smtp.example.com"},
		"an IPv6 address":             {func(s *smtpmail.Settings) { s.Host = "2001:db8::1" }, "", ""},
		"no port":                     {func(s *smtpmail.Settings) { s.Port = 0 }, "port", "must be 1 to 65535"},
		"a port that is none":         {func(s *smtpmail.Settings) { s.Port = 65536 }, "port", "must be 1 to 65535"},
		"TLS from the first byte":     {func(s *smtpmail.Settings) { s.Port, s.Security = 465, "tls" }, "", ""},
		"unknown security":            {func(s *smtpmail.Settings) { s.Security = "ssl" }, "security", "must be starttls, tls or none"},
		"no TLS to another machine":   {func(s *smtpmail.Settings) { s.Security = "none" }, "security", "may be none only for a server on this machine; write starttls or tls"},
		"no TLS to a private address": {func(s *smtpmail.Settings) { s.Host, s.Security = "10.0.0.1", "none" }, "security", "may be none only for a server on this machine; write starttls or tls"},
		"no TLS to this machine":      {func(s *smtpmail.Settings) { s.Host, s.Security = "localhost", "none" }, "", ""},
		"credentials":                 {func(s *smtpmail.Settings) { s.Username, s.Password = "shop", key }, "", ""},
		"a user without a password":   {func(s *smtpmail.Settings) { s.Username = "shop" }, "username", "and password belong together"},
		"a password without a user":   {func(s *smtpmail.Settings) { s.Password = key }, "username", "and password belong together"},
		"a mechanism":                 {func(s *smtpmail.Settings) { s.Auth = "login" }, "", ""},
		"an unknown mechanism":        {func(s *smtpmail.Settings) { s.Auth = "ntlm" }, "auth", "must be auto, scram-sha-256, scram-sha-1, plain, login or cram-md5"},
		"two names of the gateway":    {func(s *smtpmail.Settings) { s.Hello = "a b" }, "hello", "must be a host name, such as gateway.example.com"},
		"an authority without TLS":    {func(s *smtpmail.Settings) { s.Host, s.Security, s.CAFile = "localhost", "none", "ca.pem" }, "ca_file", "has no meaning without TLS"},
		"an authority that is gone":   {func(s *smtpmail.Settings) { s.CAFile = noPEM + "x" }, "ca_file", "cannot be read"},
		"an authority that is none":   {func(s *smtpmail.Settings) { s.CAFile = noPEM }, "ca_file", "has no certificate in PEM"},
	} {
		s := smtpmail.Provider.Settings().(*smtpmail.Settings)
		s.Host = "smtp.example.com"
		c.change(s)
		want := ""
		if c.text != "" {
			want = c.path + ": " + c.text
		}
		if got := s.Check().String(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		_, err := smtpmail.New(provider.Environment{Name: "smtp", Settings: s})
		if refused := fault.Is(err, fault.Invalid); refused != (c.text != "") || err != nil && !refused {
			t.Errorf("%s: New returns %v, want kind invalid: %t", name, err, c.text != "")
		}
	}
}

// A server that is another provider's relay may track what it is handed: nothing is claimed that nobody said.
func TestTrackingIsCarriedAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	for configured, want := range map[string][]email.Tracking{"": nil, "on": {email.TrackingOn}, "off": {email.TrackingOff}} {
		s := smtpmail.Provider.Settings().(*smtpmail.Settings)
		s.Host = "smtp.example.com"
		if configured != "" {
			s.Tracking = configured
		}
		m, err := smtpmail.New(provider.Environment{Name: "smtp", Settings: s})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Features().Tracking; !slices.Equal(got, want) {
			t.Errorf("configured %q: carried %q, want %q", configured, got, want)
		}
	}
}

func TestAServerOnThisMachineIsForTests(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "smtp.example.com": false, "10.0.0.1": false} {
		s := smtpmail.Settings{Host: host, Port: 587}
		if got := s.Test(); got != want {
			t.Errorf("%s: got %t, want %t", host, got, want)
		}
	}
}
