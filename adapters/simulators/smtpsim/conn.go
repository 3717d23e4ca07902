package smtpsim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
)

// conn is a connection to a client, as the mail server sees it: plain text, a command at a time. The
// mail server reads and writes it from one goroutine.
type conn struct {
	net.Conn // what the conversation goes over: raw, or TLS over it
	sim      *Sim
	raw      net.Conn
	in       *bufio.Reader
	secure   bool
	number   int

	read    []byte // of the client, for the mail server
	written []byte // an answer of the mail server that is not complete
	text    bool   // the client sends the text of a message
	reply   bool   // the client replies to a challenge of AUTH
	verb    Step   // the last command
	after   *Mishap

	// The mutex of sim guards these.
	commands []Command
	closed   bool
}

// readBuffer is how many bytes the machine keeps of what a client sends and the server does not read.
const readBuffer = 64 << 10

func newConn(s *Sim, raw net.Conn) *conn {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(readBuffer)
	}
	c := &conn{Conn: raw, sim: s, raw: raw, number: s.Connections(), verb: Greeting}
	if s.o.Security == TLS {
		c.Conn, c.secure = tls.Server(raw, s.tls), true
	}
	c.in = bufio.NewReader(c.Conn)
	if f, applies := s.take(Greeting, ""); applies {
		c.after = &f.Mishap
	}
	return c
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.sim.mu.Lock()
	c.closed = true
	c.sim.mu.Unlock()
	return c.Conn.Close()
}

// reset closes the connection with an RST, so that the client gets an error.
func (c *conn) reset() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.raw.Close()
}

// Read implements net.Conn. It gives the mail server one line at a time, and keeps from it the
// commands that it is not to see.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.read) == 0 {
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case c.text:
			c.text = string(line) != ".\r\n"
			c.read = line
		case c.reply, c.command(strings.TrimRight(string(line), "\r\n")):
			c.read = line
		}
	}
	n := copy(p, c.read)
	c.read = c.read[n:]
	return n, nil
}

// command records a command, and reports whether the mail server is to see it.
func (c *conn) command(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	c.verb = Step(strings.ToUpper(verb))
	c.sim.mu.Lock()
	c.commands = append(c.commands, Command{c.verb, line, c.secure, c.number})
	c.sim.mu.Unlock()
	if f, applies := c.sim.take(c.verb, line); applies {
		if !f.After {
			c.happen(f.Mishap, nil)
			return false
		}
		c.after = &f.Mishap
	}
	switch {
	case c.verb == StartsTLS:
		c.startTLS()
		return false
	case c.sim.o.Security == StartTLS && !c.secure && slices.Contains([]Step{Auth, Mail}, c.verb):
		c.say("530 5.7.0 Must issue a STARTTLS command first\r\n")
		return false
	}
	return true
}

// startTLS does what the command STARTTLS asks for. The client then begins with EHLO again.
func (c *conn) startTLS() {
	if !c.offersTLS() {
		c.say("502 5.5.1 TLS not supported\r\n")
		return
	}
	c.say("220 2.0.0 Ready to start TLS\r\n")
	secure := tls.Server(c.raw, c.sim.tls)
	ctx, cancel := context.WithTimeout(c.sim.t.Context(), handshakeLimit)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.raw.Close() // the next read ends the conversation
		return
	}
	c.Conn, c.in, c.secure = secure, bufio.NewReader(secure), true
}

func (c *conn) offersTLS() bool {
	return c.sim.o.Security == StartTLS && !c.secure && !slices.Contains(c.sim.o.Without, string(StartsTLS))
}

// Write implements net.Conn. It sends an answer of the mail server once it is complete.
func (c *conn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	if !complete(c.written) {
		return len(p), nil
	}
	answer := c.written
	c.written = nil
	if c.verb == Ehlo {
		answer = c.extensions(answer)
	}
	c.text, c.reply = bytes.HasPrefix(answer, []byte("354")), bytes.HasPrefix(answer, []byte("334"))
	if mishap := c.after; mishap != nil {
		c.after = nil
		c.happen(*mishap, answer)
		return len(p), nil
	}
	c.say(string(answer))
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

// extensions changes an answer to EHLO into one with the extensions that the options offer.
func (c *conn) extensions(answer []byte) []byte {
	hidden := slices.Clone(c.sim.o.Without)
	if c.sim.o.Security == StartTLS && !c.secure {
		hidden = append(hidden, string(Auth))
	}
	lines := strings.Split(strings.TrimSuffix(string(answer), "\r\n"), "\r\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		keyword, _, _ := strings.Cut(line[4:], " ")
		return slices.Contains(hidden, keyword)
	})
	if c.offersTLS() {
		lines = append(lines, "250-"+string(StartsTLS))
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

// happen lets a mishap happen. answer is what the mail server says, nil if it was not asked.
func (c *conn) happen(m Mishap, answer []byte) {
	c.sim.mu.Lock()
	healed := c.sim.healed
	c.sim.mu.Unlock()
	if m.hold != nil {
		select {
		case <-m.hold:
		case <-healed:
		}
	}
	if m.honest {
		c.say(string(answer))
	} else {
		c.text, c.reply = false, false
		c.say(m.say)
	}
	switch m.end {
	case stay:
	case hangs:
		<-healed
		_ = c.raw.Close()
	case closes:
		_ = c.raw.Close()
	case resets:
		c.reset()
	}
}

// say writes to the client, which may have gone.
func (c *conn) say(text string) {
	if text != "" {
		_, _ = c.Conn.Write([]byte(text))
	}
}
