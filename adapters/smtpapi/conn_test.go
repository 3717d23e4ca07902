package smtpapi_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/smtpapi"
	"patchbay/core/emails"
)

// A server that sees the end of a message elsewhere than another one takes a part of the text for
// commands. Source: RFC 5321 §2.3.8, and "SMTP smuggling".
func TestTheEndOfAMessageIsOneThing(t *testing.T) {
	t.Parallel()
	const commands = "MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nFrom: eve@example.com\r\n\r\nsmuggled\r\n.\r\n"
	for name, end := range map[string]string{
		"LF dot LF":             "\n.\n",
		"LF dot CR LF":          "\n.\r\n",
		"CR LF dot LF":          "\r\n.\n",
		"CR dot CR":             "\r.\r",
		"CR LF dot CR":          "\r\n.\r",
		"CR CR LF dot CR LF":    "\r\r\n.\r\n",
		"CR LF dot CR CR LF":    "\r\n.\r\r\n",
		"a bare LF in the text": "a\nb\r\n.\r\n",
		"a bare CR in the text": "a\rb\r\n.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, nil)
			c := r.dial(t)
			c.begins()
			c.send("From: shop@example.com\r\n\r\nHello" + end + commands)
			c.wants("554 5.5.2")
			c.ends()
			r.wantAccepted(t, 0)
			r.wantLogged(t, "status=554", "code=invalid_line_end")
		})
	}
	t.Run("dots in the text are no end", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		c := r.dial(t)
		c.begins()
		c.send("From: shop@example.com\r\n\r\n..\r\n..dots\r\n...\r\n")
		c.says(".", "250")
		if want := "From: shop@example.com\r\n\r\n.\r\n.dots\r\n..\r\n"; string(r.accepted()[0].Raw) != want {
			t.Errorf("accepted %q, want %q", r.accepted()[0].Raw, want)
		}
	})
}

func TestConversationsThatAreNotSMTP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sent, answer string }{
		"a page in a browser":              {"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nEHLO a\r\nMAIL FROM:<eve@example.com>\r\n", "500"},
		"a command that ends in LF":        {"EHLO client.example\n", "554"},
		"a command that is too long":       {"EHLO " + strings.Repeat("x", 3000) + "\r\n", "500"},
		"a chunk, which is not offered":    {"BDAT 10 LAST\r\n", "502"},
		"a message before a greeting":      {"MAIL FROM:<shop@example.com>\r\n", "503"},
		"STARTTLS without a certificate":   {"STARTTLS\r\n", "502"},
		"an unknown mechanism without TLS": {"EHLO a\r\nAUTH CRAM-MD5\r\n", "250"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, nil)
			conn := r.dial(t)
			conn.send(c.sent)
			conn.wants(c.answer)
			r.wantAccepted(t, 0)
		})
	}
	c := start(t, nil).dial(t)
	if answer := c.says("EHLO client.example", "250"); strings.Contains(answer, "CHUNKING") || strings.Contains(answer, "SMTPUTF8") || !strings.Contains(answer, "8BITMIME") {
		t.Errorf("the server offers %q, want 8BITMIME, and neither CHUNKING nor SMTPUTF8", answer)
	}
}

// The library would take what came of the chunk for the whole message.
func TestAChunkIsNotTaken(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.says("EHLO client.example", "250")
	c.says("MAIL FROM:<shop@example.com>", "250")
	c.says("RCPT TO:<ada@example.com>", "250")
	c.send("BDAT 1000 LAST\r\nFrom: shop@example.com\r\n\r\nHel")
	if half, ok := c.Conn.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	c.wants("502 5.5.1 BDAT is not offered")
	c.ends()
	r.wantAccepted(t, 0)
}

func TestALineOfAMessageIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.begins()
	c.send("From: shop@example.com\r\n\r\n" + strings.Repeat("x", 999) + "\r\n.\r\n")
	c.wants("500 5.5.2")
	c.ends()
	r.wantAccepted(t, 0)
	r.wantLogged(t, "status=500", "code=line_too_long")
}

