package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// guarded is a server that accepts one token and records the token of each request.
type guarded struct {
	*httptest.Server
	mu   sync.Mutex
	good string
	seen []string // "POST token body"
}

func newGuarded(t *testing.T, good string) *guarded {
	t.Helper()
	g := &guarded{good: good}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		token := req.Header.Get("Authorization")
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen = append(g.seen, fmt.Sprintf("%s %s %s", req.Method, token, body))
		if token != "Bearer "+g.good {
			w.Header().Set("X-Refused", "yes")
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *guarded) saw() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.seen, ", ")
}

func TestRefusedTokenIsRefreshedAndTheRequestSentAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, good, method, body string
		status                   int
		want                     string
	}{
		{"at once", "t1", "POST", "b", 200, "POST Bearer t1 b"},
		{"with its body", "t2", "POST", "b", 200, "POST Bearer t1 b, POST Bearer t2 b"},
		{"without a body", "t2", "GET", "", 200, "GET Bearer t1 , GET Bearer t2 "},
		{"refused again", "none", "POST", "b", 401, "POST Bearer t1 b, POST Bearer t2 b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, i := newGuarded(t, tt.good), new(issuer)
			c := client(t, httpclient.Options{BaseURL: g.URL, Tokens: httpclient.NewTokens(i.fetch)})
			ctx, x := httpclient.Record(t.Context())
			status, _, err := send(ctx, t, c, tt.method, g.URL, tt.body, nil)
			if err != nil || status != tt.status || g.saw() != tt.want {
				t.Fatalf("status %d: got %s; %v, want %v, saw %v", status, g.saw(), err, tt.status, tt.want)
			}
			if !x.Written() || x.Status() != tt.status || (x.Header("X-Refused") == "yes") != (tt.status == 401) {
				t.Fatalf("got the record of the first request with %d, want that of the last with %d", x.Status(), tt.status)
			}
		})
	}
}

func TestRefusedTokenStands(t *testing.T) {
	t.Parallel()
	once := func(req *http.Request) { req.GetBody = nil }
	broken := func(req *http.Request) { req.GetBody = func() (io.ReadCloser, error) { return nil, errDown } }
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		tokens httpclient.TokenSource
	}{
		{"where the body can be read once", once, httpclient.NewTokens(new(issuer).fetch)},
		{"where the body can't be had again", broken, httpclient.NewTokens(new(issuer).fetch)},
		{"where there is no other", func(*http.Request) {}, fixed("t1")},
		{"where the token endpoint is down", func(*http.Request) {}, refusing("t1")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, "none")
			c := client(t, httpclient.Options{BaseURL: g.URL, Tokens: tt.tokens})
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, strings.NewReader("b"))
			tt.change(req)
			resp, err := c.HTTP().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 401 || string(body) != "{}" || err != nil || g.saw() != "POST Bearer t1 b" {
				t.Fatalf("status %d, %q, %v: got %s, want 401, \"{}\", saw \"POST Bearer t1 b\"", resp.StatusCode, body, err, g.saw())
			}
		})
	}
}

// refusing is a token source that never gets another token.
type refusing string

func (r refusing) Token(context.Context) (string, error)           { return string(r), nil }
func (r refusing) Refresh(context.Context, string) (string, error) { return "", errDown }

