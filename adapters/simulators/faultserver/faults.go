package faultserver

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
)

// Fault is a failure of a request.
type Fault struct {
	Name     string                                  // by which it was asked for, empty for most
	Match    func(r *http.Request, body []byte) bool // nil: any request
	After    bool                                    // the handler executes the request and its response is lost; otherwise it never sees the request
	Mishap   Mishap                                  // what happens to the connection or the response
	Standing bool                                    // applies to every matching request until Heal, not only to the next
}

// Mishap ends an exchange in its way.
type Mishap func(e exchange)

// exchange is a request to which a fault applies.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	answer *recorder // nil if the handler was not called
	healed <-chan struct{}
	refuse func()
}

// recorder is a http.ResponseWriter that keeps the response.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// Reset resets the connection, as a crashed server does.
func Reset() Mishap {
	return func(e exchange) {
		if conn := e.hijack(); conn != nil {
			reset(conn)
		}
	}
}

// Close ends the connection without a response.
func Close() Mishap { return func(exchange) { panic(http.ErrAbortHandler) } }

// Handled has another handler answer the request.
func Handled(h http.Handler) Mishap { return func(e exchange) { h.ServeHTTP(e.w, e.r) } }

// Garbled sends a response that cannot be read, and ends the connection.
func Garbled() Mishap {
	return func(e exchange) {
		if conn := e.hijack(); conn != nil {
			_, _ = conn.Write([]byte("HTTP/1.1 2"))
			_ = conn.Close()
		}
	}
}

// Crash resets the connection and refuses all others until Resume.
func Crash() Mishap { return func(e exchange) { e.refuse() } }

// Hang sends nothing until the client leaves or Heal is called; then it aborts the connection.
func Hang() Mishap {
	return func(e exchange) {
		select {
		case <-e.r.Context().Done():
		case <-e.healed:
		}
		panic(http.ErrAbortHandler)
	}
}

// Answer sends this response.
func Answer(status int, header map[string]string, body string) Mishap {
	return func(e exchange) {
		for name, value := range header {
			e.w.Header().Set(name, value)
		}
		e.w.WriteHeader(status)
		_, _ = e.w.Write([]byte(body)) // the client may have gone
	}
}

// EachTime returns a fault that is made for each request, as one that names the time is.
func EachTime(made func() Mishap) Mishap {
	return func(e exchange) { made()(e) }
}

// Page sends an HTML page with this status, as a proxy between client and server may.
func Page(status int) Mishap {
	page := fmt.Sprintf("<html><head><title>%[1]d %[2]s</title></head><body><h1>%[2]s</h1></body></html>", status, http.StatusText(status))
	return Answer(status, map[string]string{"Content-Type": "text/html"}, page)
}

// Truncate sends half of the handler's response and then ends the connection. It needs a Fault with
// After.
func Truncate() Mishap {
	return func(e exchange) {
		conn := e.hijack()
		if conn == nil {
			return
		}
		body := e.answer.body.Bytes()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			e.answer.status, http.StatusText(e.answer.status), e.answer.Header().Get("Content-Type"), len(body), body[:len(body)/2])
		_ = conn.Close()
	}
}

// Unsolicited sends the handler's response, followed by a second response with this body that no
// request asked for. It needs a Fault with After.
func Unsolicited(body string) Mishap {
	return func(e exchange) {
		conn := e.hijack()
		if conn == nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", e.answer.status, http.StatusText(e.answer.status), e.answer.body.Len())
		_ = e.answer.Header().Write(conn)
		_, _ = fmt.Fprintf(conn, "\r\n%s", e.answer.body.Bytes())
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		_ = conn.Close()
	}
}

// hijack takes the connection from the server. It returns nil if the connection is gone already.
func (e exchange) hijack() net.Conn {
	conn, _, err := e.w.(http.Hijacker).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// reset closes a connection with an RST, so that the peer gets an error.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
