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

// tap stands between a proxy and the gateway, and keeps what the gateway says on each
// connection, and who ends it.
type tap struct {
	address string

	mu         sync.Mutex
	links      []*link
	open, most int // links at once
}

// link is one connection of the proxy to the gateway.
type link struct {
	tap     *tap
	mu      sync.Mutex
	said    []byte // by the gateway
	end     end
	began   time.Time
	silence time.Time // when the gateway last said something
}

// end is who has ended a link first.
type end string

const (
	nobody    end = ""
	byProxy   end = "the proxy"
	byGateway end = "the gateway"
)

func startTap(t *testing.T, to string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{address: l.Addr().String()}
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
				t.Errorf("the gateway takes no connection: %v", err)
				_ = in.Close()
				continue
			}
			open.Store(in, nil)
			open.Store(out, nil)
			k := &link{tap: tap, began: time.Now()}
			tap.mu.Lock()
			tap.links = append(tap.links, k)
			tap.open++
			tap.most = max(tap.most, tap.open)
			tap.mu.Unlock()
			all.Go(func() { k.carry(out.(*net.TCPConn), in.(*net.TCPConn), byProxy, byGateway, io.Discard) })
			all.Go(func() { k.carry(in.(*net.TCPConn), out.(*net.TCPConn), byGateway, byProxy, k) })
		}
	})
	return tap
}

// carry copies one direction, and its end. Who takes no more has ended it, too.
func (k *link) carry(to, from *net.TCPConn, who, other end, keep io.Writer) {
	room := make([]byte, 64<<10)
	for {
		n, err := from.Read(room)
		_, _ = keep.Write(room[:n]) // in memory
		if _, failed := to.Write(room[:n]); failed != nil {
			k.ended(other)
			break
		}
		if err != nil {
			k.ended(who)
			break
		}
	}
	_ = to.CloseWrite()
}

// ended notes who has ended it first.
func (k *link) ended(who end) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.end != nobody {
		return
	}
	k.end = who
	k.tap.mu.Lock()
	defer k.tap.mu.Unlock()
	k.tap.open--
}

// Write keeps what the gateway says.
func (k *link) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.said, k.silence = append(k.said, p...), time.Now()
	return len(p), nil
}

// answerHead is the head of a final answer. Bodies are JSON or HTML, in which it does not
// stand.
var answerHead = regexp.MustCompile(`(?s)HTTP/1\.1 [2-5]\d\d [^\r\n]*\r\n.*?\r\n\r\n`)

// atOnce is how many links there were at one time.
func (p *tap) atOnce() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// figures are what came of the links.
type figures struct {
	links, answers     int
	announced          int     // ended by the gateway, which had said so
	unannounced        []*link // ended by the gateway without a word
	byProxy, mostOfOne int
}

func (p *tap) figures() (f figures) {
	p.mu.Lock()
	links := slices.Clone(p.links)
	p.mu.Unlock()
	for _, k := range links {
		k.mu.Lock()
		heads := answerHead.FindAll(k.said, -1)
		f.links++
		f.answers += len(heads)
		f.mostOfOne = max(f.mostOfOne, len(heads))
		switch {
		case k.end == byProxy:
			f.byProxy++
		case k.end == byGateway && len(heads) > 0 && bytes.Contains(bytes.ToLower(heads[len(heads)-1]), []byte("\r\nconnection: close\r\n")):
			f.announced++
		case k.end == byGateway:
			f.unannounced = append(f.unannounced, k)
		}
		k.mu.Unlock()
	}
	return f
}