func TestHundredRefusedMakeOneFetch(t *testing.T) {
	t.Parallel()
	const callers = 100
	var arrived sync.WaitGroup
	arrived.Add(callers)
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		token := req.Header.Get("Authorization")
		mu.Lock()
		seen[token+" "+string(body)]++
		mu.Unlock()
		if token == "Bearer t1" {
			arrived.Done()
			arrived.Wait() // so that each of them is refused
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	i := new(issuer)
	c := client(t, httpclient.Options{BaseURL: server.URL, Tokens: httpclient.NewTokens(i.fetch)})
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			if err := c.Do(t.Context(), httpclient.Request{Method: http.MethodPost, In: n}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if i.fetches.Load() != 2 || len(seen) != 2*callers {
		t.Fatalf("%d fetches with the first, %d requests, want fetches 2, %v seen", i.fetches.Load(), len(seen), 2*callers)
	}
	for request, times := range seen {
		if times != 1 {
			t.Errorf("%s: got %d times, want 1", request, times)
		}
	}
}

func TestTokenIsForTheConfiguredHostAlone(t *testing.T) {
	t.Parallel()
	var base, port, scheme atomic.Pointer[string]
	note := func(p *atomic.Pointer[string]) peer {
		return func(c net.Conn, req *http.Request, _ int) bool {
			token := req.Header.Get("Authorization")
			p.Store(&token)
			_, _ = io.WriteString(c, fine)
			return true
		}
	}
	a := newAuthority(t)
	here, there := newRaw(t, nil, note(&base)), newRaw(t, nil, note(&port))
	// One address under two schemes: the network of the second leads to another server.
	secured := newRaw(t, a.server(t, "127.0.0.1", time.Now().Add(time.Hour)), note(&scheme))
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if network == "tcp" && ctx.Value(elsewhere{}) != nil {
			address = secured.address
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	c := client(t, httpclient.Options{BaseURL: "http://" + here.address, Roots: a.client(), Tokens: fixed("t")}.Over(dial))
	for _, tt := range []struct {
		name, url, want string
		ctx             context.Context
		seen            *atomic.Pointer[string]
	}{
		{"the host itself", "http://" + here.address, "Bearer t", t.Context(), &base},
		{"another port", "http://" + there.address, "", t.Context(), &port},
		{"another scheme", "https://" + here.address, "", context.WithValue(t.Context(), elsewhere{}, true), &scheme},
	} {
		if _, _, err := send(tt.ctx, t, c, http.MethodPost, tt.url, "x", nil); err != nil || *tt.seen.Load() != tt.want {
			t.Errorf("%s: got %v, %v, want seen %v", tt.name, tt.seen.Load(), err, tt.want)
		}
	}
}

type elsewhere struct{}

func TestWithoutATokenNoRequestIsSent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"the endpoint is down", errDown, fault.Unavailable},
		{"its answer was lost", fault.New(fault.UnknownOutcome, "", ""), fault.Unavailable},
		{"it refused us", fault.New(fault.Unauthorized, "", ""), fault.Unauthorized},
		{"what it said is secret", errors.New("it said " + canaryBody), fault.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, "none")
			tokens := httpclient.NewTokens(func(context.Context) (httpclient.Token, error) { return httpclient.Token{}, tt.err })
			c := client(t, httpclient.Options{BaseURL: g.URL, Tokens: tokens, Attempts: 1})
			err := c.Do(t.Context(), httpclient.Request{Method: http.MethodPost, In: 1})
			if !fault.Is(err, tt.want) || !errors.Is(err, tt.err) || strings.Contains(err.Error(), "canary") || g.saw() != "" {
				t.Fatalf("%v, and the host saw %s, want kind %v, error %v, no \"canary\" in it, no saw", err, g.saw(), tt.want, tt.err)
			}
			body := &closed{Reader: strings.NewReader("b")}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, body)
			if resp, err := c.HTTP().Do(req); err == nil {
				_ = resp.Body.Close()
				t.Fatal("sent, want an error")
			}
			if !body.closed.Load() {
				t.Fatal("got an open body, want it closed")
			}
		})
	}
}

type closed struct {
	io.Reader
	closed atomic.Bool
}

func (c *closed) Close() error { c.closed.Store(true); return nil }

// The request to the token endpoint is not the caller's, even though it uses the caller's context;
// and a request that was refused was not processed.
func TestOnlyTheLastRequestCounts(t *testing.T) {
	t.Parallel()
	endpoint := newRaw(t, nil, respond(fine))
	l := listen(t)
	_ = l.Close()
	for _, tt := range []struct{ name, base string }{
		{"none was sent", "http://" + l.Addr().String()},
		{"the first was refused, the second not sent", "http://" + newRaw(t, nil, respond("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")).address},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := client(t, httpclient.Options{BaseURL: "http://" + endpoint.address})
			var fetches, dials atomic.Int64
			tokens := httpclient.NewTokens(func(ctx context.Context) (httpclient.Token, error) {
				_, _, err := send(ctx, t, api, http.MethodPost, "http://"+endpoint.address, "", nil)
				return httpclient.Token{Value: fmt.Sprint("t", fetches.Add(1))}, err
			})
			o := httpclient.Options{BaseURL: tt.base, Tokens: tokens}.Over(func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials.Add(1) > 1 {
					return nil, errRefused
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			})
			ctx, x := httpclient.Record(t.Context())
			_, _, err := send(ctx, t, client(t, o), http.MethodPost, tt.base, "x", nil)
			if err == nil || x.Written() || x.Status() != 0 || x.Kind(err) != fault.Unavailable {
				t.Fatalf("got written %t, status %d, error %v, want kind %s with nothing written", x.Written(), x.Status(), err, fault.Unavailable)
			}
		})
	}
}
