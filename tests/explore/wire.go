package explore

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
)

// wire is the transport from a process to a provider: each request stops at the gate before it is
// sent.
type wire struct {
	process *process
	to      http.Handler
	fates   func(req *http.Request) (once, always []*fate)
}

// keeper is a provider that can keep the 500 with which it answers the next request.
type keeper interface {
	http.Handler
	keep(req *http.Request)
}

// The fates of a request whose context ended before it was sent. The client may or may not have
// sent it, and does not wait for the response.
var (
	unsent = &fate{name: "not sent, its time is up", silent: true}
	tooOld = &fate{name: "sent and done, its time is up", does: true, lost: true}
	beyond = []*fate{unsent, tooOld}

	lookLost = &fate{name: "reset"}
)

var errReset = errors.New("connection reset by peer")

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	ctx := req.Context()
	once, always := w.fates(req)
	f := w.process.world.gate.stop(ctx, w.process.thread(ctx), call{
		op: req.Method + " " + req.URL.Path, wire: true, writes: req.Method != http.MethodGet,
		fates: once, always: always, late: beyond,
		summary: func() string { return describe(req, body) },
	})
	if f == nil {
		return nil, errReset
	}
	if f.silent {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, errors.New("connection refused")
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	answer := &answerWriter{header: http.Header{}}
	if f.does {
		in := arrived(req, body)
		if f.kept {
			w.to.(keeper).keep(in)
		}
		w.to.ServeHTTP(answer, in)
		w.process.world.touched(answer.body.Bytes())
	}
	switch {
	case f.lost && ctx.Err() != nil:
		return nil, ctx.Err()
	case f.lost, !f.does && f.status == 0:
		return nil, errReset
	case f.status != 0:
		answer = &answerWriter{header: http.Header{}, status: f.status}
		for name, value := range f.header {
			answer.header.Set(name, value)
		}
		answer.body.WriteString(f.body)
	}
	return answer.response(req), nil
}

// arrived returns a request as the server sees it.
func arrived(req *http.Request, body []byte) *http.Request {
	in := &http.Request{
		Method: req.Method, URL: req.URL, Host: req.URL.Host, Header: make(http.Header, len(req.Header)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
	for name, values := range req.Header {
		in.Header[http.CanonicalHeaderKey(name)] = values
	}
	return in
}

// answerWriter records a handler's response.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answerWriter) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answerWriter) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answerWriter) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answerWriter) response(req *http.Request) *http.Response {
	a.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: req,
	}
}
