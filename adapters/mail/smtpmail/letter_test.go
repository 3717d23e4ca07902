package smtpmail_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/mail/smtpmail"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// full has all that a message may have over SMTP.
func full() email.Message {
	m := message()
	m.From.Name = "Smith, \"Jack\" – ü"
	m.To = append(m.To, email.Address{Email: "eve@bücher.example", Name: "Eve"})
	m.Cc = []email.Address{{Email: "cc@example.com"}}
	m.Bcc = []email.Address{{Email: "audit@example.com"}}
	m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: "b@example.com"}}
	m.Headers = map[string]string{"X-Campaign": "spring – 7"}
	m.Text = ".\r\n..\r\nGrüße\n.hidden\n" + strings.Repeat("long ", 400) + "\n."
	m.HTML = "<p>Grüße</p>"
	m.Attachments = []email.Attachment{{Filename: "ä.pdf", ContentType: "application/pdf", Content: bytes.Repeat([]byte{0, 1, 0xff}, 10_000)}}
	return m
}

// boundary matches the boundaries of parts, which are random.
var boundary = regexp.MustCompile(`[0-9a-f]{40,}`)

func same(raw []byte) string { return boundary.ReplaceAllString(string(raw), "boundary") }

// The library must not write a header of its own, nor change one.
func TestTheMessageIsSentByteForByte(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), full()); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := rfc5322.Write(&want, full()); err != nil {
		t.Fatal(err)
	}
	if got := same(sim.Delivered()[0]); got != same(want.Bytes()) {
		t.Errorf("got:\n%s\nwant:\n%s", got, same(want.Bytes()))
	}
}

// What is tried with the catcher is what a server gets later.
func TestTheCatcherKeepsWhatTheServerGets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	catcher, err := catchermail.New(catchermail.Options{Name: "catcher", Path: dir, Keep: 10})
	if err != nil {
		t.Fatal(err)
	}
	caught, err := catcher.Send(t.Context(), full())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, caught.Reference))
	if err != nil {
		t.Fatal(err)
	}
	sim := smtpsim.Start(t, smtpsim.Options{})
	if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), full()); err != nil {
		t.Fatal(err)
	}
	if got := same(sim.Delivered()[0]); got != same(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, same(want))
	}
}

func TestTheMessageTellsNothingOfPatchbay(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := message()
	m.ID, m.Tenant, m.MessageID = "msg_4711", "acme", "one@example.com"
	m.Attempts = []email.Attempt{{ID: "att_4711", Outcome: email.Attempting}}
	if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	raw := strings.ToLower(string(sim.Delivered()[0]))
	for _, mark := range []string{"4711", "acme", "patchbay", "go-mail", "x-mailer", "user-agent"} {
		if strings.Contains(raw, mark) {
			t.Errorf("sent\n%s\nwant it without %q", raw, mark)
		}
	}
}

func TestTheEnvelopeNamesEverybodyOnce(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := full()
	m.Bcc = append(m.Bcc, email.Address{Email: "ADA@example.com"})
	if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range sim.Commands() {
		if c.Verb == smtpsim.Rcpt {
			got = append(got, c.Line)
		}
	}
	want := []string{
		"RCPT TO:<ada@example.com>", "RCPT TO:<eve@xn--bcher-kva.example>", "RCPT TO:<cc@example.com>", "RCPT TO:<audit@example.com>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// mailCommand returns the only MAIL of a simulator.
func mailCommand(t *testing.T, sim *smtpsim.Sim) string {
	t.Helper()
	for _, c := range sim.Commands() {
		if c.Verb == smtpsim.Mail {
			return c.Line
		}
	}
	t.Fatal("there was no MAIL, want one")
	return ""
}

func TestMAILHasTheParametersThatTheServerOffers(t *testing.T) {
	t.Parallel()
	foreign := message()
	foreign.To[0].Email = "ädä@example.com"
	for name, c := range map[string]struct {
		message email.Message
		without []string
		want    string // a regular expression
	}{
		"all":                       {message(), nil, `^MAIL FROM:<shop@example\.com> SIZE=\d{3} BODY=8BITMIME$`},
		"all but SIZE":              {message(), []string{"SIZE"}, `^MAIL FROM:<shop@example\.com> BODY=8BITMIME$`},
		"all but 8BITMIME":          {message(), []string{"8BITMIME"}, `^MAIL FROM:<shop@example\.com> SIZE=\d{3}$`},
		"none":                      {message(), []string{"SIZE", "8BITMIME", "SMTPUTF8"}, `^MAIL FROM:<shop@example\.com>$`},
		"all, and an address needs": {foreign, nil, `^MAIL FROM:<shop@example\.com> SIZE=\d{3} BODY=8BITMIME SMTPUTF8$`},
	} {
		sim := smtpsim.Start(t, smtpsim.Options{Without: c.without})
		if _, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), c.message); err != nil {
			t.Errorf("%s: error %v, want none", name, err)
		}
		if got := mailCommand(t, sim); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", name, got, c.want)
		}
	}
}

func TestAForeignLocalPartNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(m *email.Message){
		"of a recipient":        func(m *email.Message) { m.To[0].Email = "ädä@example.com" },
		"of a hidden recipient": func(m *email.Message) { m.Bcc = []email.Address{{Email: "ädä@example.com"}} },
		"of the sender":         func(m *email.Message) { m.From.Email = "läden@example.com" },
		"of who is replied to":  func(m *email.Message) { m.ReplyTo = []email.Address{{Email: "läden@example.com"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message()
			change(&m)
			able := smtpsim.Start(t, smtpsim.Options{})
			if _, err := open(t, settingsFor(t, able), patience).Send(t.Context(), m); err != nil {
				t.Errorf("with SMTPUTF8: error %v, want none", err)
			}
			unable := smtpsim.Start(t, smtpsim.Options{Without: []string{"SMTPUTF8"}})
			mailer := open(t, settingsFor(t, unable), patience)
			_, err := mailer.Send(t.Context(), m)
			wantKind(t, err, fault.Unsupported, "smtputf8_missing")
			wantVerbs(t, unable, smtpsim.Ehlo, smtpsim.Auth)
			wantNextOverTheSameConnection(t, mailer, unable)
		})
	}
}

func wantNextOverTheSameConnection(t *testing.T, m *smtpmail.Mailer, sim *smtpsim.Sim) {
	t.Helper()
	if _, err := m.Send(t.Context(), message()); err != nil {
		t.Errorf("the next message: error %v, want none", err)
	}
	if got := sim.Connections(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

func TestAMessageLargerThanSIZEIsRefusedBeforeMAIL(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{MaxBytes: 2000})
	mailer := open(t, settingsFor(t, sim), patience)
	m := message()
	m.Text = strings.Repeat("x", 3000)
	_, err := mailer.Send(t.Context(), m)
	wantKind(t, err, fault.Refused, "message_too_large")
	if !fault.From(err).NoRetry {
		t.Errorf("error %v, want one that says not to try again here", err)
	}
	wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.Auth)
	wantNextOverTheSameConnection(t, mailer, sim)
}

// A server may not say how much it takes.
func TestAMessageLargerThanTheServerTakesIsRefusedByIt(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{MaxBytes: 2000, Without: []string{"SIZE"}})
	m := message()
	m.Text = strings.Repeat("x", 3000)
	_, err := open(t, settingsFor(t, sim), patience).Send(t.Context(), m)
	wantKind(t, err, fault.Refused, "message_too_large")
	if got := len(sim.Delivered()); got != 0 {
		t.Errorf("%d messages are delivered, want 0", got)
	}
}

// Nothing of an address becomes a parameter of MAIL or RCPT.
func TestAnAddressThatIsMoreThanAnAddressIsInvalid(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	mailer := open(t, settingsFor(t, sim), patience)
	for _, address := range []string{"a@b.example> NOTIFY=NEVER <c@d.example", "a b@example.com", "a@b.example>\r\nRSET\r\n<c@d.example", "nobody", ""} {
		m := message()
		m.Bcc = []email.Address{{Email: address}}
		if _, err := mailer.Send(t.Context(), m); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: error %v, want kind invalid", address, err)
		}
	}
	wantVerbs(t, sim)
}

func TestAReferenceIsTheServersIDOfTheMessage(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"2.0.0 Ok: queued as 9A1B2C3D4E":                     "9A1B2C3D4E",
		"Ok: queued as gcjBLQZ5T0uYQ-Vz_w":                   "gcjBLQZ5T0uYQ-Vz_w",
		"OK id=1qXabc-0003AB-2x":                             "1qXabc-0003AB-2x",
		"2.0.0 4AU9x2Pq012345 Message accepted for delivery": "4AU9x2Pq012345",
		"Ok 010f018d2a3b4c5d-1a2b3c4d-0000-000000":           "010f018d2a3b4c5d-1a2b3c4d-0000-000000",
		"2.0.0 Great success":                                "",
		"Ok":                                                 "",
		"Ok ada@example.com":                                 "",
		"2.0.0 queued for ada@example.com":                   "",
		"":                                                   "",
	} {
		if got := smtpmail.Reference(words); got != want {
			t.Errorf("%q: got %q, want %q", words, got, want)
		}
	}
}

// blocked sends a message that the server stops reading after it has asked for it, and returns what
// becomes of it. The message is larger than what the machine keeps for a connection.
func blocked(ctx context.Context, t *testing.T, sim *smtpsim.Sim, mishap smtpsim.Mishap, meanwhile func()) error {
	t.Helper()
	sim.Inject(smtpsim.Fault{At: smtpsim.Data, After: true, Mishap: mishap})
	m := message()
	m.Attachments = []email.Attachment{{Filename: "a", ContentType: "text/plain", Content: make([]byte, 6<<20)}}
	mailer, result := open(t, settingsFor(t, sim), patience), make(chan error, 1)
	go func() {
		_, err := mailer.Send(ctx, m)
		result <- err
	}()
	eventually(t, "the text is asked for", func() bool { return slices.Contains(verbs(sim), smtpsim.Data) })
	meanwhile()
	return <-result
}

