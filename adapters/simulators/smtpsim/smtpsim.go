// Package smtpsim is an SMTP server for tests. It delivers into a mailbox, and fails when told to at
// any step of the conversation.
//
// The mail server is github.com/emersion/go-smtp. This package is the connection below it: TLS, the
// offered extensions, and the faults. See [Fault].
package smtpsim

import (
	"crypto/rand"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
)

// Security is how the server protects a connection.
type Security int

// The ways to protect a connection.
const (
	Plain    Security = iota // no TLS
	StartTLS                 // TLS after the command STARTTLS; mail and credentials are refused before
	TLS                      // TLS from the first byte
)

// Options are the options of a server. The zero value is one without TLS, with the account of
// Sim.User and Sim.Key.
type Options struct {
	Security Security
	// Mechanisms are the offered mechanisms of AUTH, PLAIN by default: some of PLAIN, LOGIN, CRAM-MD5,
	// SCRAM-SHA-1 and SCRAM-SHA-256.
	Mechanisms []string
	// Open means that no AUTH is offered or needed.
	Open bool
	// Without lists the extensions that are not offered: some of 8BITMIME, SIZE, SMTPUTF8 and
	// STARTTLS.
	Without []string
	// MaxBytes is the largest message, 0 for no limit.
	MaxBytes int64
	// CertificateFor is the host that the certificate names, 127.0.0.1 by default.
	CertificateFor string
}

// Sim is a server.
type Sim struct {
	mailbox.Mailbox
	t       faultserver.T
	o       Options
	address string
	key     string
	tls     *tls.Config
	ca      []byte
	smtp    *smtp.Server

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    []*conn
	faults   []Fault
	replaced []string      // references of messages, see Replaced
	healed   chan struct{} // closed by Heal, which releases conversations that hang
	all      sync.WaitGroup
}

// Start serves until the test ends.
func Start(t faultserver.T, o Options) *Sim {
	t.Helper()
	address, release, err := faultserver.Reserve()
	if err != nil {
		t.Fatalf("smtpsim: no port: %v", err)
	}
	if o.Mechanisms == nil {
		o.Mechanisms = []string{"PLAIN"}
	}
	s := &Sim{t: t, o: o, address: address, key: "key-" + rand.Text(), healed: make(chan struct{})}
	if s.tls, s.ca, err = certificate(o.CertificateFor); err != nil {
		t.Fatalf("smtpsim: no certificate: %v", err)
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.Domain, s.smtp.ErrorLog = "mail.example.com", silent{}
	s.smtp.AllowInsecureAuth, s.smtp.EnableSMTPUTF8, s.smtp.MaxMessageBytes = true, true, o.MaxBytes
	s.Resume()
	t.Cleanup(func() {
		s.Heal()
		s.Refuse()
		_ = s.smtp.Close() // its listeners are closed already
		s.all.Wait()
		release()
	})
	return s
}

// Host returns the server's address without the port.
func (s *Sim) Host() string { return "127.0.0.1" }

// Port returns the server's port.
func (s *Sim) Port() int {
	_, port, _ := net.SplitHostPort(s.address)
	n, _ := strconv.Atoi(port)
	return n
}

// User returns the name of the only account.
func (s *Sim) User() string { return "shop" }

// Key returns the password of the account.
func (s *Sim) Key() string { return s.key }

// CA returns the certificate, in PEM, of the authority that signed the server's certificate.
func (s *Sim) CA() []byte { return s.ca }

// Refuse refuses new connections from now on, and resets open ones.
func (s *Sim) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return
	}
	_ = s.listener.Close()
	s.listener = nil
	for _, c := range s.conns {
		c.reset()
	}
}

// Resume listens again on the same address.
func (s *Sim) Resume() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return
	}
	l, err := faultserver.Listen(s.t.Context(), s.address)
	if err != nil {
		s.t.Errorf("smtpsim: %v", err)
		return
	}
	s.listener = l
	s.all.Go(func() { _ = s.smtp.Serve(accepting{l, s}) }) // it ends when the listener is closed
}

// Drop closes all open connections, as a server does with idle ones.
func (s *Sim) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.raw.Close()
	}
}

// Inject applies each fault to the next step that it matches.
func (s *Sim) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Heal removes all faults, releases conversations that hang, and resumes.
func (s *Sim) Heal() {
	s.mu.Lock()
	s.faults = nil
	close(s.healed)
	s.healed = make(chan struct{})
	s.mu.Unlock()
	if s.t.Context().Err() == nil {
		s.Resume()
	}
}

// Commands returns the commands of all conversations so far, as the client wrote them. It omits
// messages, and what follows the first line of AUTH.
func (s *Sim) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Command
	for _, c := range s.conns {
		all = append(all, c.commands...)
	}
	return all
}

// Replaced returns the references of the delivered messages whose answer a fault at the step Message
// has replaced.
func (s *Sim) Replaced() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.replaced)
}

// Connections counts the connections so far.
func (s *Sim) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Open counts the connections that are open now.
func (s *Sim) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.conns {
		if !c.closed {
			n++
		}
	}
	return n
}

// Attempts counts the tries to hand over a message: the transactions (MAIL), and the connections
// that ended without one.
func (s *Sim) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.conns {
		begun := 0
		for _, command := range c.commands {
			if command.Verb == Mail {
				begun++
			}
		}
		n += max(begun, 1)
	}
	return n
}

// take returns the fault that applies to a step, and removes it.
func (s *Sim) take(at Step, line string) (f Fault, applies bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f Fault) bool { return f.matches(at, line) })
	if i < 0 {
		return Fault{}, false
	}
	f = s.faults[i]
	if !f.Standing {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return f, true
}

// accepting wraps what a listener accepts in conns.
type accepting struct {
	net.Listener
	sim *Sim
}

// Accept implements net.Listener.
func (a accepting) Accept() (net.Conn, error) {
	raw, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := newConn(a.sim, raw)
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.sim.conns = append(a.sim.conns, c)
	if a.sim.listener == nil { // it was accepted while Refuse closed the listener
		c.reset()
	}
	return c, nil
}

// silent is a logger that writes nothing: a broken connection is what a test wants.
type silent struct{}

// Printf implements smtp.Logger.
func (silent) Printf(string, ...any) {}

// Println implements smtp.Logger.
func (silent) Println(...any) {}

// handshakeLimit bounds a TLS handshake, so that a client that never ends it cannot hold a test.
const handshakeLimit = 20 * time.Second
