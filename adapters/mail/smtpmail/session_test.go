package smtpmail_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/config/setting"
	"patchbay/core/fault"
)

// verbs returns the commands of a simulator.
func verbs(sim *smtpsim.Sim) (all []smtpsim.Step) {
	for _, c := range sim.Commands() {
		all = append(all, c.Verb)
	}
	return all
}

func wantVerbs(t *testing.T, sim *smtpsim.Sim, want ...smtpsim.Step) {
	t.Helper()
	if got := verbs(sim); !slices.Equal(got, want) {
		t.Errorf("commands %v, want %v", got, want)
	}
}

func wantKind(t *testing.T, err error, want fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, want) || fault.From(err).Code != code {
		t.Errorf("error %v, want kind %s with code %s", err, want, code)
	}
}

func TestMailGoesOverTLS(t *testing.T) {
	t.Parallel()
	for security, with := range map[string]smtpsim.Security{"starttls": smtpsim.StartTLS, "tls": smtpsim.TLS} {
		t.Run(security, func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, smtpsim.Options{Security: with})
			if _, err := open(t, trusting(t, sim, security), patience).Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			for _, c := range sim.Commands() {
				if slices.Contains([]smtpsim.Step{smtpsim.Auth, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data}, c.Verb) && !c.TLS {
					t.Errorf("%q came without TLS, want it after TLS has begun", c.Line)
				}
			}
			if got := len(sim.Delivered()); got != 1 {
				t.Errorf("%d messages are delivered, want 1", got)
			}
		})
	}
}

// Nothing but EHLO and STARTTLS is said to a server without verified TLS.
func TestWithoutVerifiedTLSNothingIsSaid(t *testing.T) {
	t.Parallel()
	type row struct {
		options  smtpsim.Options
		security string
		trusted  bool
		fault    smtpsim.Fault
		code     string
		verbs    []smtpsim.Step
	}
	greeted, asked := []smtpsim.Step{smtpsim.Ehlo}, []smtpsim.Step{smtpsim.Ehlo, smtpsim.StartsTLS}
	start := smtpsim.Options{Security: smtpsim.StartTLS}
	for name, c := range map[string]row{
		"STARTTLS is not offered": {
			smtpsim.Options{Security: smtpsim.StartTLS, Without: []string{"STARTTLS"}}, "starttls", true, smtpsim.Fault{}, "tls_missing", greeted,
		},
		"STARTTLS is refused for now":  {start, "starttls", true, smtpsim.Fault{At: smtpsim.StartsTLS, Mishap: smtpsim.Says("454 4.7.0 TLS not available")}, "unavailable", asked},
		"STARTTLS ends the connection": {start, "starttls", true, smtpsim.Fault{At: smtpsim.StartsTLS, Mishap: smtpsim.Closes()}, "tls_failed", asked},
		"the certificate is of another host": {
			smtpsim.Options{Security: smtpsim.StartTLS, CertificateFor: "mail.example.com"}, "starttls", true, smtpsim.Fault{}, "tls_failed", asked,
		},
		"the certificate is of an unknown authority": {start, "starttls", false, smtpsim.Fault{}, "tls_failed", asked},
		"the certificate is of an unknown authority, with TLS from the first byte": {
			smtpsim.Options{Security: smtpsim.TLS}, "tls", false, smtpsim.Fault{}, "tls_failed", nil,
		},
		"the server speaks no TLS": {smtpsim.Options{}, "tls", true, smtpsim.Fault{}, "tls_failed", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, c.options)
			settings := trusting(t, sim, c.security)
			if !c.trusted {
				settings.CAFile = ""
			}
			if c.fault.At != "" {
				sim.Inject(c.fault)
			}
			_, err := open(t, settings, patience).Send(t.Context(), message())
			wantKind(t, err, fault.Unavailable, c.code)
			sim.Refuse() // what was sent has arrived
			for _, command := range sim.Commands() {
				if !slices.Contains(c.verbs, command.Verb) && c.security == "starttls" {
					t.Errorf("got %q, want only %v", command.Line, c.verbs)
				}
				if strings.Contains(command.Line, "AUTH") || strings.Contains(command.Line, "MAIL") {
					t.Errorf("got %q without verified TLS, want neither credentials nor mail", command.Line)
				}
			}
		})
	}
}

func TestAServerThatRefusesSTARTTLSForGoodIsMisconfigured(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS})
	sim.Inject(smtpsim.Fault{At: smtpsim.StartsTLS, Mishap: smtpsim.Says("502 5.5.1 Not implemented")})
	_, err := open(t, trusting(t, sim, "starttls"), patience).Send(t.Context(), message())
	wantKind(t, err, fault.Unauthorized, "provider_misconfigured")
	wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.StartsTLS)
}

