package smtpapi_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/smtp"
	"os"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/smtpapi"
	"patchbay/core/email"
	"patchbay/core/fault"
)

const letter = "From: shop@example.com\r\nTo: ada@example.com\r\nSubject: Hello\r\n\r\nHello Ada\r\n.dot\r\nGr\xc3\xbc\xc3\x9fe\r\n"

func TestAClientHandsOverAMessage(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	if err := smtp.SendMail(r.address, nil, "shop@example.com", []string{"ada@example.com", "audit@example.com", "Ada@Example.com"}, []byte(letter)); err != nil {
		t.Fatal(err)
	}
	r.wantAccepted(t, 1)
	got := r.accepted()[0]
	if string(got.Raw) != letter || got.Sender != "shop@example.com" || !slices.Equal(got.Recipients, []string{"ada@example.com", "audit@example.com"}) {
		t.Errorf("accepted %q from %s to %v, want %q from shop@example.com to each recipient once", got.Raw, got.Sender, got.Recipients, letter)
	}
	if r.tenant != "default" || got.Caller != "local" {
		t.Errorf("tenant %s, caller %s, want default and local", r.tenant, got.Caller)
	}
}

func TestSeveralMessagesInOneConversation(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	for i := range 3 {
		c.begins()
		c.send(letter)
		if answer := c.says(".", "250 2.0.0"); !strings.Contains(answer, fmt.Sprint("msg_", i+1)) {
			t.Errorf("the answer is %q, want the id of the message in it", answer)
		}
	}
	c.says("RSET", "250")
	c.says("DATA", "502") // no recipients are left of the last one
	c.says("QUIT", "221")
	r.wantAccepted(t, 3)
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	change, roots := secured(t)
	plain := func(password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00any\x00"+password))
	}
	word := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

	t.Run("a key opens the way, by each mechanism", func(t *testing.T) {
		t.Parallel()
		for name, log := range map[string]func(c *client){
			"PLAIN": func(c *client) { c.says(plain(token), "235") },
			"LOGIN": func(c *client) {
				c.says("AUTH LOGIN", "334 VXNlcm5hbWU6")
				c.says(word("any"), "334 UGFzc3dvcmQ6")
				c.says(word(token), "235")
			},
			"LOGIN with the name":    func(c *client) { c.says("AUTH LOGIN "+word("any"), "334 UGFzc3dvcmQ6"); c.says(word(token), "235") },
			"PLAIN after a question": func(c *client) { c.says("AUTH PLAIN", "334"); c.says(word("\x00any\x00"+token), "235") },
		} {
			r := start(t, change)
			c := r.dial(t)
			if answer := c.says("EHLO client.example", "250"); strings.Contains(answer, "AUTH") || !strings.Contains(answer, "STARTTLS") {
				t.Errorf("%s: before TLS the server offers %q, want STARTTLS and no AUTH", name, answer)
			}
			c.startTLS(roots)
			if answer := c.says("EHLO client.example", "250"); !strings.Contains(answer, "AUTH PLAIN LOGIN") || strings.Contains(answer, "STARTTLS") {
				t.Errorf("%s: over TLS the server offers %q, want AUTH and no STARTTLS", name, answer)
			}
			log(c)
			c.begins()
			c.send(letter)
			c.says(".", "250")
			if r.wantAccepted(t, 1); r.tenant != "acme" || r.accepted()[0].Caller != "key_1" {
				t.Errorf("%s: tenant %s, caller %+v, want acme and key_1", name, r.tenant, r.accepted())
			}
		}
	})
	t.Run("nothing goes without a key", func(t *testing.T) {
		t.Parallel()
		r := start(t, change)
		c := r.dial(t)
		c.says("EHLO client.example", "250")
		c.says("MAIL FROM:<shop@example.com>", "530 5.7.0")
		c.says("RCPT TO:<ada@example.com>", "502")
		c.says("DATA", "502")
		c.startTLS(roots)
		c.says("EHLO client.example", "250")
		c.says("MAIL FROM:<shop@example.com>", "530 5.7.0")
		r.wantAccepted(t, 0)
	})
	t.Run("no key is taken before TLS", func(t *testing.T) {
		t.Parallel()
		r := start(t, change)
		c := r.dial(t)
		c.says("EHLO client.example", "250")
		c.says(plain(token), "538")
		c.says("AUTH LOGIN", "538")
		c.says("MAIL FROM:<shop@example.com>", "530")
		if log := r.log.String(); strings.Contains(log, "secret") {
			t.Errorf("the log is %s, want no key in it", log)
		}
	})
	t.Run("a wrong key is refused, and the third ends the conversation", func(t *testing.T) {
		t.Parallel()
		r := start(t, change)
		c := r.dial(t)
		c.says("EHLO client.example", "250")
		c.startTLS(roots)
		c.says("EHLO client.example", "250")
		c.says(plain("pb_live_1_wrong"), "535 5.7.8")
		c.says("MAIL FROM:<shop@example.com>", "530")
		c.says(plain("pb_live_9_none"), "535 5.7.8")
		c.says(plain(""), "535 5.7.8")
		c.wants("421")
		c.ends()
	})
	for name, one := range map[string]struct{ key, answer string }{
		"a key without the scope":           {"pb_live_2_reads", "535 5.7.8"},
		"a key while the store is not here": {"pb_live_3_down", "451 4.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, change).dial(t)
			c.says("EHLO client.example", "250")
			c.startTLS(roots)
			c.says("EHLO client.example", "250")
			if answer := c.says(plain(one.key), one.answer); strings.Contains(answer, "db.internal") {
				t.Errorf("the answer is %q, want none of the store's own words", answer)
			}
			c.says("MAIL FROM:<shop@example.com>", "530")
		})
	}
	t.Run("TLS begins anew", func(t *testing.T) {
		t.Parallel()
		r := start(t, func(o *smtpapi.Options) { change(o); o.KeysRequired = false })
		c := r.dial(t)
		c.says("EHLO client.example", "250")
		c.says("MAIL FROM:<eve@example.com>", "250")
		c.says("RCPT TO:<eve@example.com>", "250")
		c.startTLS(roots)
		c.says("RCPT TO:<ada@example.com>", "503")
		c.says("DATA", "503")
		c.begins()
		c.send(letter)
		c.says(".", "250")
		if got := r.accepted(); len(got) != 1 || got[0].Sender != "shop@example.com" || len(got[0].Recipients) != 1 {
			t.Errorf("accepted %+v, want nothing of what was said before TLS", got)
		}
	})
	t.Run("what is sent behind STARTTLS is not read", func(t *testing.T) {
		t.Parallel()
		r := start(t, change)
		c := r.dial(t)
		c.says("EHLO client.example", "250")
		c.says("STARTTLS\r\nMAIL FROM:<eve@example.com>", "501")
		c.ends()
	})
}

func TestTheCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, roots := pair(t, dir, 1)
	r := start(t, func(o *smtpapi.Options) {
		certificates, err := smtpapi.OpenCertificates(cert, key, o.Log)
		if err != nil {
			t.Fatal(err)
		}
		o.Certificate = certificates.Get
	})
	serial := func(c *client) int64 {
		c.says("EHLO client.example", "250")
		return c.startTLS(roots).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(r.dial(t)); got != 1 {
		t.Errorf("certificate %d, want 1", got)
	}
	_, _, roots = pair(t, dir, 12345678)
	if got := serial(r.dial(t)); got != 12345678 {
		t.Errorf("certificate %d, want 12345678, which has replaced it", got)
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(r.dial(t)); got != 12345678 {
		t.Errorf("certificate %d, want 12345678, since what has replaced it cannot be used", got)
	}
}

// refusals of the use case, and the answers to them.
func TestAnswersToWhatIsNotAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		answer string
	}{
		"a sender that is refused":            {fault.New(fault.Refused, "from_not_allowed", "the tenant may not send from this domain"), "550 5.7.1 the tenant may not"},
		"a sender that is none":               {fault.InvalidParam("from", "invalid_address", "no address"), "550 5.7.1 no address"},
		"a recipient of another's":            {fault.InvalidParam("bcc[0]", "recipient_not_allowed", "not here"), "550 5.7.1 not here"},
		"no mail":                             {fault.InvalidParam("mime", "invalid_mime", "no mail"), "554 5.6.0 no mail"},
		"too large":                           {fault.InvalidParam("mime", "body_too_large", "30 MB"), "552 5.3.4 30 MB"},
		"a sender for whom no provider sends": {&fault.Error{Kind: fault.Unsupported, Code: "feature_unsupported", Param: "from"}, "550 5.7.1"},
		"no provider that can carry it":       {&fault.Error{Kind: fault.Unsupported, Code: "feature_unsupported", Param: "mime"}, "554 5.6.3"},
		"too large for any provider":          {&fault.Error{Kind: fault.Unsupported, Code: "feature_unsupported", Param: "attachments"}, "552 5.3.4"},
		"an erased message":                   {fault.New(fault.Conflict, "message_erased", "erased"), "554 5.7.1"},
		"the store is not available":          {fault.New(fault.Unavailable, "store_unavailable", "db.internal is down"), "451 4.3.0"},
		"the spool is full":                   {fault.New(fault.Unavailable, "spool_full", "db.internal"), "451 4.3.0"},
		"nobody knows whether it is on disk":  {fault.New(fault.UnknownOutcome, "lost", "db.internal"), "451 4.3.0"},
		"too much at once":                    {fault.New(fault.Overloaded, "overloaded", ""), "451 4.3.0"},
		"a mistake of ours":                   {fault.New(fault.Internal, "internal", "db.internal"), "451 4.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, nil)
			r.fail = c.err
			conn := r.dial(t)
			conn.begins()
			conn.send(letter)
			if answer := conn.says(".", c.answer); strings.Contains(answer, "internal") {
				t.Errorf("the answer is %q, want none of the store's own words", answer)
			}
			r.wantAccepted(t, 0)
			conn.says("NOOP", "250")
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	c := r.dial(t)
	c.says("EHLO client.example", "250")
	for _, address := range []string{"shop", "j\u00fcrgen@example.com", "a@b@c", strings.Repeat("a", 250) + "@example.com"} {
		c.says("MAIL FROM:<"+address+">", "501")
	}
	c.says("MAIL FROM:<>", "250") // what must not be returned
	for _, address := range []string{"postmaster", "j\u00fcrgen@example.com", strings.Repeat("a", 250) + "@example.com"} {
		if answer := c.says("RCPT TO:<"+address+">", "5"); !strings.HasPrefix(answer, "501") && !strings.HasPrefix(answer, "553") {
			t.Errorf("%s: %q, want 501 or 553", address, answer)
		}
	}
	c.says("DATA", "502")
	c.says(`RCPT TO:<"foo..bar"@example.com>`, "250")
	c.says("DATA", "354")
	c.send(letter)
	c.says(".", "250")
	if got := r.accepted(); len(got) != 1 || got[0].Sender != "" || !slices.Equal(got[0].Recipients, []string{`"foo..bar"@example.com`}) {
		t.Errorf("accepted %+v, want one without a sender to the recipient as it was written", got)
	}
}

func TestTheSizeOfAMessageIsBounded(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 998) + "\r\n"
	t.Run("it is announced", func(t *testing.T) {
		t.Parallel()
		c := start(t, nil).dial(t)
		c.says("EHLO client.example", "250")
		c.says(fmt.Sprintf("MAIL FROM:<shop@example.com> SIZE=%d", email.MaxMIME+1), "552 5.3.4")
	})
	t.Run("it is not announced", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		c := r.dial(t)
		c.begins()
		c.send("From: shop@example.com\r\n\r\n")
		block := strings.Repeat(line, 1000)
		for range email.MaxMIME/len(block) + 1 {
			c.send(block)
		}
		c.says(".", "552 5.3.4")
		r.wantAccepted(t, 0)
		c.says("NOOP", "250")
	})
	t.Run("a large one is accepted as it is", func(t *testing.T) {
		t.Parallel()
		r := start(t, nil)
		c := r.dial(t)
		c.begins()
		text := "From: shop@example.com\r\n\r\n" + strings.Repeat(line, 20_000)
		c.send(text)
		c.says(".", "250")
		if got := r.accepted(); len(got) != 1 || !bytes.Equal(got[0].Raw, []byte(text)) {
			t.Errorf("%d accepted, or not as it was sent", len(got))
		}
	})
	t.Run("too many recipients", func(t *testing.T) {
		t.Parallel()
		c := start(t, nil).dial(t)
		c.says("EHLO client.example", "250")
		c.says("MAIL FROM:<shop@example.com>", "250")
		for i := range email.MaxRecipients {
			c.says(fmt.Sprintf("RCPT TO:<r%d@example.com>", i), "250")
		}
		c.says("RCPT TO:<one.more@example.com>", "452 4.5.3")
	})
}
