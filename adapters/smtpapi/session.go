package smtpapi

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/logging"
)

const (
	scope = "emails:write"
	// localKeyID is the key id of a client where no key is needed, as in the HTTP API.
	localKeyID = "local"
	// maxCredentials is how many wrong keys a connection may send.
	maxCredentials = 3
)

// local is the identity of a client without a key, where none is needed.
var local = apikeys.Identity{Tenant: apikeys.DefaultTenant, KeyID: localKeyID, Scopes: []string{apikeys.All}}

// session is the conversation with one client, on one layer: it begins anew behind STARTTLS.
type session struct {
	server *Server
	conn   *conn
	caller apikeys.Identity // no KeyID before it is known
	wrong  int              // keys
	sender string
	to     []string
}

var (
	_ smtp.Session     = (*session)(nil)
	_ smtp.AuthSession = (*session)(nil)
)

func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	one := &session{server: s, conn: c.Conn().(*conn)}
	if !s.KeysRequired {
		one.caller = local
	}
	return one, nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.sender, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// AuthMechanisms implements smtp.AuthSession. A key is never sent before TLS.
func (s *session) AuthMechanisms() []string {
	if !s.conn.secure {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession. The name of the user says nothing: the password is an API key.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	began := time.Now()
	switch {
	case !s.conn.secure:
		return nil, s.failed("AUTH", began, errNoTLS)
	case mechanism == sasl.Plain:
		return sasl.NewPlainServer(func(_, _, password string) error { return s.authenticate(password) }), nil
	case mechanism == sasl.Login:
		return &login{check: s.authenticate}, nil
	}
	return nil, s.failed("AUTH", began, errMechanism)
}

// login is the server's side of the mechanism LOGIN.
type login struct {
	check func(password string) error
	named bool
}

// Next implements sasl.Server. The client may send its name at once.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && !l.named:
		return []byte("Username:"), false, nil
	case !l.named:
		l.named = true
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(string(response))
}

// authenticate identifies the client by an API key.
func (s *session) authenticate(token string) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.server.Deadline)
	defer cancel()
	caller, err := s.server.Authenticate(ctx, token)
	if err == nil && !caller.Allows(scope) {
		err = errScope
	}
	if err == nil {
		s.caller = caller
		s.conn.known.Store(true)
		return nil
	}
	if fault.Is(err, fault.Unauthorized) {
		if s.wrong++; s.wrong >= maxCredentials {
			s.conn.end(wrongKeys)
		}
	}
	return s.failed("AUTH", began, err)
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	began := time.Now()
	switch {
	case s.caller.KeyID == "":
		return s.failed("MAIL", began, errNoKey)
	case from == "": // nothing is to be returned
		s.sender = ""
		return nil
	}
	sender, ok := mailbox(from)
	if !ok {
		return s.failed("MAIL", began, errSender)
	}
	s.sender = sender
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	to, ok := mailbox(to)
	if !ok {
		return s.failed("RCPT", time.Now(), errRecipient)
	}
	if !slices.ContainsFunc(s.to, func(other string) bool { return strings.EqualFold(other, to) }) {
		s.to = append(s.to, to)
	}
	return nil
}

// mailbox returns an address of an envelope, which the library has taken out of its quotes, as it must be
// written. ok is false for one that is not that of a mailbox, that has a second @, which servers read in
// different ways, or that is not in ASCII: SMTPUTF8 is not offered.
func mailbox(address string) (written string, ok bool) {
	written = email.Mailbox(address)
	ascii := !strings.ContainsFunc(address, func(r rune) bool { return r > unicode.MaxASCII })
	return written, ascii && strings.Count(address, "@") == 1 && email.CheckAddress(written) == nil
}

// Data implements smtp.Session. The answer to a message that is on disk is an error of the library's, too,
// since only so it has words of its own.
func (s *session) Data(r io.Reader) error {
	s.server.underway.Add(1)
	defer s.server.underway.Add(-1)
	began := time.Now()
	raw, release, err := s.receive(r)
	defer release()
	if err != nil {
		return s.failed("DATA", began, err)
	}
	request := s.server.IDs.New("req")
	ctx := logging.WithCaller(context.Background(), logging.Caller{Request: request, Tenant: s.caller.Tenant, Key: s.caller.KeyID})
	ctx, cancel := context.WithTimeout(ctx, s.server.Deadline)
	defer cancel()
	m, replayed, err := s.server.HandOver(ctx, s.caller.Tenant, emails.Handover{
		Caller: s.caller.KeyID, Sender: s.sender, Recipients: s.to, Raw: raw,
	})
	if err != nil {
		return s.refused("DATA", request, began, err)
	}
	words := "queued as " + m.ID
	if replayed {
		words = "queued before as " + m.ID
	}
	s.log("DATA", request, began, 250, "")
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: words}
}

// smallText is the largest message whose memory is not counted: the number of connections bounds those.
const smallText = 64 << 10

// receive reads the text of a message into memory that was reserved before. release gives it back.
func (s *session) receive(r io.Reader) (raw []byte, release func(), err error) {
	var reserved int64
	raw = make([]byte, 0, smallText)
	release = func() { s.server.memory.give(reserved) }
	for {
		if len(raw) == cap(raw) {
			more := int64(cap(raw))
			if !s.server.memory.take(context.Background(), more) {
				return nil, release, errMemory
			}
			reserved += more
			raw = append(make([]byte, 0, 2*len(raw)), raw...)
		}
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		switch {
		case errors.Is(err, io.EOF):
			return raw, release, nil
		case errors.Is(err, smtp.ErrDataTooLarge):
			return nil, release, errTooLarge
		case err != nil && s.conn.why != nil: // the client has this answer already
			return nil, release, s.conn.why
		case err != nil:
			return nil, release, errBroken
		}
	}
}
