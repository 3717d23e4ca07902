package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"time"

	"patchbay/core/guard"
)

// Conn is a connection that hands out one checked request head at a time.
//
// All methods except Close and the writing ones are for the goroutine that serves the
// connection.
type Conn struct {
	net.Conn
	limits  Limits
	idle    func() time.Duration // how long it may wait for a request
	onClose func()               // called when the connection is closed completely

	in      *bufio.Reader // reads through source
	head    []byte        // the part of the head that fasthttp has not read yet
	buffer  []byte        // of heads
	body    body
	refusal *Refusal // why the request is refused
	phase   phase
	first   bool // no request was read before
	last    bool // no request is read after this one

	idleDeadline time.Time // read deadline of an idle connection; zero if another deadline was set since

	timed    bool // the clock of the body is running
	begun    time.Time
	received int64
	until    time.Time // a bound in addition to the body's rate, or zero

	// lingers is set when an answer is sent while the client may still be sending, until
	// the next request or the end. The goroutine that sets it to false may read on: the
	// serving goroutine, or the closing one.
	lingers atomic.Bool
	sending bool // lingers was set for this request
	closed  atomic.Bool
}

// phase is the state of a request.
type phase int

const (
	between  phase = iota // no request is in progress
	headRead              // a head was handed out
	serving               // the handler has received it
)

// refusedHead is handed to fasthttp in place of a refused head, because fasthttp answers
// only requests. Its method "-" shows in logs that there was no request.
const refusedHead = "- / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n"

func newConn(c net.Conn, limits Limits) *Conn {
	w := &Conn{Conn: c, limits: limits, first: true, onClose: func() {}}
	w.idle = func() time.Duration { return limits.Idle }
	w.in = bufio.NewReaderSize((*source)(w), limits.Head)
	w.body.c = w
	w.body.err = io.EOF
	return w
}

// Read hands out the next head: never more than one, and never before the previous request
// is complete.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		// If fasthttp asks for more although it has a complete head, it has not recognised
		// the end of the head.
		if c.phase == headRead || c.last {
			return 0, io.EOF
		}
		if c.sending && !c.lingers.CompareAndSwap(true, false) || !c.body.skip() {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// serve is called by the handler, once per request, with the largest number of bytes in a
// body.
func (c *Conn) serve(limit int) bool {
	if c.phase != headRead || len(c.head) > 0 {
		return false
	}
	c.phase = serving
	c.body.limit = int64(limit)
	if c.refusal == nil && c.body.left > c.body.limit {
		c.refusal = errBodySize
	}
	return true
}

// answered is called by the handler when it is done. It reports whether another request may
// follow.
func (c *Conn) answered() bool {
	c.last = c.refusal != nil || !c.body.skippable()
	c.sending = c.last || !c.body.ended()
	if c.sending {
		c.lingers.Store(true)
	}
	return !c.last
}

// next reads a head. It fails only if no client waits for an answer.
func (c *Conn) next() error {
	c.phase, c.timed, c.sending = between, false, false
	if c.refusal == nil { // a listener may have refused the connection
		raw, err := c.readHead()
		if err != nil {
			return err
		}
		if c.refusal == nil {
			var f framing
			f, c.buffer, c.refusal = parseHead(raw, c.buffer[:0])
			_, _ = c.in.Discard(len(raw)) // it is buffered
			c.body.start(f)
		}
	}
	c.head = c.buffer
	if c.refusal != nil {
		c.head = []byte(refusedHead)
	}
	c.phase, c.first = headRead, false
	return nil
}

// readHead returns a complete head, which is valid until the next read, or sets c.refusal.
func (c *Conn) readHead() ([]byte, error) {
	for empty := false; ; empty = true {
		if c.in.Buffered() == 0 {
			if err := c.await(); err != nil {
				return nil, err
			}
			if _, err := c.in.Peek(1); err != nil {
				return nil, io.EOF // a client that sends nothing gets no answer
			}
		}
		head, err := c.collectHead()
		// Some clients send an empty line after a body.
		if err != nil || c.refusal != nil || len(head) > len(crlf) {
			return head, err
		}
		if empty {
			c.refusal = badRequest("there is no request line")
			return nil, nil
		}
		_, _ = c.in.Discard(len(head)) // it is buffered
	}
}

// deadlineSlack is how much earlier a deadline of many seconds may be: setting a deadline takes
// longer than everything else when a head is read.
const deadlineSlack = time.Second

// await sets a deadline for the next request to begin.
func (c *Conn) await() error {
	if c.first {
		return c.SetReadDeadline(time.Now().Add(c.limits.HeadTime))
	}
	idle := c.idle()
	until := time.Now().Add(idle)
	if sooner := until.Sub(c.idleDeadline); idle > 10*deadlineSlack && sooner >= 0 && sooner < deadlineSlack {
		return nil
	}
	err := c.SetReadDeadline(until)
	c.idleDeadline = until
	return err
}

// SetReadDeadline implements net.Conn. With the timeouts that Wrap sets, fasthttp calls
// neither it nor SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.idleDeadline = time.Time{}
	return c.Conn.SetReadDeadline(t)
}

