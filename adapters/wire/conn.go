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
// All its methods but Close, and those that write, are for the goroutine that serves it.
type Conn struct {
	net.Conn
	limits Limits
	idle   func() time.Duration // how long it may wait for a request
	freed  func()               // called once, when the connection is closed for good

	in      *bufio.Reader // reads through source
	head    []byte        // what fasthttp has still to read of the head
	room    []byte        // where heads are written
	body    body
	refusal *Refusal // why the request is refused
	phase   phase
	first   bool // no request was read before
	last    bool // no request is read after

	waits time.Time // until when an idle connection is kept; zero where another bound was set since

	timed    bool // the body's time runs
	begun    time.Time
	received int64
	until    time.Time // a bound beside the body's rate, or zero

	// lingers is true from an answer that may not be the last of what the
	// client sends until the next request, or the end. Whoever makes it false
	// may read on: the serving goroutine, or the one that closes.
	lingers atomic.Bool
	sending bool // lingers was set for this request
	closed  atomic.Bool
}

// phase is how far a request is.
type phase int

const (
	between phase = iota // no request is under way
	handed               // a head was handed out
	served               // the handler knows it
)

// refusedHead is handed to fasthttp in place of a head that is refused: it
// answers nothing but requests. Its method says in logs that there is none.
const refusedHead = "- / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n"

func newConn(c net.Conn, limits Limits) *Conn {
	w := &Conn{Conn: c, limits: limits, first: true, freed: func() {}}
	w.idle = func() time.Duration { return limits.Idle }
	w.in = bufio.NewReaderSize((*source)(w), limits.Head)
	w.body.c = w
	w.body.err = io.EOF
	return w
}

// Read hands out the next head, never more than one, and never before the
// request ahead of it is done with.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		// Asked for more while it has a whole head, fasthttp has not understood
		// where that ends.
		if c.phase == handed || c.last {
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

// serve is called by the handler, once a request, with how many bytes a body
// may have.
func (c *Conn) serve(limit int) bool {
	if c.phase != handed || len(c.head) > 0 {
		return false
	}
	c.phase = served
	c.body.limit = int64(limit)
	if c.refusal == nil && c.body.left > c.body.limit {
		c.refusal = errBodySize
	}
	return true
}

// answered is called by the handler when it is done. It reports whether there
// may be another request.
func (c *Conn) answered() bool {
	c.last = c.refusal != nil || !c.body.skippable()
	c.sending = c.last || !c.body.ended()
	if c.sending {
		c.lingers.Store(true)
	}
	return !c.last
}

// next reads a head. It fails only where nobody waits for an answer.
func (c *Conn) next() error {
	c.phase, c.timed, c.sending = between, false, false
	if c.refusal == nil { // a listener may have refused the connection
		raw, err := c.readHead()
		if err != nil {
			return err
		}
		if c.refusal == nil {
			var f framing
			f, c.room, c.refusal = parseHead(raw, c.room[:0])
			_, _ = c.in.Discard(len(raw)) // it is buffered
			c.body.start(f)
		}
	}
	c.head = c.room
	if c.refusal != nil {
		c.head = []byte(refusedHead)
	}
	c.phase, c.first = handed, false
	return nil
}

// readHead returns a whole head, which is valid until the next read, or sets
// c.refusal.
func (c *Conn) readHead() ([]byte, error) {
	for empty := false; ; empty = true {
		if c.in.Buffered() == 0 {
			if err := c.await(); err != nil {
				return nil, err
			}
			if _, err := c.in.Peek(1); err != nil {
				return nil, io.EOF // whoever says nothing gets no answer
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

// coarse is by how much a bound of many seconds may be less: each time that a deadline is
// set takes longer than all else that is done to read a head.
const coarse = time.Second

// await bounds how long a request is waited for.
func (c *Conn) await() error {
	if c.first {
		return c.SetReadDeadline(time.Now().Add(c.limits.HeadTime))
	}
	idle := c.idle()
	until := time.Now().Add(idle)
	if sooner := until.Sub(c.waits); idle > 10*coarse && sooner >= 0 && sooner < coarse {
		return nil
	}
	err := c.SetReadDeadline(until)
	c.waits = until
	return err
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.waits = time.Time{}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.waits = time.Time{}
	return c.Conn.SetDeadline(t)
}

// collectHead reads until the empty line. A line that ends without CR is
// refused as soon as it is seen: its sender may wait for an answer.
func (c *Conn) collectHead() ([]byte, error) {
	checked := 0 // where the line begins that is not complete
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
		case !timed: // of a new connection, the time of the head runs already
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

// startClock starts the time of a body.
func (c *Conn) startClock() {
	c.timed, c.begun, c.received = true, time.Now(), 0
}

// source is what a Conn reads from.
type source Conn

// Read reads from the connection. While it reads a body, what has arrived so
// far says how long the rest may take.
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

// Close closes the connection; where the client may still be sending, after
// having read from it for a while, which Close does not wait for.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if c.lingers.CompareAndSwap(true, false) {
		go func() {
			_ = guard.Do(func() error { c.linger(); return nil }) // nobody waits for it
		}()
		return nil
	}
	defer c.freed()
	return c.Conn.Close()
}

func (c *Conn) linger() {
	defer c.freed()
	defer c.Conn.Close() //nolint:errcheck // nobody waits for it
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