func TestAMessageGivenUpWhileItIsSentIsCanceled(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := blocked(ctx, t, sim, smtpsim.AnswersAndHangs(), cancel)
	wantKind(t, err, fault.Canceled, "canceled")
	if got := len(sim.Delivered()); got != 0 {
		t.Errorf("%d messages are delivered, want 0", got)
	}
}

func TestAConnectionThatBreaksWhileAMessageIsSentHasNotAcceptedIt(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	err := blocked(t.Context(), t, sim, smtpsim.AnswersAndResets(), func() {})
	wantKind(t, err, fault.Unavailable, "connection_failed")
	if got := len(sim.Delivered()); got != 0 {
		t.Errorf("%d messages are delivered, want 0", got)
	}
}

func TestAMessageGivenUpBeforeDATAIsCanceledAndNothingIsSent(t *testing.T) {
	t.Parallel()
	for _, at := range []smtpsim.Step{smtpsim.Greeting, smtpsim.Ehlo, smtpsim.Auth, smtpsim.Mail, smtpsim.Rcpt} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, smtpsim.Options{})
			sim.Inject(smtpsim.Fault{At: at, After: true, Mishap: smtpsim.Hangs()})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mailer, result := open(t, settingsFor(t, sim), patience), make(chan error, 1)
			go func() {
				_, err := mailer.Send(ctx, message())
				result <- err
			}()
			eventually(t, "the server is asked", func() bool {
				return at == smtpsim.Greeting && sim.Connections() == 1 || slices.Contains(verbs(sim), at)
			})
			cancel()
			wantKind(t, <-result, fault.Canceled, "canceled")
			if slices.Contains(verbs(sim), smtpsim.Data) {
				t.Errorf("commands %v, want no DATA", verbs(sim))
			}
		})
	}
}

// Only the time after the final dot leaves an outcome open.
func TestOnlyTheTimeAfterTheEndOfTheMessageLeavesADoubt(t *testing.T) {
	t.Parallel()
	for at, want := range map[smtpsim.Step]fault.Kind{
		smtpsim.Greeting: fault.Unavailable, smtpsim.Ehlo: fault.Unavailable, smtpsim.Auth: fault.Unavailable, smtpsim.Mail: fault.Unavailable,
		smtpsim.Rcpt: fault.Unavailable, smtpsim.Data: fault.Unavailable, smtpsim.Message: fault.UnknownOutcome,
	} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, smtpsim.Options{})
			sim.Inject(smtpsim.Fault{At: at, After: true, Mishap: smtpsim.Hangs()})
			limit := 300 * time.Millisecond
			if want == fault.UnknownOutcome { // the message must get there before
				limit = 3 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := open(t, settingsFor(t, sim), patience).Send(ctx, message())
			if !fault.Is(err, want) {
				t.Errorf("error %v, want kind %s", err, want)
			}
		})
	}
}

// A server may take its time, as long as the message may.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	sim, release := smtpsim.Start(t, smtpsim.Options{}), make(chan struct{})
	sim.Inject(smtpsim.Fault{At: smtpsim.Message, After: true, Mishap: smtpsim.Holds(release)})
	mailer, result := open(t, settingsFor(t, sim), patience), make(chan error, 1)
	go func() {
		_, err := mailer.Send(t.Context(), message())
		result <- err
	}()
	eventually(t, "the message is delivered", func() bool { return len(sim.Delivered()) == 1 })
	close(release)
	if err := <-result; err != nil {
		t.Errorf("error %v, want none", err)
	}
}

// handed is a message that was handed over with a text of eight bits, from nobody to whom it could be
// returned.
func handed() email.Message {
	m := message()
	m.Text, m.Envelope = "", &email.Envelope{}
	m.Attachments = []email.Attachment{email.MIMEFile([]byte("From: shop@example.com\r\nMessage-ID: <a@b>\r\nDate: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n"))}
	return m
}

func TestAMessageThatWasHandedOverKeepsItsEightBits(t *testing.T) {
	t.Parallel()
	able := smtpsim.Start(t, smtpsim.Options{Without: []string{"SMTPUTF8"}})
	if _, err := open(t, settingsFor(t, able), patience).Send(t.Context(), handed()); err != nil {
		t.Fatalf("with 8BITMIME: error %v, want none", err)
	}
	if got := able.Delivered(); len(got) != 1 || string(got[0]) != string(handed().MIME()) {
		t.Errorf("delivered %q, want the message as it was handed over", got)
	}
	for _, c := range able.Commands() {
		if c.Verb == smtpsim.Mail && !strings.HasPrefix(c.Line, "MAIL FROM:<> ") {
			t.Errorf("the envelope is %q, want no sender", c.Line)
		}
	}
	unable := smtpsim.Start(t, smtpsim.Options{Without: []string{"8BITMIME"}})
	mailer := open(t, settingsFor(t, unable), patience)
	_, err := mailer.Send(t.Context(), handed())
	wantKind(t, err, fault.Unsupported, "8bitmime_missing")
	wantVerbs(t, unable, smtpsim.Ehlo, smtpsim.Auth)
	wantNextOverTheSameConnection(t, mailer, unable)
}
