package smtpsim_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"testing"
	"time"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

const text = "Subject: Hello\r\n\r\n.Hello\r\n"

// dial begins a conversation with a simulator, by the client of the standard library.
func dial(t *testing.T, s *smtpsim.Sim) *smtp.Client {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort(s.Host(), strconv.Itoa(s.Port())))
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, s.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// hand hands over a message, and returns the first error.
func hand(c *smtp.Client, to ...string) error {
	if err := c.Mail("shop@example.com"); err != nil {
		return err
	}
	for _, one := range to {
		if err := c.Rcpt(one); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

func login(t *testing.T, s *smtpsim.Sim, c *smtp.Client, password string) error {
	t.Helper()
	return c.Auth(smtp.PlainAuth("", s.User(), password, s.Host()))
}

func wantReply(t *testing.T, err error, want int) {
	t.Helper()
	var reply *textproto.Error
	if !errors.As(err, &reply) || reply.Code != want {
		t.Errorf("error %v, want the reply %d", err, want)
	}
}

func TestAMessageIsDeliveredToItsRecipients(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{})
	c := dial(t, s)
	if err := login(t, s, c, s.Key()); err != nil {
		t.Fatal(err)
	}
	if err := hand(c, "ada@example.com", "eve@example.com"); err != nil {
		t.Fatal(err)
	}
	got := s.Messages()
	if len(got) != 1 || string(got[0].Raw) != text || !slices.Equal(got[0].To, []string{"ada@example.com", "eve@example.com"}) {
		t.Errorf("got %+v, want the message once, for both", got)
	}
}

func TestNobodySendsWithoutThePassword(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{})
	wantReply(t, hand(dial(t, s), "ada@example.com"), 530)
	wantReply(t, login(t, s, dial(t, s), "wrong"), 535)
	if got := s.Attempts(); got != 2 {
		t.Errorf("%d attempts, want 2", got)
	}
}

func TestNothingIsTakenBeforeSTARTTLS(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS})
	c := dial(t, s)
	if offered, _ := c.Extension("AUTH"); offered {
		t.Error("AUTH is offered before TLS")
	}
	wantReply(t, hand(c, "ada@example.com"), 530)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA())
	if err := c.StartTLS(&tls.Config{ServerName: s.Host(), RootCAs: roots, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	if offered, _ := c.Extension("STARTTLS"); offered {
		t.Error("STARTTLS is offered over TLS")
	}
	if err := login(t, s, c, s.Key()); err != nil {
		t.Fatal(err)
	}
	if err := hand(c, "ada@example.com"); err != nil {
		t.Error(err)
	}
}

func TestExtensionsAreOfferedAsTheOptionsSay(t *testing.T) {
	t.Parallel()
	all := []string{"8BITMIME", "SIZE", "SMTPUTF8", "STARTTLS"}
	for _, hidden := range append(all, "") {
		s := smtpsim.Start(t, smtpsim.Options{Security: smtpsim.StartTLS, Without: []string{hidden}})
		c := dial(t, s)
		for _, name := range all {
			if offered, _ := c.Extension(name); offered != (name != hidden) {
				t.Errorf("without %q: %s is offered: %t, want %t", hidden, name, offered, name != hidden)
			}
		}
	}
}

func TestAFaultReplacesWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	for _, at := range []smtpsim.Step{smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data, smtpsim.Message} {
		for after, delivered := range map[bool]int{false: 0, true: 0} {
			if at == smtpsim.Message && after {
				delivered = 1
			}
			s := smtpsim.Start(t, smtpsim.Options{Open: true})
			s.Inject(smtpsim.Fault{At: at, After: after, Mishap: smtpsim.Says("451-4.3.0 Not", "451 4.3.0 now")})
			c := dial(t, s)
			wantReply(t, hand(c, "ada@example.com"), 451)
			if got := len(s.Delivered()); got != delivered {
				t.Errorf("at %s, after it: %t: %d messages, want %d", at, after, got, delivered)
			}
		}
	}
}

func TestAFaultIsForTheLineItMatchesAndOnce(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Open: true})
	s.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Match: "eve@", Mishap: smtpsim.Says("550 5.1.1 No")})
	c := dial(t, s)
	wantReply(t, hand(c, "ada@example.com", "eve@example.com"), 550)
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := hand(c, "eve@example.com"); err != nil {
		t.Error(err)
	}
}

func TestTheServerAnswersAndThenLeaves(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Open: true})
	s.Inject(smtpsim.Fault{At: smtpsim.Message, After: true, Mishap: smtpsim.AnswersAndCloses()})
	c := dial(t, s)
	if err := hand(c, "ada@example.com"); err != nil {
		t.Errorf("error %v, want none", err)
	}
	if err := c.Noop(); err == nil { // EOF, or a reset because of what was sent too late
		t.Error("after that: no error, want that of a closed connection")
	}
}

func TestHealReleasesWhatHangs(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Open: true})
	s.Inject(smtpsim.Fault{At: smtpsim.Mail, Mishap: smtpsim.Hangs(), Standing: true})
	c, result := dial(t, s), make(chan error, 1)
	go func() { result <- hand(c, "ada@example.com") }()
	gateway.Eventually(t, time.Minute, "MAIL is sent", func() bool { return len(s.Commands()) == 2 }) // after EHLO
	s.Heal()
	if err := <-result; !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF", err)
	}
	if err := hand(dial(t, s), "ada@example.com"); err != nil {
		t.Errorf("after Heal: error %v, want none", err)
	}
}

func TestAFaultAppliesWhenItSaysSo(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Open: true})
	asked := 0
	s.Inject(smtpsim.Fault{
		At: smtpsim.Rcpt, Match: "eve@", Standing: true, Mishap: smtpsim.Says("450 4.2.1 Try again"),
		When: func() bool { asked++; return asked == 2 },
	})
	c := dial(t, s)
	for n, want := range []int{0, 450, 0} {
		err := hand(c, "ada@example.com", "eve@example.com")
		if want == 0 && err != nil {
			t.Errorf("message %d: error %v, want none", n, err)
		}
		if want != 0 {
			wantReply(t, err, want)
			if err := c.Reset(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked != 3 {
		t.Errorf("it was asked %d times, want 3: once for each RCPT of eve", asked)
	}
}

func TestReplacedNamesTheMessagesWhoseAnswerAFaultReplaced(t *testing.T) {
	t.Parallel()
	s := smtpsim.Start(t, smtpsim.Options{Open: true})
	began := time.Now()
	for _, fault := range []smtpsim.Fault{
		{At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()},
		{At: smtpsim.Message, After: true, Mishap: smtpsim.AnswersAndCloses()},
		{At: smtpsim.Message, Mishap: smtpsim.Resets()},
		{At: smtpsim.Quit, Mishap: smtpsim.Closes()},
	} {
		s.Inject(fault)
		_ = hand(dial(t, s), "ada@example.com") // it fails, or not, as the fault says
	}
	all := s.Messages()
	if len(all) != 3 {
		t.Fatalf("%d messages are delivered, want 3", len(all))
	}
	if got, want := s.Replaced(), []string{all[0].Reference}; !slices.Equal(got, want) {
		t.Errorf("Replaced = %v, want %v: the first alone", got, want)
	}
	if at := all[0].At; at.Before(began) || at.After(time.Now()) {
		t.Errorf("the first was delivered at %s, want a time since %s", at, began)
	}
}
