package smtpmail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"strconv"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// step is where a conversation stands. Most are commands.
type step string

const (
	waiting        step = "waiting" // for a place
	connecting     step = "connect"
	greeting       step = "greeting"
	hello          step = "EHLO"
	securing       step = "STARTTLS"
	authenticating step = "AUTH"
	sender         step = "MAIL FROM"
	recipient      step = "RCPT TO"
	content        step = "DATA"
	accepting      step = "message" // the final dot may have been sent
)

// session is a conversation with the server, ready for a message.
type session struct {
	smtp   *smtp.Client
	conn   *conn
	stop   func() bool // ends the hold of a context on the connection
	expiry *time.Timer // closes the session while it is free
}

// session returns a free session, or a new one. A free one may have been closed by the server
// meanwhile: RSET finds that out before anything of the message is sent.
func (m *Mailer) session(ctx context.Context) (*session, step, error) {
	if s := m.pool.get(); s != nil {
		s.begin(ctx)
		if err := s.smtp.Reset(); err == nil {
			return s, "", nil
		}
		s.end()
		s.close()
	}
	return m.open(ctx)
}

// open connects to the server, and goes as far as the server must be for a message.
func (m *Mailer) open(ctx context.Context) (*session, step, error) {
	dialer := &net.Dialer{Timeout: httpclient.DefaultConnectTimeout}
	raw, err := dialer.DialContext(ctx, "tcp", m.settings.address())
	if err != nil {
		return nil, connecting, err
	}
	s := &session{conn: &conn{Conn: raw}}
	s.begin(ctx)
	if at, err := m.introduce(ctx, s); err != nil {
		s.end()
		s.close()
		return nil, at, err
	}
	return s, "", nil
}

// introduce does what comes before the first message: TLS, EHLO and AUTH.
func (m *Mailer) introduce(ctx context.Context, s *session) (at step, err error) {
	var under net.Conn = s.conn
	if m.settings.Security == implicit {
		secure := tls.Client(s.conn, m.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return securing, err
		}
		under = secure
	}
	if s.smtp, err = smtp.NewClient(under, m.settings.Host); err != nil {
		return greeting, err
	}
	if err := s.smtp.Hello(m.hello(s.conn)); err != nil {
		return hello, err
	}
	if m.settings.Security == startTLS {
		if offered, _ := s.smtp.Extension("STARTTLS"); !offered {
			return securing, fault.New(fault.Unavailable, "tls_missing", "the server does not offer STARTTLS; nothing was sent")
		}
		if err := s.smtp.StartTLS(m.tls); err != nil {
			return securing, err
		}
	}
	if m.settings.Username == "" {
		return "", nil
	}
	return authenticating, m.authenticate(s)
}

// hand hands a letter over, in one transaction. It returns the words with which the server has
// accepted it. aboutRecipient tells a refusal of one recipient from others.
func (s *session) hand(ctx context.Context, l *letter, aboutRecipient func(*textproto.Error) bool) (words string, at step, err error) {
	from := "<" + l.from + ">"
	if offered, limit := s.smtp.Extension("SIZE"); offered { // RFC 1870
		if most, err := strconv.Atoi(limit); err == nil && most > 0 && len(l.raw) > most {
			return "", sender, unanswered(tooLarge, nil)
		}
		from += " SIZE=" + strconv.Itoa(len(l.raw)) // the library writes the argument as it is
	}
	if offered, _ := s.smtp.Extension("SMTPUTF8"); l.utf8 && !offered { // RFC 6531
		return "", sender, fault.New(fault.Unsupported, "smtputf8_missing", "the server takes no addresses in other letters than ASCII; nothing was sent")
	}
	if offered, _ := s.smtp.Extension("8BITMIME"); l.eightBit && !offered { // RFC 6152
		return "", sender, fault.New(fault.Unsupported, "8bitmime_missing", "the server takes no text of eight bits, and the message was handed over as one; nothing was sent")
	}
	s.smtp.SkipSMTPUTF8(!l.utf8)
	if err := s.smtp.Mail(from); err != nil {
		return "", sender, err
	}
	if err := s.address(l.to, aboutRecipient); err != nil {
		return "", recipient, err
	}
	w, err := s.smtp.Data()
	if err != nil {
		return "", content, err
	}
	if _, err := w.Write(l.raw); err != nil {
		return "", content, err
	}
	if err := ctx.Err(); err != nil {
		return "", content, err
	}
	if err := w.Close(); err != nil { // it sends the final dot
		return "", accepting, err
	}
	return w.(*smtp.DataCloser).ServerResponse(), "", nil
}

// address names the recipients. Once the server has refused one of them for good, nothing will be sent in
// this transaction; the others are named still, so that all who are refused are known after one.
func (s *session) address(all []string, aboutRecipient func(*textproto.Error) bool) error {
	var refused refusedNames
	for _, to := range all {
		err := s.smtp.Rcpt("<" + to + ">")
		if err == nil {
			continue
		}
		var answer *textproto.Error
		answered := errors.As(err, &answer)
		if answered && aboutRecipient(answer) {
			refused.all = append(refused.all, refusedName{to, answer})
			continue
		}
		if len(refused.all) == 0 {
			return err
		}
		refused.broken = !answered || answer.Code == closing
		break // this is for the next attempt, without those who are refused
	}
	if len(refused.all) == 0 {
		return nil
	}
	return &refused
}

// refusedNames are the recipients whom the server has refused in a transaction.
type refusedNames struct {
	all    []refusedName
	broken bool // the conversation has ended since
}

type refusedName struct {
	to     string
	answer *textproto.Error
}

// Error implements error. It names nobody.
func (r *refusedNames) Error() string { return "smtpmail: the server refuses recipients" }

// Unwrap returns the first answer.
func (r *refusedNames) Unwrap() error { return r.all[0].answer }

// begin lets a context end whatever waits for the server, until end is called.
func (s *session) begin(ctx context.Context) {
	s.conn.left = maxAnswers
	s.stop = context.AfterFunc(ctx, s.conn.interrupt)
}

// end reports whether the connection is still usable: the context has not interrupted it.
func (s *session) end() bool { return s.stop() }

func (s *session) close() { _ = s.conn.Close() }

// bye ends a conversation in which nothing is under way. It does not wait for the answer.
func (s *session) bye() {
	_ = s.conn.SetDeadline(time.Now().Add(time.Second))
	_ = s.smtp.Text.PrintfLine("QUIT")
	s.close()
}

// maxAnswers is how many bytes a server may send for one message.
const maxAnswers = 1 << 20

var errTooMuch = errors.New("smtpmail: the server says too much")

// conn is the TCP connection, below TLS. It bounds what the server sends.
type conn struct {
	net.Conn
	left int // used by one goroutine at a time
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// interrupt makes every read and write fail, now and later.
func (c *conn) interrupt() { _ = c.SetDeadline(time.Unix(1, 0)) }
