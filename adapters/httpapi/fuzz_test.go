package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"patchbay/adapters/httpapi"
)

// seeds are streams of requests, most of them with something between two requests that could be
// read as a part of either.
var seeds = []string{
	"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: one\r\n\r\n",
	"GET /api/users/1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: get\r\nContent-Length: 5\r\n\r\nhello",
	"POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nX-Request-Id: hook\r\nContent-Length: 5\r\n\r\nhello",
	"POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nX-Request-Id: chunks\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
	"POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nX-Request-Id: trailer\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
	"POST /api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nX-Request-Id: waits\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	"POST /api/webhooks/stripe HTTP/1.0\r\nX-Request-Id: old\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
	"POST /api/users HTTP/1.1\r\nHost: a\r\nX-Request-Id: user\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"email\":\"a@b.c\"}\n",
	"POST /nothing HTTP/1.1\r\nHost: a\r\nX-Request-Id: lost\r\nContent-Length: 57\r\n\r\nDELETE /api/users/usr_smuggled HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
	"DELETE /api/users/2 HTTP/1.1\r\nHost: a\r\nX-Request-Id: delete\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"PUT /api/users HTTP/1.1\r\nHost: a\r\nX-Request-Id: put\r\nContent-Length: 38\r\n\r\nGET /inner HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
	"POST http://a/api/webhooks/stripe HTTP/1.1\r\nHost: a\r\nX-Request-Id: whole\r\nContent-Length: 0\r\n\r\n",
}

// pieces are inserted into streams.
var pieces = []string{
	"\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "\x00", "\x0b", "0", "1", "5", "a", "+", "-",
	"Content-Length: 5\r\n", "Content-Length: 6\r\n", "Content-Length: 5, 5\r\n", "Content-Length:\t5 \r\n", "Content-Length : 5\r\n",
	"content-length: 4\r\n", "Content-Length: 0\r\n", "Content-Length: +5\r\n", "Content-Length: 05\r\n",
	"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding : chunked\r\n",
	"Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding:\r\n chunked\r\n", "transfer-encoding: CHUNKED\r\n",
	"Host: a\r\n", "Host: b\r\n", "Host:\r\n", "X: y\r\n", "X: y\r\n z\r\n", "X: y\n", "Expect: 100-continue\r\n", "Connection: close\r\n",
	"0\r\n\r\n", "5\r\nhello\r\n", "5 \r\nhello\r\n", "5;a\nb\r\nhello\r\n", "05\r\nhello\r\n", "0x5\r\nhello\r\n", "5\nhello\n", "ffffffffffffffff\r\n",
	"GET /inner HTTP/1.1\r\nHost: a\r\nX-Request-Id: inner\r\n\r\n", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "POST", "GET", "HEAD",
	" HTTP/1.1", "http://b", "//", "%", "hello",
}

// bench is a server whose reading of requests is recorded while streams are sent to it.
type bench struct {
	*rig
	mu       sync.Mutex
	taken    []sent
	total    int      // requests taken in all
	disputes []string // what the library behind package wire did not understand
}

// Printf implements fasthttp.Logger.
func (b *bench) Printf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disputes = append(b.disputes, fmt.Sprintf(format, args...))
}

