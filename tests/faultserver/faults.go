package faultserver

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
)

// Fault is what befalls a request.
type Fault struct {
	Match    func(r *http.Request, body []byte) bool // nil: any request
	After    bool                                    // the handler does its work, and its answer is lost; else it never sees the request
	Mishap   Mishap                                  // what the client gets instead
	Standing bool                                    // befalls every request until Heal, not only the next
}

// Mishap ends an exchange in its own way.
type Mishap func(e exchange)

// exchange is a request that a fault has befallen.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	answer *httptest.ResponseRecorder // nil where the handler was not asked
	healed <-chan struct{}
	refuse func()
}

// Reset ends the connection as a crashed server does.
func Reset() Mishap {
	return func(e exchange) {
		if conn := e.hijack(); conn != nil {
			reset(conn)
		}
	}
}

// Crash ends the connection as Reset does, and refuses all others until Resume.
func Crash() Mishap { return func(e exchange) { e.refuse() } }

// Hang says nothing until the client leaves, or Heal; then the connection ends.
func Hang() Mishap {
	return func(e exchange) {
		select {
		case <-e.r.Context().Done():
		case <-e.healed:
		}
		panic(http.ErrAbortHandler)
	}
}

// Answer gives this answer.
func Answer(status int, header map[string]string, body string) Mishap {
	return func(e exchange) {
		for name, value := range header {
			e.w.Header().Set(name, value)
		}
		e.w.WriteHeader(status)
		_, _ = e.w.Write([]byte(body)) // the client may have left
	}
}

// Page gives what stands between a client and a server may answer: a page with
// this status.
func Page(status int) Mishap {
	page := fmt.Sprintf("<html><head><title>%[1]d %[2]s</title></head><body><h1>%[2]s</h1></body></html>", status, http.StatusText(status))
	return Answer(status, map[string]string{"Content-Type": "text/html"}, page)
}

// Truncate gives half of the handler's answer, and then ends the connection. It
// is for faults After.
func Truncate() Mishap {
	return func(e exchange) {
		conn := e.hijack()
		if conn == nil {
			return
		}
		body := e.answer.Body.Bytes()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			e.answer.Code, http.StatusText(e.answer.Code), e.answer.Header().Get("Content-Type"), len(body), body[:len(body)/2])
		_ = conn.Close()
	}
}

// Unsolicited gives the handler's answer, and then another that nobody has asked for, with
// this body. It is for faults After.
func Unsolicited(body string) Mishap {
	return func(e exchange) {
		conn := e.hijack()
		if conn == nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", e.answer.Code, http.StatusText(e.answer.Code), e.answer.Body.Len())
		_ = e.answer.Header().Write(conn)
		_, _ = fmt.Fprintf(conn, "\r\n%s", e.answer.Body.Bytes())
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		_ = conn.Close()
	}
}

// hijack takes the connection from the server; nil where it is gone already.
func (e exchange) hijack() net.Conn {
	conn, _, err := e.w.(http.Hijacker).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// reset closes a connection so that its peer is told of an error.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
