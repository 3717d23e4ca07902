//go:build interop

package proxies

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"patchbay/tests/gateway"
)

// With the documented settings the gateway takes the client's address from a trusted proxy, whatever
// the client claims, and from no other peer. A trusted proxy may have any number of connections.
func TestTrustedProxies(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g, key := startGuarded(t, "PATCHBAY_SERVER__MAX_CONNECTIONS_PER_ADDRESS=2")
			direct := strings.TrimPrefix(g.Base, "http://")
			rec := startRecorder(t, direct)
			p := start(t, rec.address)
			made := "X-Forwarded-For: 203.0.113.7"
			for _, row := range []struct{ name, at, from, made, client string }{
				{"a client of the proxy", p.address, "127.0.0.2", "X: y", "127.0.0.2"},
				{"a client of the proxy that names another", p.address, "127.0.0.2", made, "127.0.0.2"},
				{"a client of the proxy that names two", p.address, "127.0.0.2", made + ", 127.0.0.1", "127.0.0.2"},
				{"a client that is no proxy and names another", direct, "127.0.0.3", made, "127.0.0.3"},
				{"a proxy on the machine without X-Forwarded-For", direct, "127.0.0.1", "X: y", "127.0.0.1"},
			} {
				t.Run(row.name, func(t *testing.T) {
					id := strings.ReplaceAll(row.name, " ", "_")[:min(len(row.name), 64)]
					c := &caller{address: row.at, from: row.from}
					defer c.close()
					got := c.get(t, id, key, row.made)
					if got.Status != 200 || got.Header.Get("X-Request-Id") != id {
						t.Fatalf("got %v, want 200, X-Request-Id %v", got, id)
					}
					if client := clientOf(t, g, id); client != row.client {
						t.Errorf("client in the log = %s, want %s", client, row.client)
					}
				})
			}
			t.Run("a proxy has as many connections as it needs", func(t *testing.T) {
				var all sync.WaitGroup
				for i := range 32 {
					all.Go(func() {
						c := &caller{address: p.address}
						defer c.close()
						for n := range 20 {
							text := request("GET", "/api/payments", fmt.Sprint("p", i, "-", n), "", "Authorization: Bearer "+key)
							if got, err := c.exchange(text, "GET"); err != nil || got[0].Status != 200 {
								t.Errorf("got %v %v, want 200", got, err)
								return
							}
						}
					})
				}
				if all.Wait(); rec.atOnce() <= 2 {
					t.Errorf("%d connections at once, want more than 2", rec.atOnce())
				}
			})
			t.Run("another address has no more connections than the limit", func(t *testing.T) {
				if n := hold(t, direct, "127.0.0.4", key); n != 2 {
					t.Errorf("got %d connections, want 2", n)
				}
			})
		})
	}
}

// A proxy that is not trusted is a client like any other: its address is the client's, its
// connections are limited, and its X-Forwarded-For is ignored.
func TestProxiesThatAreNotTrusted(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g, key := startGuarded(t, "PATCHBAY_SERVER__TRUSTED_PROXIES=192.0.2.1", "PATCHBAY_SERVER__MAX_CONNECTIONS_PER_ADDRESS=8")
			p := start(t, strings.TrimPrefix(g.Base, "http://"))
			c := &caller{address: p.address, from: "127.0.0.2"}
			defer c.close()
			c.get(t, "first", key, "X: y")
			if client := clientOf(t, g, "first"); client != "127.0.0.1" {
				t.Errorf("client in the log = %s, want 127.0.0.1", client)
			}
			var all sync.WaitGroup
			var mu sync.Mutex
			statuses := make(map[int]int)
			for i := range 32 {
				all.Go(func() {
					c := &caller{address: p.address}
					defer c.close()
					for n := range 20 {
						text := request("GET", "/api/payments", fmt.Sprint("u", i, "-", n), "", "Authorization: Bearer "+key)
						got, err := c.exchange(text, "GET")
						mu.Lock()
						switch {
						case errors.Is(err, errNoAnswer): // many connections are refused at the same time
							statuses[0]++
						case err != nil:
							t.Error(err)
						case got[0].Status == 429 && got[0].Text("error", "code") != "too_many_connections":
							t.Errorf("got %v, want 429 with code too_many_connections", got[0])
						default:
							statuses[got[0].Status]++
						}
						mu.Unlock()
					}
				})
			}
			if all.Wait(); statuses[200] == 0 || statuses[429] == 0 {
				t.Errorf("got %v, want some 200 and some 429", statuses)
			}
		})
	}
}

// Without API keys everybody who comes through a proxy would have access.
func TestAGatewayWithoutKeysAnswersNoProxy(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g := gateway.Start(t)
			p := start(t, strings.TrimPrefix(g.Base, "http://"))
			for _, host := range []string{"api.example", "localhost"} {
				c := &caller{address: p.address}
				got, err := c.exchange(strings.Replace(request("GET", "/api/payments", "mine", ""), "api.example", host, 1), "GET")
				c.close()
				if err != nil || got[0].Status != 403 || got[0].Text("error", "code") != "api_key_needed" {
					t.Errorf("to %s: got %v %v, want 403, error.code api_key_needed", host, got, err)
				}
			}
		})
	}
}

// get lists payments.
func (c *caller) get(t *testing.T, id, key, line string) gateway.Answer {
	t.Helper()
	got, err := c.exchange(request("GET", "/api/payments", id, "", "Authorization: Bearer "+key, line), "GET")
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// clientOf returns the client of a request according to the log.
func clientOf(t *testing.T, g *gateway.Gateway, id string) (client string) {
	t.Helper()
	line := regexp.MustCompile(`msg=request .*request=` + regexp.QuoteMeta(id) + ` client=(\S+)`)
	gateway.Eventually(t, patience, "the request has a line", func() bool {
		m := line.FindStringSubmatch(g.Log())
		if m != nil {
			client = m[1]
		}
		return m != nil
	})
	return client
}

// hold opens connections from an address until one is refused, and returns how many are open.
func hold(t *testing.T, address, from, key string) int {
	t.Helper()
	for n := 0; ; n++ {
		c := &caller{address: address, from: from}
		t.Cleanup(c.close)
		got, err := c.exchange(request("GET", "/api/payments", fmt.Sprint("held-", n), "", "Authorization: Bearer "+key), "GET")
		switch {
		case err != nil && !errors.Is(err, errNoAnswer):
			t.Fatal(err)
		case err == nil && got[0].Status == 200 && n < 10:
			continue
		case err == nil && (got[0].Status != 429 || got[0].Text("error", "code") != "too_many_connections"):
			t.Errorf("got %v, want 429 with code too_many_connections", got[0])
		}
		return n
	}
}
