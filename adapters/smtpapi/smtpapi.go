// Package smtpapi is the gateway's way in by SMTP (RFC 5321, RFC 6409), for applications that speak
// nothing else. What a client hands over is answered 250 once it is on disk, and goes out as any other
// email.
//
// The conversation is that of go-smtp of Simon Ser. Below it, a conn gives the library one line at a time,
// and refuses what must not reach it: see docs/adr/0041-smtp-server.md.
package smtpapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"patchbay/core/apikeys"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/logging"
	"patchbay/ports"
)

// Options configures a Server.
type Options struct {
	// HandOver accepts a message: see emails.Service.HandOver.
	HandOver func(ctx context.Context, tenant string, h emails.Handover) (email.Message, bool, error)
	// Authenticate checks an API key: see apikeys.Service.Authenticate.
	Authenticate func(ctx context.Context, token string) (apikeys.Identity, error)
	IDs          ports.IDs
	// KeysRequired refuses clients that have not authenticated.
	KeysRequired bool
	// Certificate returns the certificate for a TLS connection. A nil func means that there is no TLS, and
	// so no AUTH.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Deadline bounds the time that a message or a key may spend in the store.
	Deadline time.Duration
	// Limits bounds what clients can hold. The zero Limits mean Defaults.
	Limits Limits
	Log    *slog.Logger
	// LogRequests writes a line for each message and for each refused command.
	LogRequests bool
}

// Limits bounds the resources of clients.
type Limits struct {
	Connections           int           // in total
	ConnectionsPerAddress int           // from one address, or from one IPv6 /64
	Memory                int64         // bytes of all messages that are being received
	Command               time.Duration // for the next command
	Stranger              time.Duration // for a client that must authenticate, until it has
	// The text of a message must arrive at Rate bytes per second on average, after Grace.
	Grace time.Duration
	Rate  int
}

// Defaults are the limits of a server for applications. RFC 5321 §4.5.3.2.7 asks for five minutes between
// commands, and §4.5.3.2.5 for three for a block of the text.
var Defaults = Limits{
	Connections: 256, ConnectionsPerAddress: 128, Memory: 64 << 20, Command: 5 * time.Minute, Stranger: time.Minute,
	Grace: 3 * time.Minute, Rate: 10_000,
}

// writeLimit is how long an answer may take.
const writeLimit = time.Minute

// Server serves SMTP.
type Server struct {
	Options
	smtp               *smtp.Server
	tls                *tls.Config // nil without TLS
	memory             *budget
	underway           atomic.Int64 // messages being accepted
	credentialRefusals logging.Repeated

	mu       sync.Mutex
	conns    map[*conn]bool
	draining bool
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	s := &Server{
		Options: o, conns: make(map[*conn]bool),
		credentialRefusals: logging.Repeated{Log: o.Log, Level: slog.LevelWarn, Text: "credential is refused"},
	}
	s.Limits = cmp.Or(s.Limits, Defaults)
	s.memory = newBudget(s.Limits.Memory)
	if o.Certificate != nil {
		s.tls = &tls.Config{GetCertificate: o.Certificate, MinVersion: tls.VersionTLS12}
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.smtp.Domain = domain()
	s.smtp.MaxRecipients, s.smtp.MaxMessageBytes = email.MaxRecipients, email.MaxMIME
	s.smtp.MaxLineLength = 0        // a conn bounds lines
	s.smtp.AllowInsecureAuth = true // the session offers AUTH over TLS alone, which the library does not see
	s.smtp.WriteTimeout = writeLimit
	s.smtp.ErrorLog = libraryLog{o.Log}
	return s
}

// domain returns the name by which the server introduces itself.
func domain() string {
	if host, err := os.Hostname(); err == nil && strings.Contains(host, ".") {
		return host
	}
	return "localhost"
}

// Serve answers clients on a listener until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	return s.smtp.Serve(&listener{Listener: l, server: s, byClient: make(map[string]int)})
}

// Shutdown accepts no new connections and no new messages. It answers 421 to clients between two messages,
// and waits until ctx ends for those with one under way.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.end(stopping)
	}
	err := s.smtp.Shutdown(ctx)
	for _, c := range all { // those that had not ended in time
		_ = c.Close()
	}
	return err
}

// Underway returns the number of messages that are being accepted.
func (s *Server) Underway() int { return int(s.underway.Load()) }

func (s *Server) add(c *conn) (drain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	return s.draining
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// libraryLog is where the library reports a panic, which it survives, and what went wrong with a
// connection, which is its client's concern.
type libraryLog struct{ log *slog.Logger }

// Printf implements smtp.Logger.
func (l libraryLog) Printf(format string, v ...any) {
	if strings.HasPrefix(format, "panic") {
		l.log.Error("conversation by SMTP panicked", "detail", fmt.Sprintf(format, v...))
		return
	}
	l.log.Debug("conversation by SMTP ended", "detail", fmt.Sprintf(format, v...))
}

// Println implements smtp.Logger.
func (l libraryLog) Println(v ...any) { l.Printf("%s", fmt.Sprintln(v...)) }
