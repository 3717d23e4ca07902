package wire

import (
	"bufio"
	"errors"
	"io"
	"net/http/httputil"
	"os"
	"time"
)

// trailerLimit is the largest number of lines after the last chunk.
const trailerLimit = 32

// body reads the body of the current request of a Conn. Unread data stays on the
// connection, so that a client cannot make the server hold a body that no route wants.
type body struct {
	c       *Conn
	framing framing
	left    int64 // bytes to come, if not chunked
	limit   int64 // bytes in total
	count   int64 // bytes read
	chunks  io.Reader
	err     error // io.EOF once it was read to its end
}

// start is called with each head.
func (b *body) start(f framing) {
	*b = body{c: b.c, framing: f, left: f.length}
	switch {
	case f.chunked:
		b.chunks = httputil.NewChunkedReader(b.c.in)
	case f.length == 0:
		b.err = io.EOF
	}
}

// length returns the length in fasthttp's convention: -1 means chunked.
func (b *body) length() (n int, ok bool) {
	if b.framing.chunked {
		return -1, true
	}
	return int(b.framing.length), b.framing.length > 0
}

// Read reads the body. All errors but io.EOF are of type *Refusal, and reading does not
// continue after an error.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.err = b.begin(); b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if b.count += int64(n); b.count > b.limit {
		err = errBodySize
	}
	b.err = refusal(err)
	return n, b.err
}

// begin starts the clock, and sends 100 Continue to a client that waits for it.
func (b *body) begin() error {
	if !b.c.timed {
		b.c.startClock()
	}
	if !b.framing.expects {
		return nil
	}
	b.framing.expects = false
	if b.c.in.Buffered() > 0 {
		return nil // the client did not wait
	}
	if err := b.c.SetWriteDeadline(time.Now().Add(b.c.limits.Grace)); err != nil {
		return refusal(err)
	}
	_, err := io.WriteString(b.c.Conn, "HTTP/1.1 100 Continue\r\n\r\n")
	return refusal(err)
}

func (b *body) read(p []byte) (int, error) {
	if b.chunks != nil {
		n, err := b.chunks.Read(p)
		if err == io.EOF { //nolint:errorlint // a reader's io.EOF is itself
			err = b.trailers()
		}
		return n, err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.c.in.Read(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// trailers skips the trailer after the last chunk, and returns io.EOF at its end.
func (b *body) trailers() error {
	var f fields
	for range trailerLimit {
		line, err := b.c.in.ReadSlice('\n')
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if len(line) < 2 || line[len(line)-2] != '\r' {
			return errChunks
		}
		if line = line[:len(line)-2]; len(line) == 0 {
			return io.EOF
		}
		if _, refused := f.field(line); refused != nil {
			return refused
		}
	}
	return errChunks
}

// skippable reports whether the connection can serve another request: the body was read to
// its end, or skip can read the rest.
func (b *body) skippable() bool {
	if b.err != nil {
		return b.ended()
	}
	// The rest of a chunked body has an unknown length, and a body that the client holds
	// back may never come.
	return b.chunks == nil && !b.framing.expects && b.left <= b.c.limits.Unread
}

// skip reads the rest of the body. It reports whether the body was read to its end.
func (b *body) skip() bool {
	if b.err == nil && b.skippable() {
		if !b.c.timed {
			b.c.startClock()
		}
		if _, err := b.c.in.Discard(int(b.left)); err == nil {
			b.err = io.EOF
		}
	}
	return b.ended()
}

// ended reports whether the body was read to its end.
func (b *body) ended() bool { return b.err == io.EOF } //nolint:errorlint // a reader's io.EOF is itself

// refusal converts the error of reading a body to a *Refusal.
func refusal(err error) error {
	var refused *Refusal
	switch {
	case err == nil, err == io.EOF, errors.As(err, &refused): //nolint:errorlint // a reader's io.EOF is itself
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodyTime
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, bufio.ErrBufferFull):
		return errBodyEnd
	}
	return errChunks
}
