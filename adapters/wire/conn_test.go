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

// says writes until the server stops reading.
func says(client net.Conn, text string) { go io.WriteString(client, text) }

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
		says(client, one+"\r\n"+two+two)
		for i, want := range []string{one, two, two} {
			if got := head(t, c); got != want {
				t.Fatalf("head %d is %q, want %v", i+1, got, want)
			}
			c.answered()
		}
	})
}

func TestNothingIsReadAfterARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		says(client, "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := head(t, c); got != refusedHead || c.answered() {
			t.Errorf("%q, and it goes on, want %v, not answered", got, refusedHead)
		}
		if got := head(t, c); got != "" {
			t.Errorf("%q after it, want none", got)
		}
	})
}

func TestAHeadIsNotReadTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		says(client, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2))
		room := make([]byte, Defaults.Head)
		if _, err := c.Read(room); err != nil {
			t.Fatal(err)
		}
		// fasthttp gets the whole head at once. If it asks for more, it has read the head
		// differently.
		if n, err := c.Read(room); err != io.EOF { //nolint:errorlint // as a reader has it
			t.Errorf("%q %v after a whole head, want %v", room[:n], err, io.EOF)
		}
	})
}

func TestBodies(t *testing.T) {
	t.Parallel()
	after := "GET /after HTTP/1.1\r\nHost: a\r\n\r\n"
	long := strings.Repeat("x", int(Defaults.Unread))
	for _, row := range []struct {
		name, framing, sent string
		read                int // bytes that the handler reads
		want                string
		goesOn              bool
	}{
		{"read", "Content-Length: 5", "hello", 9, "hello", true},
		{"not read", "Content-Length: 5", "hello", 0, "", true},
		{"half read", "Content-Length: 5", "hello", 2, "he", true},
		{"not read and long", "Content-Length: 262144", long, 0, "", true},
		{"not read and too long", "Content-Length: 262145", long + "x", 0, "", false},
		{"read as far as can be thrown away", "Content-Length: 262145", long + "x", 1, "x", true},
		{"chunked and read", "Transfer-Encoding: chunked", "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n", 9, "hello", true},
		{"chunked with a trailer", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", 9, "hello", true},
		{"chunked and not read", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 0, "", false},
		{"chunked and half read", "Transfer-Encoding: chunked", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 5, "hello", false},
		{"waited for and not read", "Content-Length: 5\r\nExpect: 100-continue", "hello", 0, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				says(client, "POST / HTTP/1.1\r\nHost: a\r\n"+row.framing+"\r\n\r\n"+row.sent+after)
				head(t, c)
				got, err := io.ReadAll(io.LimitReader(&c.body, int64(row.read)))
				if string(got) != row.want || err != nil {
					t.Errorf("got %q %v, want %v", got, err, row.want)
				}
				if c.answered() != row.goesOn {
					t.Errorf("goes on: got %t, want answered %v", !row.goesOn, row.goesOn)
				}
				if got := head(t, c); (got != after) == row.goesOn || got != "" && got != after {
					t.Errorf("the next head: got %q, want %q: %v", got, after, row.goesOn)
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
		{"one that ends early", "Content-Length: 5", "hell", errBodyEnd},
		{"one that does not begin", "Content-Length: 5", "", errBodyEnd},
		{"chunks without an end", "Transfer-Encoding: chunked", "5\r\nhello\r\n", errBodyEnd},
		{"chunks without the last line", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", errBodyEnd},
		{"a chunk that is longer than it says", "Transfer-Encoding: chunked", "4\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a chunk without a size", "Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a sign", "Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a prefix", "Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size beyond all numbers", "Transfer-Encoding: chunked", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size of 2^64 - 1", "Transfer-Encoding: chunked", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", nil},
		{"a size of 2^64 and 5", "Transfer-Encoding: chunked", "10000000000000005\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size below nothing", "Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size after a blank", "Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a blank in it", "Transfer-Encoding: chunked", "0 5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with an underscore", "Transfer-Encoding: chunked", "0_5\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size with a null byte", "Transfer-Encoding: chunked", "5\x00\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a size line that ends in a carriage return alone", "Transfer-Encoding: chunked", "5\rhello\r\n0\r\n\r\n", errChunks},
		{"an extension with a carriage return in it", "Transfer-Encoding: chunked", "5;a\rb\r\nhello\r\n0\r\n\r\n", errChunks},
		{"an extension without end", "Transfer-Encoding: chunked", "5;" + strings.Repeat("a", 20_000) + "\r\nhello\r\n0\r\n\r\n", errChunks},
		{"a trailer with a null byte", "Transfer-Encoding: chunked", "0\r\nX: a\x00\r\n\r\n", nil},
		{"a trailer with a blank before the colon", "Transfer-Encoding: chunked", "0\r\nX : a\r\n\r\n", nil},
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
					t.Errorf("%v, want %v", err, row.want)
				}
				if c.answered() || head(t, c) != "" {
					t.Error("another request may follow, want not answered, no head")
				}
			})
		})
	}
}

