package smtpapi

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// listener hands out connections of type *conn, within the limits on their number.
type listener struct {
	net.Listener
	server *Server

	mu       sync.Mutex
	open     int
	byClient map[string]int
}

// busyLimit is how long the refusal of a connection may take. It goes into an empty buffer.
const busyLimit = time.Second

// Accept implements net.Listener. A client with too many connections, or one too many in all, is answered
// 421.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(raw)
		if l.take(client) {
			return newConn(l.server, raw, func() { l.give(client) }), nil
		}
		_ = raw.SetDeadline(time.Now().Add(busyLimit))
		_, _ = raw.Write([]byte("421 4.7.0 too many connections; try again later\r\n"))
		_ = raw.Close()
	}
}

// clientOf returns what connections are counted by: an IPv4 address, or the /64 of an IPv6 address,
// which is what one customer is given.
func clientOf(c net.Conn) string {
	address := addressOf(c)
	bits := 32
	if address.Is6() {
		bits = 64
	}
	client, _ := address.Prefix(bits)
	return client.String()
}

func addressOf(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

func (l *listener) take(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.server.Limits.Connections || l.byClient[client] >= l.server.Limits.ConnectionsPerAddress {
		return false
	}
	l.open++
	l.byClient[client]++
	return true
}

func (l *listener) give(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byClient[client]--; l.byClient[client] == 0 {
		delete(l.byClient, client)
	}
}

// budget bounds the bytes of the messages that are being received.
type budget struct{ free *semaphore.Weighted }

func newBudget(bytes int64) *budget { return &budget{semaphore.NewWeighted(bytes)} }

// budgetWait is how long a message waits for memory before it is refused for now.
const budgetWait = 2 * time.Second

// take waits for n bytes.
func (b *budget) take(ctx context.Context, n int64) bool {
	ctx, cancel := context.WithTimeout(ctx, budgetWait)
	defer cancel()
	return b.free.Acquire(ctx, n) == nil
}

func (b *budget) give(n int64) { b.free.Release(n) }