// collectHead reads up to the empty line. It refuses a line that ends without CR at once,
// because the client may wait for an answer.
func (c *Conn) collectHead() ([]byte, error) {
	checked := 0 // start of the line that is not complete
	timed := c.first
	for {
		buffered, _ := c.in.Peek(c.in.Buffered())
		for {
			i := bytes.IndexByte(buffered[checked:], '\n')
			if i < 0 {
				break
			}
			if i == 0 || buffered[checked+i-1] != '\r' {
				c.refusal = badRequest("a line does not end in CR LF")
				return nil, nil
			}
			if checked += i + 1; i == 1 {
				return buffered[:checked], nil
			}
		}
		switch {
		case !tokens[buffered[0]] && buffered[0] != '\r':
			c.refusal = badRequest("this is not HTTP")
			return nil, nil
		case len(buffered) == c.limits.Head:
			c.refusal = errHeadSize
			return nil, nil
		case !timed: // on a new connection, the head's time is already running
			timed = true
			if err := c.SetReadDeadline(time.Now().Add(c.limits.HeadTime)); err != nil {
				return nil, err
			}
		}
		if _, err := c.in.Peek(len(buffered) + 1); err != nil {
			c.refusal = errHeadTime
			if err == io.EOF {
				c.refusal = badRequest("the header fields ended before they were whole")
			}
			return nil, nil
		}
	}
}

// startClock starts the clock of a body.
func (c *Conn) startClock() {
	c.timed, c.begun, c.received = true, time.Now(), 0
}

// source is the reader that a Conn buffers.
type source Conn

// Read reads from the connection. During a body, the deadline depends on the number of
// bytes received so far.
func (s *source) Read(p []byte) (int, error) {
	if s.timed {
		earned := time.Duration(s.received) * time.Second / time.Duration(s.limits.Rate)
		deadline := s.begun.Add(s.limits.Grace + earned)
		if !s.until.IsZero() && deadline.After(s.until) {
			deadline = s.until
		}
		if err := (*Conn)(s).SetReadDeadline(deadline); err != nil {
			return 0, err
		}
	}
	n, err := s.Conn.Read(p)
	s.received += int64(n)
	return n, err
}

// Close closes the connection. If the client may still be sending, the connection is first
// read for a while in another goroutine, which Close does not wait for.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if c.lingers.CompareAndSwap(true, false) {
		go func() {
			_ = guard.Do(func() error { c.linger(); return nil }) // there is no caller to report to
		}()
		return nil
	}
	defer c.onClose()
	return c.Conn.Close()
}

func (c *Conn) linger() {
	defer c.onClose()
	defer c.Conn.Close() //nolint:errcheck // there is no caller to report to
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if !c.timed {
		c.startClock()
	}
	c.until = time.Now().Add(c.limits.Linger)
	_, _ = io.Copy(io.Discard, io.LimitReader((*source)(c), c.limits.LingerBytes)) // it ends in any case
}