func TestBodiesHaveABound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, rest string }{
		{"one that says so", "Content-Length: 5\r\n\r\nhello"},
		{"one that does not", "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				says(client, "POST / HTTP/1.1\r\nHost: a\r\n"+row.rest)
				if _, err := c.Read(make([]byte, Defaults.Head)); err != nil || !c.serve(4) {
					t.Fatal(err)
				}
				err := error(c.refusal)
				if c.refusal == nil {
					_, err = io.ReadAll(&c.body)
				}
				if !errors.Is(err, errBodySize) || c.answered() {
					t.Errorf("%v, and it goes on, want error %v, not answered", err, errBodySize)
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
			says(client, text)
			begun := time.Now()
			if head(t, c); c.refusal == nil || c.refusal.Status != 400 || time.Since(begun) != 0 {
				t.Errorf("%q: %v after %s, want a refusal, 400, after 0", text, c.refusal, time.Since(begun))
			}
		})
	}
}

func TestContinueIsSentWhenTheBodyIsRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, ahead, want string }{
		{"by a client that waits", "", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"by a client that does not wait", "he", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pair(t)
				var heard bytes.Buffer
				go io.Copy(&heard, client)
				says(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"+row.ahead)
				head(t, c)
				if synctest.Wait(); heard.Len() != 0 {
					t.Fatalf("%q before anybody wants the body", heard.String())
				}
				says(client, "hello"[len(row.ahead):])
				got, err := io.ReadAll(&c.body)
				synctest.Wait()
				if string(got) != "hello" || err != nil || heard.String() != row.want || !c.answered() {
					t.Errorf("%q %v, and the client heard %q, want hello, heard %v, answered", got, err, heard.String(), row.want)
				}
			})
		})
	}
}

// Each of these is sent by a client until the server closes the connection.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"
	for _, row := range []struct {
		name, begins string
		piece        int // bytes a second after that
		want         *Refusal
	}{
		{"a head that drips", "GET / HTTP/1.1\r\nHost: a\r\nX: ", 1, errHeadTime},
		{"a head that stops", "GET / HT", 0, errHeadTime},
		{"a body that drips", post, 1, errBodyTime},
		{"a body that stops", post, 0, errBodyTime},
		{"a body that stops after much of it", post + strings.Repeat("x", 2_000_000), 0, errBodyTime},
		{"a body just too slow", post, Defaults.Rate - 1000, errBodyTime},
		{"a body at 300 kB/s", post, 300_000, nil},
		{"a body just fast enough", post, Defaults.Rate + 1, nil},
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
					t.Errorf("%v, want %v", err, row.want)
				}
				if c.answered() != (row.want == nil) {
					t.Errorf("goes on: got %t, want answered %v", row.want != nil, (row.want == nil))
				}
			})
		})
	}
}

// A client that sends nothing gets no answer.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		begun := time.Now()
		if got := head(t, c); got != "" || time.Since(begun) != Defaults.HeadTime {
			t.Errorf("new: %q after %s, want none, after %v", got, time.Since(begun), Defaults.HeadTime)
		}
		says(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n") // an empty line is nothing
		head(t, c)
		c.answered()
		begun = time.Now()
		if got := head(t, c); got != "" || time.Since(begun) != Defaults.Idle {
			t.Errorf("between two requests: %q after %s, want none, after %v", got, time.Since(begun), Defaults.Idle)
		}
	})
}
