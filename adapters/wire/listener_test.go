package wire

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a net.Listener that returns the given connections and errors, and then blocks.
type scripted struct {
	net.Listener
	steps []any // an error, or the address of a client
}

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.steps) == 0 {
		return nil, net.ErrClosed
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	if err, failed := step.(error); failed {
		return nil, err
	}
	server, client := net.Pipe()
	go io.Copy(io.Discard, client)
	return from{server, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(step.(string)), 4000))}, nil
}

func (s *scripted) Close() error { return nil }

// from is a connection from an address.
type from struct {
	net.Conn
	address net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.address }

func failure(cause error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", cause)}
}

// listenTo returns a Listener over a scripted one, and its log.
func listenTo(o Options, steps ...any) (*Listener, *bytes.Buffer) {
	var log bytes.Buffer
	o.Limits, o.Log = Defaults, slog.New(slog.NewTextHandler(&log, nil))
	return Listen(&scripted{steps: steps}, o), &log
}

// An error from Accept would end the server and thereby the process.
func TestAcceptWaitsAfterATemporaryError(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO, syscall.ENETDOWN,
	} {
		t.Run(cause.Error(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var steps []any
				for range 100 {
					steps = append(steps, failure(cause))
				}
				l, log := listenTo(Options{}, append(steps, "192.0.2.1")...)
				begun := time.Now()
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if took := time.Since(begun); took < time.Minute || took > 100*longestPause {
					t.Errorf("100 failures took %s, want %s to %s", took, time.Minute, 100*longestPause)
				}
				if lines := strings.Count(log.String(), "\n"); lines != 2 {
					t.Errorf("an outage is logged in %d lines, want 2:\n%s", lines, log)
				}
				if !strings.Contains(log.String(), cause.Error()) {
					t.Errorf("log = %q, want %q in it", log, cause)
				}
			})
		})
	}
}

func TestAcceptReturnsTheErrorOfAClosedListener(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL} {
		l, log := listenTo(Options{}, failure(cause), "192.0.2.1")
		if _, err := l.Accept(); !errors.Is(err, cause) {
			t.Errorf("error = %v, want %v", err, cause)
		}
		if log.Len() > 0 {
			t.Errorf("log after %v = %q, want nothing", cause, log)
		}
	}
}

// A gateway that is stopping does not wait for file descriptors.
func TestCloseEndsTheWaitForFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps []any
		for range 100 {
			steps = append(steps, failure(syscall.EMFILE))
		}
		l, _ := listenTo(Options{}, steps...)
		ended := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		<-time.After(10 * time.Second)
		synctest.Wait()
		begun := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("error = %v, want %v", err, net.ErrClosed)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("Accept returned %s after Close, want at once", took)
		}
	})
}

// accepted returns for each client whether it is accepted or refused.
func accepted(t *testing.T, l *Listener) (conns []*Conn, in []bool) {
	t.Helper()
	for {
		c, err := l.Accept()
		if err != nil {
			return conns, in
		}
		w, ok := c.(*Conn)
		if !ok {
			t.Fatalf("got a connection of type %T, want one that the listener wraps", c)
		}
		t.Cleanup(func() { _ = w.Close() })
		conns, in = append(conns, w), append(in, w.refusal == nil)
	}
}

func TestLimitsOfConnections(t *testing.T) {
	t.Parallel()
	trusted := func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.9") }
	for _, row := range []struct {
		name    string
		max     int
		each    int
		clients string
		in      string // + for each that is accepted, - for each that is refused
	}{
		{"a limit in all", 3, 0, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "+++-"},
		{"no limit", 0, 0, "192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.1", "++++"},
		{"a limit by address", 9, 2, "192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.2", "++-+"},
		{"a limit by address counts one mapped into IPv6", 9, 2, "192.0.2.1 ::ffff:192.0.2.1 192.0.2.1", "++-"},
		{"a limit by address counts networks of IPv6", 9, 2, "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8:0:1::1", "++-+"},
		{"a limit by address does not count a trusted proxy", 9, 2, "192.0.2.9 192.0.2.9 192.0.2.9", "+++"},
		{"a limit in all counts a trusted proxy", 2, 1, "192.0.2.9 192.0.2.9 192.0.2.9", "++-"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var steps []any
			for client := range strings.FieldsSeq(row.clients) {
				steps = append(steps, client)
			}
			l, log := listenTo(Options{Max: row.max, MaxPerAddress: row.each, Trusted: trusted}, steps...)
			var got strings.Builder
			_, in := accepted(t, l)
			for _, ok := range in {
				got.WriteByte("-+"[map[bool]int{true: 1}[ok]])
			}
			if got.String() != row.in {
				t.Errorf("accepted = %q, want %q", &got, row.in)
			}
			if logged, want := log.Len() > 0, strings.Contains(row.in, "-"); logged != want {
				t.Errorf("refusals are logged: %t, want %t: %s", logged, want, log)
			}
		})
	}
}

func TestClosedConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	l, _ := listenTo(Options{Max: 2, MaxPerAddress: 1}, "192.0.2.1", "192.0.2.1")
	conns, _ := accepted(t, l)
	for _, c := range conns {
		_, _ = c.Close(), c.Close() // twice counts once
	}
	l.Listener = &scripted{steps: []any{"192.0.2.1", "192.0.2.2", "192.0.2.3"}}
	if _, in := accepted(t, l); !slices.Equal(in, []bool{true, true, false}) {
		t.Errorf("accepted = %v, want the first two", in)
	}
	if l.refused != 1 {
		t.Errorf("%d connections are open to be refused, want 1", l.refused)
	}
}

// Connections that are refused use file descriptors as well, until they are closed.
func TestRefusalsOfConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	var steps []any
	for range 1000 {
		steps = append(steps, "192.0.2.1")
	}
	l, log := listenTo(Options{Max: 1}, steps...)
	if conns, _ := accepted(t, l); len(conns) != 1+maxRefused {
		t.Errorf("%d connections, want %d", len(conns), 1+maxRefused)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines are logged, want 1: %s", lines, log)
	}
}

func TestConnectionsOfAFullListenerIdleForAShorterTime(t *testing.T) {
	t.Parallel()
	proxy := netip.MustParseAddr("192.0.2.9")
	l, _ := listenTo(Options{Max: 4, Trusted: func(a netip.Addr) bool { return a == proxy }}, "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.9")
	if got := l.idle(); got != Defaults.Idle {
		t.Errorf("idle time of an empty listener = %s, want %s", got, Defaults.Idle)
	}
	conns, _ := accepted(t, l)
	for i, c := range conns {
		want := Defaults.HeadTime
		if i == 3 {
			want = Defaults.Idle // a proxy may be about to send
		}
		if got := c.idle(); got != want {
			t.Errorf("idle time of connection %d = %s, want %s", i, got, want)
		}
	}
}
