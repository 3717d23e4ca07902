package pgstore_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/config/setting"
	"patchbay/core/event"
	"patchbay/ports"
	"patchbay/tests/postgres"
)

// stopping stands between a store and its server. Once it is armed, it passes on
// what the store sends up to the part that has a word in it. From then on it is as
// if the store's process were stopped: nothing is sent, read or closed before end.
type stopping struct {
	net.Listener
	server  string
	word    []byte
	armed   atomic.Bool
	stopped chan struct{}
	once    sync.Once

	mu    sync.Mutex
	conns []net.Conn
}

func stopAt(t *testing.T, server uint16, word string) *stopping {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &stopping{Listener: l, server: fmt.Sprint("127.0.0.1:", server), word: []byte(word), stopped: make(chan struct{})}
	go s.serve()
	return s
}

func (s *stopping) port() uint16 { return uint16(s.Addr().(*net.TCPAddr).Port) }

func (s *stopping) serve() {
	for {
		client, err := s.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", s.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		s.mu.Lock()
		s.conns = append(s.conns, client, server)
		s.mu.Unlock()
		go s.pass(server, client)
		go s.pass(client, server)
	}
}

func (s *stopping) pass(to io.Writer, from io.Reader) {
	part := make([]byte, 1<<16)
	for {
		n, err := from.Read(part)
		select {
		case <-s.stopped:
			return
		default:
		}
		if err != nil {
			return
		}
		if s.armed.Load() && bytes.Contains(part[:n], s.word) {
			s.once.Do(func() { close(s.stopped) })
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
	}
}

func (s *stopping) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close() // it may have ended
	}
}

func TestAProcessStoppedWhileItPublishesDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	database := server.Database(t)
	between := stopAt(t, server.Port, "patchbaz") // the number of the lock, in bytes: a prepared statement is sent without its text
	e := environment(between.port(), database, clock.System{})
	e.Settings.(*setting.Database).Pool.Max = 2
	store, err := pgstore.Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	stopped, other := store, open(t, server, database)
	save := func(id string) {
		t.Helper()
		e := event.Event{ID: "fev_" + id, Tenant: "t", Type: "thing.changed", Subject: id, At: time.Now()}
		r := &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("body"), Events: []event.Event{e}}
		if err := other.Save(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
	save("a")
	if n, err := stopped.Publish(t.Context(), 10); err != nil || n != 1 {
		t.Fatalf("Publish = %d, %v, want 1", n, err) // its statements are prepared from now on
	}

	between.armed.Store(true)
	save("b")
	published := make(chan error, 1)
	go func() {
		_, err := stopped.Publish(t.Context(), 10)
		published <- err
	}()
	<-between.stopped
	save("c")
	if _, err := other.Publish(t.Context(), 10); err != nil {
		t.Errorf("Publish of the other process: %v", err)
	}
	all, err := other.Feed(t.Context(), "t", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[2].Seq != 3 {
		t.Errorf("feed = %+v, want 3 events, the last with number 3", all)
	}
	if err := <-published; err == nil {
		t.Error("Publish of the stopped process succeeded, want an error")
	}
	between.end() // and the store is left as it is: it would wait for its server
}
