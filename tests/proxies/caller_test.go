//go:build interop

package proxies

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"patchbay/tests/gateway"
)

// caller is a client with a persistent connection.
type caller struct {
	address string
	from    string // an address of this machine to connect from; any by default
	conn    net.Conn
	in      *bufio.Reader
}

// errNoAnswer means that a connection ended before an answer.
var errNoAnswer = errors.New("no answer")

func (c *caller) connect() error {
	if c.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: patience}
	if c.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	conn, err := d.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	return nil
}

func (c *caller) close() {
	if c.conn != nil {
		_ = c.conn.Close() // the proxy may have
		c.conn = nil
	}
}

// exchange sends text as it is, and reads the answers to requests with these methods. It reads while
// it sends, because an answer may come at any time.
func (c *caller) exchange(text string, methods ...string) (all []gateway.Answer, err error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	sent, conn := make(chan struct{}), c.conn
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, text) // the proxy may answer and close before it has read everything
	}()
	closes := false
	for _, method := range methods {
		a, last, err := c.read(method)
		if err != nil {
			c.close()
			<-sent
			return all, fmt.Errorf("%w to %.60q: %w", errNoAnswer, text, err)
		}
		if all = append(all, a); last {
			closes = true
			break
		}
	}
	if closes {
		c.close()
	}
	<-sent
	return all, nil
}

func (c *caller) read(method string) (a gateway.Answer, last bool, err error) {
	for {
		resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
		if err != nil {
			return gateway.Answer{}, true, err
		}
		a = gateway.Answer{Status: resp.StatusCode, Header: resp.Header}
		if a.Body, err = io.ReadAll(resp.Body); err != nil {
			return gateway.Answer{}, true, err
		}
		if a.Status != http.StatusContinue {
			_ = json.Unmarshal(a.Body, &a.JSON) // it need not be an object
			return a, resp.Close, nil
		}
	}
}

// request writes a request with these header lines. A body is sent with its length, or in chunks if a
// line says so.
func request(method, path, id, body string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: api.example\r\nX-Request-Id: %s\r\n", method, path, id)
	chunked := false
	for _, line := range lines {
		b.WriteString(line + "\r\n")
		chunked = chunked || line == inChunks
	}
	switch {
	case chunked:
		b.WriteString("\r\n")
		for len(body) > 0 {
			n := min(len(body), 5000)
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		b.WriteString("0\r\n\r\n")
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b.WriteString("\r\n")
	}
	return b.String()
}

const (
	inChunks = "Transfer-Encoding: chunked"
	asJSON   = "Content-Type: application/json"
)
