package httpclient_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// The secrets of the failing exchanges. None may appear in an error.
const (
	canaryToken    = "canary-token"
	canaryPassword = "canary-password"
	canaryPath     = "canary-path"
	canaryQuery    = "canary-query"
	canaryBody     = "canary-body"
)

// failure is one way in which an exchange fails. written says whether a byte of the request left;
// status is that of the answer, 0 if there is none.
type failure struct {
	name    string
	written bool
	status  int
	kind    fault.Kind
	options func(t *testing.T) httpclient.Options
	ctx     func(t *testing.T) context.Context
}

// failures returns all ways. A failure after the request is tried over plain connections and over
// TLS.
func failures() []failure {
	all := []failure{
		{name: "refused dial", kind: fault.Unavailable, options: func(t *testing.T) httpclient.Options {
			l := listen(t)
			_ = l.Close()
			return plain(l.Addr().String())
		}},
		{name: "unknown host", kind: fault.Unavailable, options: func(*testing.T) httpclient.Options {
			return plain("nowhere.invalid")
		}},
		{name: "canceled before the dial", kind: fault.Canceled, options: served(false, respond(fine)), ctx: func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}},
		{name: "canceled with a cause before the dial", kind: fault.Canceled, options: served(false, respond(fine)), ctx: func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(fmt.Errorf("enough of %s", canaryBody))
			return ctx
		}},
		{name: "deadline exceeded before the dial", kind: fault.Unavailable, options: served(false, respond(fine)), ctx: func(t *testing.T) context.Context {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			t.Cleanup(cancel)
			return ctx
		}},
		{name: "certificate expired", kind: fault.Unavailable, options: handshake("127.0.0.1", -time.Minute, true)},
		{name: "certificate of another host", kind: fault.Unavailable, options: handshake("other.test", time.Hour, true)},
		{name: "certificate of an unknown authority", kind: fault.Unavailable, options: handshake("127.0.0.1", time.Hour, false)},
		{name: "plain HTTP answered to TLS", kind: fault.Unavailable, options: func(t *testing.T) httpclient.Options {
			return secure(greeter(t, "HTTP/1.1 400 "+canaryBody+"\r\n\r\n"+canaryBody), newAuthority(t))
		}},
		{name: "connection closed during the handshake", kind: fault.Unavailable, options: func(t *testing.T) httpclient.Options {
			return secure(greeter(t, ""), newAuthority(t))
		}},
		{name: "handshake without an answer", kind: fault.Unavailable, options: func(t *testing.T) httpclient.Options {
			o := secure(listen(t).Addr().String(), newAuthority(t))
			o.ConnectTimeout = 50 * time.Millisecond
			return o
		}},
	}
	after := []struct {
		name   string
		peer   peer
		status int
		kind   fault.Kind
	}{
		{"reset after the request", reset, 0, fault.UnknownOutcome},
		{"closed after the request", respond(""), 0, fault.UnknownOutcome},
		{"an answer that is not HTTP", respond(canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"an unknown version of HTTP", respond("HTTP/" + canaryBody + " 200 OK\r\n\r\n"), 0, fault.UnknownOutcome},
		{"a status that is no number", respond("HTTP/1.1 " + canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"a header without a colon", respond("HTTP/1.1 200 OK\r\n" + canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"a header that can't be read", respond("HTTP/1.1 200 OK\r\n " + canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"a length that is no number", respond("HTTP/1.1 200 OK\r\nContent-Length: " + canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"an unknown encoding of the transfer", respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canaryBody + "\r\n\r\n"), 0, fault.UnknownOutcome},
		{"a header without end", respond("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(canaryBody, 1<<14)), 0, fault.UnknownOutcome},
		{"body cut short", respond("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + canaryBody), 200, fault.UnknownOutcome},
		{"a malformed chunk", respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canaryBody + "\r\n"), 200, fault.UnknownOutcome},
		{"a trailer that can't be read", respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n" + canaryBody + "\r\n\r\n"), 200, fault.UnknownOutcome},
		{"malformed gzip", respond("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n" + canaryBody), 200, fault.UnknownOutcome},
		{"an answer that is too large", respond("HTTP/1.1 200 OK\r\nContent-Length: 11000\r\n\r\n" + strings.Repeat(canaryBody, 1000)), 200, fault.UnknownOutcome},
		{"not the JSON that was expected", respond("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n\"" + canaryBody + "\""), 200, fault.UnknownOutcome},
		{"a 500 with a text of its own", respond("HTTP/1.1 500 " + canaryBody + "\r\nContent-Length: 11\r\n\r\n" + canaryBody), 500, fault.UnknownOutcome},
		{"a refusal that quotes the token", respond("HTTP/1.1 401 no " + canaryToken + "\r\nContent-Length: 12\r\n\r\n" + canaryToken), 401, fault.Unauthorized},
		{"a redirect", respond("HTTP/1.1 302 Found\r\nLocation: http://" + canaryBody + "/\r\nContent-Length: 0\r\n\r\n"), 302, fault.Invalid},
		{"a redirect to a malformed URL", respond("HTTP/1.1 307 Found\r\nLocation: http://[" + canaryBody + "\r\nContent-Length: 0\r\n\r\n"), 307, fault.Invalid},
	}
	for _, a := range after {
		all = append(all,
			failure{name: a.name, written: true, status: a.status, kind: a.kind, options: served(false, a.peer)},
			failure{name: a.name + ", over TLS", written: true, status: a.status, kind: a.kind, options: served(true, a.peer)})
	}
	return append(all, expires("deadline exceeded after the request", false), expires("deadline exceeded after the request, over TLS", true))
}

// expires returns the failure of a server that never answers. The deadline passes when the server
// has the request, however long that took.
func expires(name string, over bool) failure {
	arrived := make(chan struct{}, 1)
	f := failure{name: name, written: true, kind: fault.UnknownOutcome}
	f.options = served(over, func(c net.Conn, req *http.Request, nth int) bool {
		arrived <- struct{}{}
		return hang(c, req, nth)
	})
	f.ctx = func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			select {
			case <-arrived:
			case <-ctx.Done():
			}
			cancel(context.DeadlineExceeded)
		}()
		return expired{ctx}
	}
	return f
}

// expired is a context that ends by its deadline.
type expired struct{ context.Context }

func (e expired) Err() error {
	if e.Context.Err() == nil {
		return nil
	}
	return context.DeadlineExceeded
}

func plain(address string) httpclient.Options {
	return httpclient.Options{BaseURL: "http://user:" + canaryPassword + "@" + address + "/" + canaryPath}
}

func secure(address string, a *authority) httpclient.Options {
	return httpclient.Options{BaseURL: "https://user:" + canaryPassword + "@" + address + "/" + canaryPath, Roots: a.client()}
}

func served(over bool, answer peer) func(t *testing.T) httpclient.Options {
	return func(t *testing.T) httpclient.Options {
		if !over {
			return plain(newRaw(t, nil, answer).address)
		}
		a := newAuthority(t)
		return secure(newRaw(t, a.server(t, "127.0.0.1", time.Now().Add(time.Hour)), answer).address, a)
	}
}

func handshake(host string, left time.Duration, known bool) func(t *testing.T) httpclient.Options {
	return func(t *testing.T) httpclient.Options {
		a := newAuthority(t)
		o := secure(newRaw(t, a.server(t, host, time.Now().Add(left)), respond(fine)).address, a)
		if !known {
			o.Roots = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return o
	}
}

// greeter sends its text to whoever connects, and closes the connection once the client has sent
// something.
func greeter(t *testing.T, text string) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4<<10))
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// tried is a failure as an SDK sees it, and as Do reports it.
type tried struct {
	x      *httpclient.Exchange
	status int
	err    error // of the SDK
	doErr  error // of Client.Do
}

func (f failure) try(t *testing.T) tried {
	t.Helper()
	o := f.options(t)
	o.Attempts, o.MaxAnswer, o.Tokens = 1, 4<<10, fixed(canaryToken)
	o.Timeout = patience
	if f.ctx == nil {
		f.ctx = (*testing.T).Context
	}
	// Each failure has a client of its own: a second request might find the first one's connection
	// kept or closed.
	sdk, own := client(t, o), client(t, o)
	var got tried
	recorded, x := httpclient.Record(f.ctx(t))
	got.x = x
	got.status, _, got.err = send(recorded, t, sdk, http.MethodPost, o.BaseURL+"/?key="+canaryQuery, `{"in":1}`, nil)
	got.doErr = own.Do(f.ctx(t), httpclient.Request{Method: http.MethodPost, Path: "/?key=" + canaryQuery, In: 1, Out: new(int)})
	sdk.HTTP().CloseIdleConnections()
	own.HTTP().CloseIdleConnections()
	return got
}

func TestAFailedExchangeRecordsWhetherItWasWritten(t *testing.T) {
	t.Parallel()
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			got := f.try(t)
			if got.x.Written() != f.written {
				t.Errorf("Written() = %t, want %t", got.x.Written(), f.written)
			}
			if got.x.Status() != f.status {
				t.Errorf("Status() = %d, want %d", got.x.Status(), f.status)
			}
			if got.err == nil && got.status != f.status {
				t.Errorf("status of the response = %d, want %d", got.status, f.status)
			}
			if kind := got.x.Kind(got.err); f.status == 0 && kind != f.kind {
				t.Errorf("Kind() = %s, want %s: %v", kind, f.kind, got.err)
			}
			if !fault.Is(got.doErr, f.kind) {
				t.Errorf("error of Do = %v, want kind %s", got.doErr, f.kind)
			}
		})
	}
}

func TestNoErrorContainsASecret(t *testing.T) {
	t.Parallel()
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			got := f.try(t)
			texts := fmt.Sprintf("%v\n%+v", got.doErr, got.doErr)
			if got.err != nil {
				texts += "\n" + httpclient.Redact(got.err).Error()
			}
			if strings.Contains(texts, "canary") {
				t.Errorf("errors = %s, want no canary in them", texts)
			}
		})
	}
}

