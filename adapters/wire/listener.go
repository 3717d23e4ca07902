package wire

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
	// maxRefused is how many connections beyond the limit are answered with a refusal at a
	// time. Further ones are closed without an answer.
	maxRefused = 16
	logEvery   = time.Minute
)

// Options configures a Listener.
type Options struct {
	Limits
	Max           int                   // connections in total, 0 for no limit
	MaxPerAddress int                   // connections from one address, or from one IPv6 /64; 0 for no limit
	Trusted       func(netip.Addr) bool // addresses that are not counted: a proxy connects for many clients
	Log           *slog.Logger          // nil for no log
}

const (
	mostFiles       = 1 << 20
	mostConnections = 4096 // by default: about 40 kB of memory each
)

// DefaultMax returns the default limit of connections, derived from the limit on open
// files. It leaves a quarter of the files, and at least 64, for other uses.
func DefaultMax() int {
	n := files()
	return min(mostConnections, max(n-max(64, n/4), 16))
}

// Listener hands out connections of type *Conn. When the process has no file descriptors
// left it waits until some are free, because an error from Accept ends a server.
type Listener struct {
	net.Listener
	o Options

	closing       chan struct{}
	closed        sync.Once
	open          atomic.Int64 // written under mu
	mu            sync.Mutex
	byClient      map[netip.Prefix]int
	refused       int       // connections that are open to be answered with a refusal
	refusalLogged time.Time // when a refusal was last logged
}

// Listen returns a Listener on top of another.
func Listen(l net.Listener, o Options) *Listener {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Listener{Listener: l, o: o, closing: make(chan struct{}), byClient: make(map[netip.Prefix]int)}
}

// Close closes the listener, and ends a wait for file descriptors. Open connections stay
// open.
func (l *Listener) Close() error {
	l.closed.Do(func() { close(l.closing) })
	return l.Listener.Close()
}

// Accept waits for the next connection. If there are too many, it returns one whose first
// request is answered with a refusal.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.accept()
		if err != nil {
			return nil, err
		}
		if w := l.admit(c); w != nil {
			return w, nil
		}
		_ = c.Close() // it was not used
	}
}

// accept retries temporary errors.
func (l *Listener) accept() (net.Conn, error) {
	var since time.Time
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		c, err := l.Listener.Accept()
		if err == nil {
			if !since.IsZero() {
				l.o.Log.Info("connections are accepted again", "for", time.Since(since).Round(time.Millisecond))
			}
			return c, nil
		}
		if permanent(err) {
			return nil, err
		}
		if since.IsZero() {
			since = time.Now()
			l.o.Log.Error("connections cannot be accepted; they wait", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-l.closing:
			return nil, net.ErrClosed
		}
	}
}

// permanent reports whether an error means that the listener has ended. All other errors
// concern one connection, or resources that become available again.
func permanent(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSOCK)
}

// admit counts a connection. It returns nil for one that must be closed.
func (l *Listener) admit(c net.Conn) *Conn {
	w := newConn(c, l.o.Limits)
	client, trusted := l.client(c)
	counted := l.o.MaxPerAddress > 0 && client.IsValid() && !trusted
	if !trusted {
		w.idle = l.idle
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.o.Max > 0 && l.open.Load() >= int64(l.o.Max):
		w.refusal = errManyInAll
	case counted && l.byClient[client] >= l.o.MaxPerAddress:
		w.refusal = errManyOfOne
	default:
		l.open.Add(1)
		if counted {
			l.byClient[client]++
		}
		w.onClose = func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.open.Add(-1)
			if counted {
				l.byClient[client]--
			}
			if l.byClient[client] == 0 {
				delete(l.byClient, client)
			}
		}
		return w
	}
	if now := time.Now(); now.Sub(l.refusalLogged) >= logEvery {
		l.refusalLogged = now
		l.o.Log.Warn("connections are refused", "code", w.refusal.Code, "connections", l.open.Load())
	}
	if l.refused >= maxRefused {
		return nil
	}
	l.refused++
	w.onClose = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.refused--
	}
	return w
}

// client returns the prefix by which connections are counted, or the zero Prefix if the
// client has no IP address, and whether the client is trusted.
func (l *Listener) client(c net.Conn) (client netip.Prefix, trusted bool) {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64 // what one customer is given
	}
	client, _ = addr.Prefix(bits) // no address has fewer bits
	return client, l.o.Trusted != nil && l.o.Trusted(addr)
}

// idle returns how long a connection may wait for its next request: a short time if few
// connections are left. A trusted proxy always has the full time: it uses the connections
// that it keeps, and it may not be able to repeat a request that it sends just when the
// connection is closed.
func (l *Listener) idle() time.Duration {
	if l.o.Max > 0 && l.open.Load() > int64(l.o.Max-l.o.Max/4) {
		return min(l.o.Idle, l.o.HeadTime)
	}
	return l.o.Idle
}
