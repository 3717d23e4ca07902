//go:build interop

package proxies

import (
	"bytes"
	"io"
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// recorder stands between a proxy and the gateway. It records what the gateway sends on each
// connection, and which side closes it.
type recorder struct {
	address string

	mu          sync.Mutex
	connections []*connection
	open, most  int // connections at the same time
}

// link is one connection of the proxy to the gateway.
type connection struct {
	rec      *recorder
	mu       sync.Mutex
	received []byte // by the gateway
	closer   closer
	began    time.Time
	silence  time.Time // when the gateway last sent something
}

// closer is the side that closed a connection first.
type closer string

const (
	open      closer = ""
	byProxy   closer = "the proxy"
	byGateway closer = "the gateway"
)

func startRecorder(t *testing.T, to string) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{address: l.Addr().String()}
	var all sync.WaitGroup
	var open sync.Map
	t.Cleanup(func() {
		_ = l.Close()
		open.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		all.Wait()
	})
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				t.Errorf("the gateway accepts no connection: %v", err)
				_ = in.Close()
				continue
			}
			open.Store(in, nil)
			open.Store(out, nil)
			k := &connection{rec: rec, began: time.Now()}
			rec.mu.Lock()
			rec.connections = append(rec.connections, k)
			rec.open++
			rec.most = max(rec.most, rec.open)
			rec.mu.Unlock()
			all.Go(func() { k.copyDirection(out.(*net.TCPConn), in.(*net.TCPConn), byProxy, byGateway, io.Discard) })
			all.Go(func() { k.copyDirection(in.(*net.TCPConn), out.(*net.TCPConn), byGateway, byProxy, k) })
		}
	})
	return rec
}

// copyDirection copies one direction until it ends. A side that accepts no more has closed it, too.
func (k *connection) copyDirection(to, from *net.TCPConn, who, other closer, keep io.Writer) {
	room := make([]byte, 64<<10)
	for {
		n, err := from.Read(room)
		_, _ = keep.Write(room[:n]) // in memory
		if _, failed := to.Write(room[:n]); failed != nil {
			k.markClosed(other)
			break
		}
		if err != nil {
			k.markClosed(who)
			break
		}
	}
	_ = to.CloseWrite()
}

// markClosed records which side closed the connection first.
func (k *connection) markClosed(who closer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closer != open {
		return
	}
	k.closer = who
	k.rec.mu.Lock()
	defer k.rec.mu.Unlock()
	k.rec.open--
}

// Write records what the gateway sends.
func (k *connection) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.received, k.silence = append(k.received, p...), time.Now()
	return len(p), nil
}

// answerHead is the head of a final answer. Bodies are JSON or HTML, which contain none.
var answerHead = regexp.MustCompile(`(?s)HTTP/1\.1 [2-5]\d\d [^\r\n]*\r\n.*?\r\n\r\n`)

// atOnce returns the largest number of connections at the same time.
func (p *recorder) atOnce() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// figures counts what became of the connections.
type figures struct {
	connections, answers int
	announced            int           // closed by the gateway after Connection: close
	unannounced          []*connection // closed by the gateway without Connection: close
	byProxy, mostOfOne   int
}

func (p *recorder) figures() (f figures) {
	p.mu.Lock()
	connections := slices.Clone(p.connections)
	p.mu.Unlock()
	for _, k := range connections {
		k.mu.Lock()
		heads := answerHead.FindAll(k.received, -1)
		f.connections++
		f.answers += len(heads)
		f.mostOfOne = max(f.mostOfOne, len(heads))
		switch {
		case k.closer == byProxy:
			f.byProxy++
		case k.closer == byGateway && len(heads) > 0 && bytes.Contains(bytes.ToLower(heads[len(heads)-1]), []byte("\r\nconnection: close\r\n")):
			f.announced++
		case k.closer == byGateway:
			f.unannounced = append(f.unannounced, k)
		}
		k.mu.Unlock()
	}
	return f
}
