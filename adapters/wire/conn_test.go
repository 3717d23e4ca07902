package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a connection and its client, on virtual time.
func pair(t *testing.T) (c *Conn, client net.Conn) {
	t.Helper()
	server, client := net.Pipe()
	c = newConn(server, Defaults)
	t.Cleanup(func() { _, _ = c.Close(), client.Close() })
	return c, client
}

// sends writes until the server stops reading.
func sends(client net.Conn, text string) { go io.WriteString(client, text) }

// head reads a head in one read, as fasthttp does.
func head(t *testing.T, c *Conn) string {
	t.Helper()
	room := make([]byte, Defaults.Head)
	n, err := c.Read(room)
	if err != nil {
		return "" // closed
	}
	if !c.serve(1 << 30) {
		t.Fatal("got a part of the head, want all of it")
	}
	return string(room[:n])
}

func TestHeadsComeOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		one, two := "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
		sends(client, one+"\r\n"+two+two)
		for i, want := range []string{one, two, two} {
			if got := head(t, c); got != want {
				t.Fatalf("head %d = %q, want %q", i+1, got, want)
			}
			c.answered()
		}
	})
}

func TestNothingIsReadAfterARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		sends(client, "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := head(t, c); got != refusedHead {
			t.Errorf("head = %q, want %q", got, refusedHead)
		}
		if c.answered() {
			t.Error("another request may follow the refusal, want none")
		}
		if got := head(t, c); got != "" {
			t.Errorf("next head = %q, want none", got)
		}
	})
}

func TestAWholeHeadIsFollowedByEOF(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		sends(client, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2))
		room := make([]byte, Defaults.Head)
		if _, err := c.Read(room); err != nil {
			t.Fatal(err)
		}
		// fasthttp gets the whole head at once. If it asks for more, it has read the head
		// differently.
		if n, err := c.Read(room); err != io.EOF { //nolint:errorlint // as a reader has it
			t.Errorf("read %q, %v after a whole head, want %v", room[:n], err, io.EOF)
		}
	})
}

func TestTheNextHeadComesAfterTheBodyIsRead(t *testing.T) {
	t.Parallel()
	after := "GET /after HTTP/1.1\r\nHost: a\r\n\r\n"
	long := strings.Repeat("x", int(Defaults.Unread))
	for _, row := range []struct {
		name, framing, sent string
		read                int // bytes that the handler reads
		want                string
		nextRequest         bool // it may follow
	}{
		{"a body that is read", "Content-Length: 5", "hello", 9, "hello", true},
		{"a body that is not read is skipped", "Content-Length: 5", "hello", 0, "", true},
		{"a body that is half read is skipped", "Content-Length: 5", "hello", 2, "he", true},
		{"an unread body of the largest skipped length", "Content-Length: 262144", long, 0, "", true},
		{"an unread body of one byte more ends the connection", "Content-Length: 262145", long + "x", 0, "", false},
		{"a body of which the largest skipped length is left", "Content-Length: 262145", long + "x", 1, "x", true},
		{"a chunked body that is read", "Transfer-Encoding: chunked", "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n", 9, "hello", true},
		{"a chunked body with a trailer", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", 9, "hello", true},
		{"an unread chunked body ends the connection", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 0, "", false},
		{"a half read chunked body ends the connection", "Transfer-Encoding: chunked", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 5, "hello", false},
		{"an unread body that waits for 100 Continue ends the connection", "Content-Length: 5\r\nExpect: 100-continue", "hello", 0, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				sends(client, "POST / HTTP/1.1\r\nHost: a\r\n"+row.framing+"\r\n\r\n"+row.sent+after)
				head(t, c)
				got, err := io.ReadAll(io.LimitReader(&c.body, int64(row.read)))
				if string(got) != row.want || err != nil {
					t.Errorf("body = %q, %v, want %q", got, err, row.want)
				}
				if got := c.answered(); got != row.nextRequest {
					t.Errorf("answered() = %t, want %t", got, row.nextRequest)
				}
				next := ""
				if row.nextRequest {
					next = after
				}
				if got := head(t, c); got != next {
					t.Errorf("next head = %q, want %q", got, next)
				}
			})
		})
	}
}

func TestIncompleteBodiesAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, framing, sent string
		want                *Refusal
	}{
		{"a body that ends early", "Content-Length: 5", "hell", errBodyEnd},
		{"a body that does not begin", "Content-Length: 5", "", errBodyEnd},
		{"chunks without an end", "Transfer-Encoding: chunked", "5\r\nhello\r\n", errBodyEnd},
		{"chunks without the last line", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", errBodyEnd},
		{"a chunk that is longer than its size", "Transfer-Encoding: chunked", "4\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a chunk without a size", "Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a sign", "Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a prefix", "Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size of 17 hexadecimal digits", "Transfer-Encoding: chunked", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size of 2^64 - 1", "Transfer-Encoding: chunked", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", nil},
		{"a size of 2^64 and 5", "Transfer-Encoding: chunked", "10000000000000005\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a negative size", "Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size after a space", "Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a space in it", "Transfer-Encoding: chunked", "0 5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with an underscore", "Transfer-Encoding: chunked", "0_5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a null byte", "Transfer-Encoding: chunked", "5\x00\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size line that ends in a carriage return alone", "Transfer-Encoding: chunked", "5\rhello\r\n0\r\n\r\n", errChunks},
		{"an extension with a carriage return in it", "Transfer-Encoding: chunked", "5;a\rb\r\nhello\r\n0\r\n\r\n", errChunks},
		{"an extension without end", "Transfer-Encoding: chunked", "5;" + strings.Repeat("a", 20_000) + "\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a trailer with a null byte", "Transfer-Encoding: chunked", "0\r\nX: a\x00\r\n\r\n", nil},
		{"a trailer with a space before the colon", "Transfer-Encoding: chunked", "0\r\nX : a\r\n\r\n", nil},
		{"a size line with a line feed alone", "Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n", errChunks},
		{"an extension with a line feed in it", "Transfer-Encoding: chunked", "5;a\nb\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a chunk that ends in a line feed alone", "Transfer-Encoding: chunked", "5\r\nhello\n0\r\n\r\n", errChunks},
		{"a trailer that ends in a line feed alone", "Transfer-Encoding: chunked", "0\r\nX: y\n\r\n", errChunks},
		{"a trailer that is folded", "Transfer-Encoding: chunked", "0\r\nX: y\r\n z\r\n\r\n", nil},
		{"trailers without end", "Transfer-Encoding: chunked", "0\r\n" + strings.Repeat("X: y\r\n", 100) + "\r\n", errChunks},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				go func() {
					_, _ = io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\n"+row.framing+"\r\n\r\n"+row.sent) // as far as it is read
					_ = client.Close()
				}()
				head(t, c)
				_, err := io.ReadAll(&c.body)
				var refused *Refusal
				if !errors.As(err, &refused) || row.want != nil && refused != row.want {
					t.Errorf("error = %v, want %v", err, row.want)
				}
				if c.answered() {
					t.Error("another request may follow, want none")
				}
				if got := head(t, c); got != "" {
					t.Errorf("next head = %q, want none", got)
				}
			})
		})
	}
}

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, rest string }{
		{"by its declared length", "Content-Length: 5\r\n\r\nhello"},
		{"when more has arrived in chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				sends(client, "POST / HTTP/1.1\r\nHost: a\r\n"+row.rest)
				if _, err := c.Read(make([]byte, Defaults.Head)); err != nil || !c.serve(4) {
					t.Fatal(err)
				}
				err := error(c.refusal)
				if c.refusal == nil {
					_, err = io.ReadAll(&c.body)
				}
				if !errors.Is(err, errBodySize) {
					t.Errorf("error = %v, want %v", err, errBodySize)
				}
				if c.answered() {
					t.Error("another request may follow, want none")
				}
			})
		})
	}
}