func TestEveryMechanismAuthenticates(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"scram-sha-256", "scram-sha-1", "plain", "login", "cram-md5"} {
		offered := smtpsim.Options{Mechanisms: []string{strings.ToUpper(mechanism)}}
		t.Run(mechanism+" authenticates", func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, offered)
			settings := settingsFor(t, sim)
			settings.Auth = mechanism
			if _, err := open(t, settings, patience).Send(t.Context(), message()); err != nil {
				t.Error(err)
			}
			wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.Auth, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data)
		})
		t.Run(mechanism+" with a wrong password is unauthorized", func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, offered)
			settings := settingsFor(t, sim)
			settings.Password = setting.NewSecret("wrong")
			_, err := open(t, settings, patience).Send(t.Context(), message())
			wantKind(t, err, fault.Unauthorized, "provider_misconfigured")
		})
	}
}

func TestAutoTakesTheBestMechanismOffered(t *testing.T) {
	t.Parallel()
	for want, offered := range map[string][]string{
		"SCRAM-SHA-256": {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"},
		"SCRAM-SHA-1":   {"PLAIN", "SCRAM-SHA-1"},
		"PLAIN":         {"CRAM-MD5", "LOGIN", "PLAIN"},
		"LOGIN":         {"CRAM-MD5", "LOGIN", "XOAUTH2"},
		"CRAM-MD5":      {"CRAM-MD5"},
	} {
		sim := smtpsim.Start(t, smtpsim.Options{Mechanisms: offered})
		if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message()); err != nil {
			t.Errorf("%v: error %v, want none", offered, err)
		}
		if line := sim.Commands()[1].Line; line != "AUTH "+want && !strings.HasPrefix(line, "AUTH "+want+" ") {
			t.Errorf("of %v got %q, want %s", offered, line, want)
		}
	}
}

func TestAMechanismThatIsNotOfferedIsNotTried(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]smtpsim.Options{"another is": {Mechanisms: []string{"XOAUTH2"}}, "none is": {Open: true}} {
		sim := smtpsim.Start(t, options)
		_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message())
		if !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s offered: error %v, want kind unauthorized", name, err)
		}
		wantVerbs(t, sim, smtpsim.Ehlo)
	}
}

func TestWithoutAUserThereIsNoAuthentication(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{Open: true})
	settings := settingsFor(t, sim)
	settings.Username, settings.Password = "", setting.Secret{}
	if _, err := open(t, settings, patience).Send(t.Context(), message()); err != nil {
		t.Error(err)
	}
	wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data)
}

// A server that does not know EHLO is greeted by HELO, and offers no extension then.
func TestAServerWithoutExtensionsGetsPlainCommands(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{Open: true})
	sim.Inject(smtpsim.Fault{At: smtpsim.Ehlo, Mishap: smtpsim.Says("502 5.5.1 EHLO is not known here")})
	settings := settingsFor(t, sim)
	settings.Username, settings.Password = "", setting.Secret{}
	if _, err := open(t, settings, patience).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	wantVerbs(t, sim, smtpsim.Ehlo, "HELO", smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data)
	if got, want := sim.Commands()[2].Line, "MAIL FROM:<shop@example.com>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheGatewaysNameIsTheConfiguredOne(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if got, want := sim.Commands()[0].Line, "EHLO gateway.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Many servers refuse a name without a domain.
func TestWithoutAConfiguredNameTheGatewayHasOneWithADomainOrAnAddress(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	settings := settingsFor(t, sim)
	settings.Hello = ""
	if _, err := open(t, settings, patience).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(sim.Commands()[0].Line, "EHLO ")
	if name != "[127.0.0.1]" && (!strings.Contains(name, ".") || strings.Contains(name, "[")) {
		t.Errorf("got %q, want a name with a domain, or [127.0.0.1]", name)
	}
}

// A server may quote what it was sent.
func TestAnErrorHasNoCredentials(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]func(user, password string) string{
		"the password":             func(_, password string) string { return password },
		"the user":                 func(user, _ string) string { return user },
		"the password as in LOGIN": func(_, password string) string { return base64.StdEncoding.EncodeToString([]byte(password)) },
		"the credentials of PLAIN": func(user, password string) string {
			return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
		},
	} {
		sim := smtpsim.Start(t, smtpsim.Options{})
		settings := settingsFor(t, sim)
		settings.Username = "shop-4711"
		secret := sent(settings.Username, sim.Key())
		sim.Inject(smtpsim.Fault{At: smtpsim.Auth, Mishap: smtpsim.Says("535 5.7.8 Not right: " + secret)})
		_, err := open(t, settings, patience).Send(t.Context(), message())
		if text := fmt.Sprint(err, fault.From(err).Answer); err == nil || strings.Contains(text, secret) {
			t.Errorf("error = %s, want one without %s", text, name)
		}
	}
}

// An endless answer neither fills the memory nor hides what became of the message.
func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	endless := strings.Split(strings.Repeat("250-"+strings.Repeat("x", 500)+"\n", 4000), "\n") // 2 MB
	for at, want := range map[smtpsim.Step]fault.Kind{smtpsim.Ehlo: fault.Unavailable, smtpsim.Rcpt: fault.Unavailable, smtpsim.Message: fault.UnknownOutcome} {
		sim := smtpsim.Start(t, smtpsim.Options{})
		sim.Inject(smtpsim.Fault{At: at, Mishap: smtpsim.Says(endless[:4000]...)})
		_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), message())
		if !fault.Is(err, want) {
			t.Errorf("at %s: error %v, want kind %s", at, err, want)
		}
	}
}
