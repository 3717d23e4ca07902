package mailtest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"patchbay/core/email"
	"patchbay/tests/contract/mailtest"
)

// badRecipient is the address that the server refuses.
const badRecipient = "nobody@example.com"

// smtpServer is an SMTP server that remembers what it has accepted, and fails on demand.
type smtpServer struct {
	listener net.Listener
	password string
	done     chan struct{} // closed at the end of the test

	mu       sync.Mutex
	next     mailtest.Fault
	sessions int
	mail     []accepted
}

type accepted struct {
	to  []string
	raw []byte
}

func startSMTP(t *testing.T) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{listener: l, password: "smtp-" + rand.Text(), done: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		close(s.done)
		_ = l.Close()
		all.Wait()
	})
	return s
}

func (s *smtpServer) address() string { return s.listener.Addr().String() }

func (s *smtpServer) fail(_ *testing.T, f mailtest.Fault, m *email.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = f
	if f == mailtest.Rejected {
		m.To[0].Email, s.next = badRecipient, mailtest.None
	}
}

func (s *smtpServer) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

func (s *smtpServer) delivered() (all [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mail {
		all = append(all, m.raw)
	}
	return all
}

func (s *smtpServer) kept() (all []mailtest.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mail {
		all = append(all, mailtest.Kept{To: slices.Clone(m.to)})
	}
	return all
}

// begin counts a session and returns the fault that it is to end in.
func (s *smtpServer) begin() mailtest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.next
	s.next = mailtest.None
	if f != mailtest.Refused {
		s.sessions++
	}
	return f
}

func (s *smtpServer) accept(to []string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = append(s.mail, accepted{to, raw})
}

// serve talks to one client until the session ends or its fault ends it.
func (s *smtpServer) serve(conn net.Conn) {
	defer conn.Close()
	fault := s.begin()
	if fault == mailtest.Refused {
		return
	}
	text := textproto.NewConn(conn)
	say := func(line string) { _ = text.PrintfLine("%s", line) } // a client that has gone needs no answer
	say("220 test")
	var to []string
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch {
		case verb == "EHLO":
			say("250-test\r\n250 AUTH PLAIN")
		case verb == "AUTH" && (fault == mailtest.Unauthorized || !s.knows(rest)):
			say("535 5.7.8 the credentials are refused")
		case verb == "AUTH":
			say("235 2.7.0 go on")
		case verb == "MAIL" && fault == mailtest.SenderRefused:
			say("550 5.7.1 the sender is refused")
		case verb == "MAIL" && fault == mailtest.RateLimited:
			say("450 4.7.1 too many messages")
		case verb == "MAIL" && fault == mailtest.Unavailable:
			say("421 4.3.2 not at present")
		case verb == "RCPT" && fault == mailtest.ClosedAtRcpt:
			return
		case verb == "RCPT" && (strings.Contains(rest, badRecipient) || fault == mailtest.OneRefused && len(to) == 1):
			say("550 5.1.1 no such user: " + rest)
		case verb == "RCPT":
			to = append(to, strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>"))
			say("250 2.1.5 go on")
		case verb == "DATA":
			say("354 go on")
			raw, err := io.ReadAll(text.DotReader())
			if err != nil || !s.take(conn, fault, to, raw, say) {
				return
			}
		default: // MAIL, QUIT
			say("250 2.0.0 go on")
		}
	}
}

// knows reports whether the argument of AUTH has the server's password.
func (s *smtpServer) knows(argument string) bool {
	given, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(argument, "PLAIN "))
	return err == nil && bytes.HasSuffix(given, []byte("\x00"+s.password))
}

// take accepts a message that was sent in full, as far as its fault lets it, and answers. It
// reports whether the session goes on.
func (s *smtpServer) take(conn net.Conn, fault mailtest.Fault, to []string, raw []byte, say func(string)) bool {
	switch fault {
	case mailtest.ResetBefore, mailtest.HangsForever, mailtest.ServerError:
	default:
		s.accept(to, raw)
	}
	switch fault {
	case mailtest.ResetBefore, mailtest.ResetAfter:
		_ = conn.(*net.TCPConn).SetLinger(0)
		return false
	case mailtest.HangsForever, mailtest.HangsAfter:
		<-s.done
		return false
	case mailtest.ServerError:
		say("599 what")
	case mailtest.Malformed:
		say("?")
	case mailtest.EndsAfter:
		say("250 2.0.0 accepted")
		return false
	default:
		say("250 2.0.0 accepted")
	}
	return true
}
