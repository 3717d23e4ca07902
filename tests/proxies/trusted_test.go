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

// As documented, a trusted proxy names its client, whatever that client says of itself,
// and speaks for as many as there are. Nobody else does.
func TestTrustedProxies(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g, key := guarded(t, "PATCHBAY_SERVER__MAX_CONNECTIONS_PER_ADDRESS=2")
			direct := strings.TrimPrefix(g.Base, "http://")
			tap := startTap(t, direct)
			p := start(t, tap.address)
			made := "X-Forwarded-For: 203.0.113.7"
			for _, row := range []struct{ name, at, from, made, client string }{
				{"a client of the proxy", p.address, "127.0.0.2", "X: y", "127.0.0.2"},
				{"a client of the proxy that names another", p.address, "127.0.0.2", made, "127.0.0.2"},
				{"a client of the proxy that names two", p.address, "127.0.0.2", made + ", 127.0.0.1", "127.0.0.2"},
				{"a client that is no proxy and names another", direct, "127.0.0.3", made, "127.0.0.3"},
				{"a proxy on the machine that names nobody", direct, "127.0.0.1", "X: y", "127.0.0.1"},
			} {
				t.Run(row.name, func(t *testing.T) {
					id := strings.ReplaceAll(row.name, " ", "_")[:min(len(row.name), 64)]
					c := &caller{address: row.at, from: row.from}
					defer c.close()
					got := c.get(t, id, key, row.made)
					if got.Status != 200 || got.Header.Get("X-Request-Id") != id {
						t.Fatalf("%v", got)
					}
					if client := clientOf(t, g, id); client != row.client {
						t.Errorf("the log says it is %s, not %s", client, row.client)
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
							if got, err := c.say(text, "GET"); err != nil || got[0].Status != 200 {
								t.Errorf("%v %v", got, err)
								return
							}
						}
					})
				}
				if all.Wait(); tap.atOnce() <= 2 {
					t.Errorf("%d at once show nothing", tap.atOnce())
				}
			})
			t.Run("anybody else has no more than an address may have", func(t *testing.T) {
				if n := hold(t, direct, "127.0.0.4", key); n != 2 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// A proxy that is not named is a client like others: it is taken for who calls, its
// connections are counted, and what it says of its own clients is not believed.
func TestProxiesThatAreNotTrusted(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g, key := guarded(t, "PATCHBAY_SERVER__TRUSTED_PROXIES=192.0.2.1", "PATCHBAY_SERVER__MAX_CONNECTIONS_PER_ADDRESS=8")
			p := start(t, strings.TrimPrefix(g.Base, "http://"))
			c := &caller{address: p.address, from: "127.0.0.2"}
			defer c.close()
			c.get(t, "first", key, "X: y")
			if client := clientOf(t, g, "first"); client != "127.0.0.1" {
				t.Errorf("the log says it is %s", client)
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
						got, err := c.say(text, "GET")
						mu.Lock()
						switch {
						case errors.Is(err, errNoAnswer): // too many are turned away at once
							statuses[0]++
						case err != nil:
							t.Error(err)
						case got[0].Status == 429 && got[0].Text("error", "code") != "too_many_connections":
							t.Errorf("%v", got[0])
						default:
							statuses[got[0].Status]++
						}
						mu.Unlock()
					}
				})
			}
			if all.Wait(); statuses[200] == 0 || statuses[429] == 0 {
				t.Errorf("%v", statuses)
			}
		})
	}
}

// Without keys everybody who comes through a proxy would be let in.
func TestAGatewayWithoutKeysAnswersNoProxy(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g := gateway.Start(t)
			p := start(t, strings.TrimPrefix(g.Base, "http://"))
			for _, host := range []string{"api.example", "localhost"} {
				c := &caller{address: p.address}
				got, err := c.say(strings.Replace(request("GET", "/api/payments", "mine", ""), "api.example", host, 1), "GET")
				c.close()
				if err != nil || got[0].Status != 403 || got[0].Text("error", "code") != "api_key_needed" {
					t.Errorf("to %s: %v %v", host, got, err)
				}
			}
		})
	}
}

// get lists payments.
func (c *caller) get(t *testing.T, id, key, line string) gateway.Answer {
	t.Helper()
	got, err := c.say(request("GET", "/api/payments", id, "", "Authorization: Bearer "+key, line), "GET")
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// clientOf is whom the log names as the client of a request.
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

// hold opens connections from an address until one is refused, and returns how many there
// are.
func hold(t *testing.T, address, from, key string) int {
	t.Helper()
	for n := 0; ; n++ {
		c := &caller{address: address, from: from}
		t.Cleanup(c.close)
		got, err := c.say(request("GET", "/api/payments", fmt.Sprint("held-", n), "", "Authorization: Bearer "+key), "GET")
		switch {
		case err != nil && !errors.Is(err, errNoAnswer):
			t.Fatal(err)
		case err == nil && got[0].Status == 200 && n < 10:
			continue
		case err == nil && (got[0].Status != 429 || got[0].Text("error", "code") != "too_many_connections"):
			t.Errorf("%v", got[0])
		}
		return n
	}
}