// What was said is not proof that the rest would have been the same.
func TestAMessageThatEndsInTheMiddleIsNotAccepted(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.begins()
	c.send("From: shop@example.com\r\n\r\nHello\r\n")
	_ = c.Close()
	other := r.dial(t)
	other.begins()
	other.send(letter)
	other.says(".", "250")
	other.says("QUIT", "221")
	if err := r.Shutdown(t.Context()); err != nil { // it waits for both conversations
		t.Fatal(err)
	}
	r.wantAccepted(t, 1)
}

func TestTimesAreBounded(t *testing.T) {
	t.Parallel()
	limits := smtpapi.Defaults
	limits.Command, limits.Stranger, limits.Grace = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	t.Run("for a command", func(t *testing.T) {
		t.Parallel()
		c := start(t, func(o *smtpapi.Options) { o.Limits = limits }).dial(t)
		c.wants("421 4.4.2")
		c.ends()
	})
	t.Run("for the text of a message", func(t *testing.T) {
		t.Parallel()
		own := limits
		own.Command = time.Minute
		r := start(t, func(o *smtpapi.Options) { o.Limits = own })
		c := r.dial(t)
		c.begins()
		c.send("From: shop@example.com\r\n")
		c.wants("421 4.4.2")
		c.ends()
		r.wantAccepted(t, 0)
	})
	t.Run("for a key, whatever the client says meanwhile", func(t *testing.T) {
		t.Parallel()
		own := limits
		own.Command = time.Minute
		change, _ := secured(t)
		c := start(t, func(o *smtpapi.Options) { change(o); o.Limits = own }).dial(t)
		for {
			c.send("NOOP\r\n")
			line, err := c.in.ReadString('\n')
			if err != nil {
				t.Fatalf("the connection ended with %v, want an answer before", err)
			}
			if strings.HasPrefix(line, "421 4.4.2") {
				return
			}
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(l *smtpapi.Limits){
		"in all":           func(l *smtpapi.Limits) { l.Connections = 2 },
		"from one address": func(l *smtpapi.Limits) { l.ConnectionsPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := smtpapi.Defaults
			change(&limits)
			r := start(t, func(o *smtpapi.Options) { o.Limits = limits })
			first, second := r.dial(t), r.dial(t)
			third := r.connect(t)
			third.wants("421 4.7.0")
			third.ends()
			second.says("NOOP", "250")
			first.says("QUIT", "221")
			first.ends() // its place is free before
			r.dial(t)
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	limits := smtpapi.Defaults
	limits.Memory = 1 << 20
	r := start(t, func(o *smtpapi.Options) { o.Limits = limits })
	c := r.dial(t)
	c.begins()
	c.send("From: shop@example.com\r\n\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 3000))
	c.says(".", "451 4.3.1")
	r.wantAccepted(t, 0)
	c.begins() // the memory is free again
	c.send("From: shop@example.com\r\n\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 500))
	c.says(".", "250")
}

func TestShutdownLetsAMessageEnd(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	reached, release := make(chan struct{}), make(chan struct{})
	r.hold = func(emails.Handover) { close(reached); <-release }
	idle, busy := r.dial(t), r.dial(t)
	idle.says("EHLO client.example", "250")
	busy.begins()
	busy.send(letter + ".\r\n")
	<-reached
	if got := r.Underway(); got != 1 {
		t.Errorf("%d messages are under way, want 1", got)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(t.Context()) }()
	idle.wants("421 4.3.2")
	idle.ends()
	close(release)
	busy.wants("250")
	busy.wants("421 4.3.2")
	busy.ends()
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v, want no error", err)
	}
	r.wantAccepted(t, 1)
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.begins() // and never goes on
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Shutdown(ctx); err == nil {
		t.Error("Shutdown returned no error, want that of the context")
	}
	c.ends()
}

func TestEachMessageAndEachRefusalHasALineInTheLog(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.begins()
	c.send(letter)
	c.says(".", "250")
	c.says("MAIL FROM:<shop>", "501")
	c.says("MAIL FROM:<shop@example.com>", "250")
	c.says("RCPT TO:<@example.com>", "5")
	log := r.log.String()
	for _, want := range []string{`msg=request method=SMTP route="smtp DATA" status=250`, `tenant=default key=local`, `client=127.0.0.1`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log is %s, want %q in it", log, want)
		}
	}
	if strings.Contains(log, "ada@") || strings.Contains(log, "Hello") {
		t.Errorf("the log is %s, want neither an address nor a text in it", log)
	}
}