func watch(t testing.TB) *bench {
	t.Helper()
	b := &bench{}
	b.rig = serve(t, func(s *httpapi.Server) {
		s.SetLogger(b)
		s.Tap(func(ctx *fasthttp.RequestCtx) {
			h := &ctx.Request.Header
			if string(h.Host()) == "refused.invalid" { // in place of one that is refused
				return
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.taken = append(b.taken, sent{method: string(h.Method()), target: string(h.RequestURI()), id: string(h.Peek("X-Request-Id"))})
		})
	})
	return b
}

// check sends a stream, and compares the requests that the server read with those that were sent.
func (b *bench) check(t *testing.T, stream string) {
	t.Helper()
	if strings.Contains(stream, "refused.invalid") {
		return // see watch
	}
	agrees(t, stream)
	b.taken = nil
	hooks := len(b.hooks.seen())
	answers := b.exchange(t, stream)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total += len(b.taken)
	if len(b.disputes) > 0 {
		t.Fatalf("%q, of %q, want no disputes", b.disputes, stream)
	}
	want := requests(stream)
	if len(b.taken) > len(want) {
		t.Fatalf("%d requests were taken, %d sent: %+v, %+v, in %q", len(b.taken), len(want), b.taken, want, stream)
	}
	for i, got := range b.taken {
		if w := want[i]; got.method != w.method || got.target != w.target || got.id != w.id {
			t.Fatalf("request %d was taken for %+v, and was %+v, in %q, want method %v, target %v, id %v", i, got, w, stream, w.method, w.target, w.id)
		}
	}
	bodies := b.hooks.seen()[hooks:]
	for _, w := range want {
		if len(bodies) > 0 && w.whole && w.method == http.MethodPost && string(bodies[0]) == w.body {
			bodies = bodies[1:]
		}
	}
	if len(bodies) > 0 {
		t.Fatalf("a body was read that was not sent: %q in %q, want no bodies", bodies[0], stream)
	}
	b.count(t, answers, stream)
}

// count checks that each request that was read has an answer, and one that was refused has one
// too.
func (b *bench) count(t *testing.T, answers []byte, stream string) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(answers))
	finals := 0
	for {
		r := &http.Request{Method: http.MethodGet}
		if finals < len(b.taken) {
			r.Method = b.taken[finals].method
		}
		resp, err := http.ReadResponse(in, r)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, resp.Body) // its end is what counts
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		if id := resp.Header.Get("X-Request-Id"); finals < len(b.taken) && plainID(b.taken[finals].id) && id != b.taken[finals].id {
			t.Fatalf("answer %d is for %q, not %q, in %q", finals, id, b.taken[finals].id, stream)
		}
		finals++
	}
	if in.Buffered() > 0 || finals < len(b.taken) || finals > len(b.taken)+1 {
		t.Fatalf("%d answers to %d requests, %d bytes left, in %q: got %q, want no buffered, finals at most %v", finals, len(b.taken), in.Buffered(), stream, answers, len(b.taken)+1)
	}
}

// plainID reports whether the server repeats an id in its answer.
func plainID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func (b *bench) exchange(t *testing.T, stream string) []byte {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // the server may have
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(c, stream) // the server may close at any time
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	answers, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("%v after %q to %q", err, answers, stream)
	}
	return answers
}

// FuzzFraming looks for bytes that the server reads as a request or as a body, and that were sent
// as something else.
func FuzzFraming(f *testing.F) {
	for i := range seeds {
		f.Add([]byte(seeds[i] + seeds[(i+1)%len(seeds)]))
	}
	b := watch(f)
	f.Fuzz(func(t *testing.T, stream []byte) { b.check(t, string(stream)) })
}

// TestMutatedStreams does the same with mutations made of parts of HTTP. PATCHBAY_FRAMING_BYTES is
// the number of bytes.
func TestMutatedStreams(t *testing.T) {
	t.Parallel()
	volume := 300_000
	if text := os.Getenv("PATCHBAY_FRAMING_BYTES"); text != "" {
		var err error
		if volume, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	b := watch(t)
	random := rand.New(rand.NewPCG(1, 12))
	streams, done := 0, 0
	for ; done < volume; streams++ {
		stream := mutated(random)
		b.check(t, stream)
		done += len(stream)
	}
	t.Logf("%d bytes in %d streams; %d requests were taken", done, streams, b.total)
	if b.total < streams/2 {
		t.Errorf("only %d requests were taken of %d streams: they are not worth sending, want at least %v", b.total, streams, streams/2)
	}
}

// mutated returns some requests with up to five changes.
func mutated(random *rand.Rand) string {
	var s []byte
	for range 1 + random.IntN(4) {
		s = append(s, seeds[random.IntN(len(seeds))]...)
	}
	for range random.IntN(6) {
		i := random.IntN(len(s))
		j := min(len(s), i+1+random.IntN(20))
		switch piece := pieces[random.IntN(len(pieces))]; random.IntN(7) {
		case 0, 1: // put in where a line begins
			if at := bytes.IndexByte(s[i:], '\n'); at >= 0 {
				i += at + 1
			}
			s = append(s[:i:i], append([]byte(piece), s[i:]...)...)
		case 2: // put in anywhere
			s = append(s[:i:i], append([]byte(piece), s[i:]...)...)
		case 3: // put in place of a byte
			s = append(s[:i:i], append([]byte(piece), s[i+1:]...)...)
		case 4: // cut out
			if s = append(s[:i:i], s[j:]...); len(s) == 0 {
				return piece
			}
		case 5: // double
			s = append(s[:j:j], append(bytes.Clone(s[i:j]), s[j:]...)...)
		case 6: // change
			s[i] = byte(random.IntN(256))
		}
	}
	return string(s)
}
