package smtpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/core/guard"
)

const (
	// maxCommand is the longest line of a command or of a reply to a challenge, with CR LF. RFC 5321
	// §4.5.3.1.4 asks for 512 and what extensions add.
	maxCommand = 2048
	// maxLine is the longest line of a message, with CR LF (RFC 5321 §4.5.3.1.6).
	maxLine = 1000
	// maxText is how many bytes of a message that is too large are read, so that its client can read why
	// it is refused.
	maxText        = 128 << 20
	handshakeLimit = 30 * time.Second
	// A refused client that still sends is read for this long and this much, so that it gets the answer.
	linger, lingerBytes = 2 * time.Second, 4 << 20
)

// mode is what the next line of a client is.
type mode int

const (
	command mode = iota
	reply        // to a challenge of AUTH
	text         // of a message
)

// conn is a connection as the library sees it: one line at a time, in plain text, each with CR LF at its
// end. It does what the library does not: it ends TLS, bounds lines and times, refuses lines whose end
// another server might see elsewhere (RFC 5321 §2.3.8), and ends a conversation while the server drains.
//
// The library reads and writes it from one goroutine.
type conn struct {
	net.Conn // what the conversation goes over: raw, or TLS over it
	raw      net.Conn
	server   *Server
	in       *bufio.Reader
	secure   bool
	greeted  bool        // by EHLO or HELO, on this layer
	known    atomic.Bool // the client has authenticated, or need not
	began    time.Time
	closing  sync.Once
	onClose  func()

	read    []byte // of the client, for the library
	written []byte // an answer of the library that is not complete
	mode    mode
	verb    string   // the last command
	refused bool     // nothing is read or written any more
	why     *refusal // of a line that ended the conversation; nil if none did

	// Of the message whose text is being read.
	received int64
	since    time.Time
	within   bool // a transaction: from MAIL to the answer to DATA

	mu      sync.Mutex
	waiting bool   // for a command outside of a transaction
	last    string // what is said in place of reading another command; empty until the conversation is to end
}

func newConn(s *Server, raw net.Conn, onClose func()) *conn {
	c := &conn{Conn: raw, raw: raw, server: s, onClose: onClose, in: bufio.NewReaderSize(raw, maxCommand), began: time.Now()}
	c.known.Store(!s.KeysRequired)
	if s.add(c) {
		c.end(stopping)
	}
	return c
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.server.remove(c)
		c.onClose()
	})
	return c.raw.Close()
}