// A client that waits for an answer gets it as soon as a line is malformed.
func TestLineFeedsAloneAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\n\n", "\n"} {
		synctest.Test(t, func(t *testing.T) {
			c, client := pair(t)
			sends(client, text)
			begun := time.Now()
			if head(t, c); c.refusal == nil || c.refusal.Status != 400 {
				t.Errorf("refusal of %q = %v, want status 400", text, c.refusal)
			}
			if took := time.Since(begun); took != 0 {
				t.Errorf("refusal of %q after %s, want at once", text, took)
			}
		})
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, ahead, want string }{
		{"to a client that waits", "", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"not to a client that has sent some of it", "he", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				var received bytes.Buffer
				go io.Copy(&received, client)
				sends(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"+row.ahead)
				head(t, c)
				if synctest.Wait(); received.Len() != 0 {
					t.Fatalf("client received %q before the body is read, want nothing", received.String())
				}
				sends(client, "hello"[len(row.ahead):])
				got, err := io.ReadAll(&c.body)
				synctest.Wait()
				if string(got) != "hello" || err != nil {
					t.Errorf("body = %q, %v, want \"hello\"", got, err)
				}
				if received.String() != row.want {
					t.Errorf("client received %q, want %q", received.String(), row.want)
				}
				if !c.answered() {
					t.Error("no other request may follow, want one")
				}
			})
		})
	}
}

// Each of these is sent by a client until the server closes the connection.
func TestTooSlowHeadsAndBodiesAreRefused(t *testing.T) {
	t.Parallel()
	post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"
	for _, row := range []struct {
		name, begins string
		piece        int // bytes a second after that
		want         *Refusal
	}{
		{"a head of a byte a second", "GET / HTTP/1.1\r\nHost: a\r\nX: ", 1, errHeadTime},
		{"a head that stops arriving", "GET / HT", 0, errHeadTime},
		{"a body of a byte a second", post, 1, errBodyTime},
		{"a body that stops arriving", post, 0, errBodyTime},
		{"a body that stops arriving after 2 MB", post + strings.Repeat("x", 2_000_000), 0, errBodyTime},
		{"a body just below the minimum rate", post, Defaults.Rate - 1000, errBodyTime},
		{"a body at 300 kB/s is accepted", post, 300_000, nil},
		{"a body just above the minimum rate is accepted", post, Defaults.Rate + 1, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				go func() {
					_, err := io.WriteString(client, row.begins)
					tick := time.NewTicker(time.Second)
					defer tick.Stop()
					for err == nil && t.Context().Err() == nil {
						select {
						case <-t.Context().Done():
						case <-tick.C:
							_, err = client.Write(bytes.Repeat([]byte("x"), row.piece))
						}
					}
				}()
				head(t, c)
				err := error(c.refusal)
				if c.refusal == nil {
					_, err = io.ReadAll(&c.body)
				}
				if row.want == nil && err != nil || row.want != nil && !errors.Is(err, row.want) {
					t.Errorf("error = %v, want %v", err, row.want)
				}
				if got, want := c.answered(), row.want == nil; got != want {
					t.Errorf("answered() = %t, want %t", got, want)
				}
			})
		})
	}
}

func TestIdleConnectionsAreClosedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		begun := time.Now()
		if got, took := head(t, c), time.Since(begun); got != "" || took != Defaults.HeadTime {
			t.Errorf("new connection: head = %q after %s, want none after %s", got, took, Defaults.HeadTime)
		}
		sends(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n") // the empty line is skipped
		head(t, c)
		c.answered()
		begun = time.Now()
		if got, took := head(t, c), time.Since(begun); got != "" || took != Defaults.Idle {
			t.Errorf("between two requests: head = %q after %s, want none after %s", got, took, Defaults.Idle)
		}
	})
}
