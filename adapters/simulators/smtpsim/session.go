package smtpsim

import (
	"crypto/rand"
	"errors"
	"io"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"patchbay/adapters/simulators/mailbox"
)

// session returns the mail server's view of a connection.
func (s *Sim) session(c *smtp.Conn) (smtp.Session, error) {
	if s.o.Open {
		return &session{sim: s, conn: c.Conn().(*conn)}, nil
	}
	return &authSession{session: session{sim: s, conn: c.Conn().(*conn)}}, nil
}

// session accepts mail for everybody.
type session struct {
	sim  *Sim
	conn *conn
	to   []string
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f, applies := s.sim.take(Message, "")
	if applies {
		s.conn.after = &f.Mishap
		if !f.After {
			return nil // the mishap replaces this answer
		}
	}
	id := rand.Text()
	if err := s.sim.Deliver(mailbox.Message{Raw: raw, To: s.to, Reference: id}); err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "the message cannot be read"}
	}
	if applies && !f.Mishap.honest {
		s.sim.mu.Lock()
		s.sim.replaced = append(s.sim.replaced, id)
		s.sim.mu.Unlock()
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "Ok: queued as " + id}
}

// authSession demands the credentials of the account before it accepts mail.
type authSession struct {
	session
	known bool
}

// AuthMechanisms implements smtp.AuthSession.
func (s *authSession) AuthMechanisms() []string { return s.sim.o.Mechanisms }

// Auth implements smtp.AuthSession.
func (s *authSession) Auth(mechanism string) (sasl.Server, error) {
	server := s.sim.mechanism(mechanism)
	if server == nil {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return &granting{server, s}, nil
}

// Mail implements smtp.Session.
func (s *authSession) Mail(from string, o *smtp.MailOptions) error {
	if !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	return s.session.Mail(from, o)
}

// granting notes in a session that its credentials are right.
type granting struct {
	sasl.Server
	session *authSession
}

// Next implements sasl.Server.
func (g *granting) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = g.Server.Next(response)
	if errors.Is(err, errCredentials) {
		return nil, false, smtp.ErrAuthFailed
	}
	g.session.known = g.session.known || done && err == nil
	return challenge, done, err
}