// Not parallel, because it counts the goroutines of the whole process.
func TestFailuresLeaveNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) { f.try(t) })
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for end := time.After(patience); runtime.NumGoroutine() > before; {
		select {
		case <-poll.C:
		case <-end:
			stacks := make([]byte, 1<<16)
			t.Fatalf("got %d goroutines, want %d as before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestCanceledAfterTheRequestIsUnknown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRaw(t, nil, func(c net.Conn, req *http.Request, nth int) bool {
		cancel()
		return hang(c, req, nth)
	})
	err := client(t, plain(r.address)).Do(ctx, httpclient.Request{Method: http.MethodPost})
	if !fault.Is(err, fault.UnknownOutcome) {
		t.Errorf("error = %v, want kind %s", err, fault.UnknownOutcome)
	}
	if n := r.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// An SDK may make several requests with one context. The failure of the second says nothing about
// the first.
func TestAnExchangeIsWrittenIfAnyOfItsRequestsWas(t *testing.T) {
	t.Parallel()
	r := newRaw(t, nil, respond("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nX-Id: 1\r\nContent-Length: 0\r\n\r\n"))
	c := client(t, plain(r.address))
	ctx, x := httpclient.Record(t.Context())
	if x.Status() != 0 || x.Header("X-Id") != "" || x.Written() {
		t.Fatal("got a record before the request, want none")
	}
	_, _, err := send(ctx, t, c, http.MethodPost, "http://"+r.address, "", nil)
	if err != nil || x.Status() != 429 || x.RetryAfter() != 7*time.Second || x.Header("x-id") != "1" {
		t.Fatalf("after the first: status %d, Retry-After %s, X-Id %q, %v; want 429, 7s, 1", x.Status(), x.RetryAfter(), x.Header("x-id"), err)
	}
	l := listen(t)
	_ = l.Close()
	_, _, err = send(ctx, t, c, http.MethodPost, "http://"+l.Addr().String(), "", nil)
	if err == nil {
		t.Error("the second request succeeded, want an error")
	}
	if !x.Written() {
		t.Error("Written() = false after the second, want true")
	}
	if x.Status() != 0 || x.RetryAfter() != 0 || x.Header("X-Id") != "" {
		t.Errorf("after the second: status %d, Retry-After %s, X-Id %q; want none", x.Status(), x.RetryAfter(), x.Header("x-id"))
	}
}