// SetReadDeadline implements net.Conn. The library's deadlines do not count: see await.
func (c *conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// Read implements net.Conn. The library does not survive a panic here.
func (c *conn) Read(p []byte) (n int, err error) {
	if perr := guard.Do(func() error { n, err = c.readLine(p); return nil }); perr != nil {
		c.server.Log.Error("conversation by SMTP panicked", "error", perr)
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *conn) readLine(p []byte) (int, error) {
	for len(c.read) == 0 {
		if c.refused {
			return 0, io.EOF
		}
		line, err := c.next()
		if err != nil {
			return 0, err
		}
		switch c.mode {
		case command:
			c.command(line)
		case reply:
			c.read = line
		case text:
			c.read, c.received = line, c.received+int64(len(line))
			if string(line) == ".\r\n" {
				c.mode = command
			}
		}
	}
	n := copy(p, c.read)
	c.read = c.read[n:]
	return n, nil
}

var errLine = errors.New("smtpapi: not a line of SMTP")

// next reads a line. If it is none, it refuses the client and returns an error.
func (c *conn) next() ([]byte, error) {
	if last := c.await(); last != "" {
		return nil, c.refuse(last)
	}
	most, early := maxCommand, ""
	if c.mode == text {
		most = maxLine
	}
	line, err := c.in.ReadSlice('\n')
	c.mu.Lock()
	if c.waiting {
		early = c.last
	}
	c.waiting = false
	c.mu.Unlock()
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case early != "":
		return nil, c.refuse(early)
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > most:
		return nil, c.refuseLine(errLineTooLong)
	case isNet && timeout.Timeout():
		return nil, c.refuseLine(errTooSlow)
	case err != nil:
		return nil, err
	case c.mode == text && c.received > maxText:
		return nil, c.refuseLine(errTextTooLarge)
	}
	body, whole := bytes.CutSuffix(line, []byte("\r\n"))
	if !whole || bytes.IndexByte(body, '\r') >= 0 {
		return nil, c.refuseLine(errLineEnd)
	}
	return line, nil
}

// await sets the time by which the next line must be there. It returns what is said instead if the
// conversation is to end, and nothing of the client is under way.
func (c *conn) await() (last string) {
	l := c.server.Limits
	until := time.Now().Add(l.Command)
	switch {
	case c.mode == text:
		until = c.since.Add(l.Grace + time.Duration(c.received/int64(l.Rate))*time.Second)
	case !c.known.Load():
		until = c.began.Add(l.Stranger)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = c.mode == command && !c.within
	if c.waiting && c.last != "" {
		return c.last
	}
	_ = c.raw.SetReadDeadline(until)
	return ""
}

// What is said to clients with which a conversation ends.
const (
	stopping  = "421 4.3.2 the gateway is shutting down; try again"
	wrongKeys = "421 4.7.0 too many wrong keys"
)

// end ends the conversation with these words once nothing is under way.
func (c *conn) end(words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = words
	if c.waiting {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// foreign are commands of HTTP, by which a page in a browser could speak to a server on its machine.
var foreign = []string{"GET", "POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}

// command passes a command to the library, or does it here.
func (c *conn) command(line []byte) {
	c.verb, _, _ = strings.Cut(strings.ToUpper(strings.TrimSpace(string(line))), " ")
	switch {
	case slices.Contains(foreign, c.verb):
		_ = c.refuse("500 5.5.1 this is SMTP")
	case c.verb == "BDAT": // it is not offered, and what follows is no command
		_ = c.refuse("502 5.5.1 BDAT is not offered")
	case c.verb == "STARTTLS":
		c.startTLS()
	case !c.greeted && slices.Contains([]string{"AUTH", "MAIL", "RCPT", "DATA"}, c.verb):
		c.say("503 5.5.1 send EHLO first")
	default:
		c.greeted = c.greeted || c.verb == "EHLO" || c.verb == "HELO"
		c.within = c.within || c.verb == "MAIL"
		c.read = line
	}
}

// startTLS does what STARTTLS asks for (RFC 3207). The client then begins anew with EHLO, at which the
// library forgets what it knew.
func (c *conn) startTLS() {
	switch {
	case !c.offersTLS():
		c.say("502 5.5.1 STARTTLS is not offered")
		return
	case c.in.Buffered() > 0: // whoever sent it may not be the client
		_ = c.refuse("501 5.5.2 nothing may be sent behind STARTTLS before its answer")
		return
	}
	c.say("220 2.0.0 ready for TLS")
	secure := tls.Server(c.raw, c.server.tls)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		c.refused = true
		_ = c.raw.Close()
		return
	}
	c.Conn, c.in, c.secure, c.greeted, c.within = secure, bufio.NewReaderSize(secure, maxCommand), true, false, false
}

func (c *conn) offersTLS() bool { return c.server.tls != nil && !c.secure }

// Write implements net.Conn. It sends an answer of the library once it is complete.
func (c *conn) Write(p []byte) (int, error) {
	if c.refused {
		return len(p), nil // the client has its answer
	}
	c.written = append(c.written, p...)
	if !complete(c.written) {
		return len(p), nil
	}
	answer := c.written
	c.written = nil
	switch {
	case c.verb == "EHLO" && bytes.HasPrefix(answer, []byte("250")):
		answer = c.extensions(answer)
		c.within = false
	case c.verb == "HELO", c.verb == "RSET", c.verb == "DATA" && c.mode == command, c.verb == "MAIL" && answer[0] != '2':
		c.within = false
	}
	c.mode = command
	switch {
	case bytes.HasPrefix(answer, []byte("334")):
		c.mode = reply
	case bytes.HasPrefix(answer, []byte("354")):
		c.mode, c.within, c.received, c.since = text, true, 0, time.Now()
	}
	if _, err := c.Conn.Write(answer); err != nil {
		return 0, err
	}
	return len(p), nil
}

// complete reports whether an answer has its last line: that with a space behind the code.
func complete(answer []byte) bool {
	lines := bytes.SplitAfter(answer, []byte("\r\n"))
	if len(lines) < 2 || len(lines[len(lines)-1]) > 0 {
		return false
	}
	last := lines[len(lines)-2]
	return len(last) > 3 && last[3] == ' '
}

// extensions returns an answer to EHLO without CHUNKING, whose chunks the library takes for whole if the
// connection ends within one, and with STARTTLS where it is offered.
func (c *conn) extensions(answer []byte) []byte {
	lines := strings.Split(strings.TrimSuffix(string(answer), "\r\n"), "\r\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line[4:] == "CHUNKING" })
	if c.offersTLS() {
		lines = append(lines, "250 STARTTLS")
	}
	for i, line := range lines {
		between := "-"
		if i == len(lines)-1 {
			between = " "
		}
		lines[i] = line[:3] + between + line[4:] + "\r\n"
	}
	return []byte(strings.Join(lines, ""))
}

func (c *conn) say(answer string) {
	_ = c.raw.SetWriteDeadline(time.Now().Add(writeLimit))
	_, _ = io.WriteString(c.Conn, answer+"\r\n")
}

// refuseLine is refuse for a line, or the lack of one. In the text of a message the library reports it as an
// error of reading, and the log has what was answered from here.
func (c *conn) refuseLine(why *refusal) error {
	c.why = why
	return c.refuse(why.line())
}

// refuse answers, and ends the conversation. It reads what the client still sends, since otherwise the
// client's system would discard the answer.
func (c *conn) refuse(answer string) error {
	c.refused = true
	c.say(answer)
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && !c.secure {
		_ = half.CloseWrite()
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, c.raw, lingerBytes)
	return errLine
}
