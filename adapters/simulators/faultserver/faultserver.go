// Package faultserver is an HTTP server on loopback that fails on demand: it refuses or resets
// connections, hangs, or sends another response, before or after it has executed the request. The
// simulators of providers are built on it.
package faultserver

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// T is the part of testing.TB that simulators need. They are used outside of tests too, so they do
// not import testing.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(end func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Server serves a handler until its test ends.
type Server struct {
	faults  Faults
	t       T
	address string
	handler http.Handler

	mu       sync.Mutex
	http     *http.Server // nil while connections are refused
	listener net.Listener
	conns    map[net.Conn]bool
	requests []Request
}

// Request is a request that arrived completely.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
	From                string // the client's address, which differs for each connection
}

// Start serves the handler until the test ends. The handler gets each request with its body already
// read, and can read the body again.
func Start(t T, h http.Handler) *Server {
	t.Helper()
	address, release, err := Reserve()
	if err != nil {
		t.Fatalf("faultserver: no port: %v", err)
	}
	s := &Server{t: t, address: address, handler: h, conns: make(map[net.Conn]bool)}
	s.Resume()
	t.Cleanup(func() {
		s.Heal()
		s.Refuse()
		release()
	})
	return s
}

// URL is the server's base URL.
func (s *Server) URL() string { return "http://" + s.address }

// Refuse refuses new connections from now on, and resets open ones.
func (s *Server) Refuse() {
	server := s.shut()
	if server != nil {
		_ = server.Close() // its connections are already closed
	}
}

// shut closes the listener before it resets the connections, so that a client whose connection is
// reset cannot connect again.
func (s *Server) shut() *http.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.http
	if server == nil {
		return nil
	}
	s.http = nil
	_ = s.listener.Close() // an error changes nothing
	for conn := range s.conns {
		reset(conn)
	}
	clear(s.conns)
	return server
}

// Resume listens again on the same address.
func (s *Server) Resume() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return
	}
	listener, err := Listen(s.t.Context(), s.address)
	if err != nil {
		s.t.Errorf("faultserver: %v", err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.connState} //nolint:gosec // its clients are tests
	s.http, s.listener = server, listener
	go server.Serve(listener) //nolint:errcheck // it ends when it is closed
}

// Inject applies each fault to the next request that it matches.
func (s *Server) Inject(faults ...Fault) { s.faults.Inject(faults...) }

// Heal removes all faults, releases requests that hang, and resumes.
func (s *Server) Heal() {
	s.faults.Heal()
	if s.t.Context().Err() == nil {
		s.Resume()
	}
}

// Requests returns all requests that arrived completely, also those with a fault.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Connections counts the connections over which requests arrived completely.
func (s *Server) Connections() int {
	from := make(map[string]bool)
	for _, r := range s.Requests() {
		from[r.From] = true
	}
	return len(from)
}

func (s *Server) connState(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[conn] = true
		if s.http == nil { // it was accepted while Refuse closed the listener
			reset(conn)
		}
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, conn)
	case http.StateActive, http.StateIdle:
	}
}

// serve refuses a chunked body, as some servers and firewalls do: a caller of a provider knows the
// length of its request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.WriteHeader(http.StatusLengthRequired)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it did not arrive completely
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body, From: r.RemoteAddr,
	})
	s.mu.Unlock()
	s.faults.serve(w, r, body, s.handler, s.Refuse)
}
