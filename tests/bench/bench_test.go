// Package bench_test measures the real binary over HTTP. Beside each figure stands a floor,
// measured in the same run with the same load generator: what the machine achieves with a program
// that does nothing else. `make bench` runs it.
package bench_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
	"github.com/valyala/fasthttp"

	"patchbay/tests/gateway"
)

const (
	rounds = 3
	starts = 9
)

// task is a kind of request, and the floor that it is compared with.
type task struct {
	name   string
	method string
	path   string
	body   func(n int64) (body []byte, signature string)
	status int
	// The floor: a bare handler if commits is 0, otherwise this many bare group commits of rows of
	// size bytes.
	commits, size int
	goal          string
}

// text returns a body that contains a unique number.
func text(format string) func(int64) ([]byte, string) {
	return func(n int64) ([]byte, string) { return fmt.Appendf(nil, format, n), "" }
}

func tasks(user string) []task {
	return []task{
		{"user read", "GET", user, func(int64) ([]byte, string) { return nil, "" }, 200, 0, 0, "0.4 at 16"},
		{"user create", "POST", "/api/users", text(`{"email":"u%d@example.com","name":"Ada","metadata":{"plan":"free"}}`), 201, 1, 150, "0.3 at 64"},
		{"payment", "POST", "/api/payments", text(`{"amount":1999,"currency":"usd","paymentMethod":"pm_card_visa","confirm":true,"metadata":{"order":"%d"}}`), 201, 3, 900, ""},
		{"email accept", "POST", "/api/emails", text(`{"to":["ada@example.com"],"subject":"Hello %d","text":"Hello"}`), 202, 1, 600, ""},
		{"webhook ingest", "POST", "/api/webhooks/stripe", signed, 200, 1, 500, ""},
	}
}

// signed returns a new event about an object that is not ours.
func signed(n int64) (body []byte, signature string) {
	body = fmt.Appendf(nil, `{"id":"evt_%d","object":"event","api_version":"2023-10-16","created":1700000000,`+
		`"type":"customer.created","data":{"object":{"id":"cus_%d","object":"customer","email":null,"metadata":{}}}}`, n, n)
	return body, webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload: body, Secret: gateway.Secret, Timestamp: time.Now(),
	}).Header
}

func BenchmarkGateway(b *testing.B) {
	g := gateway.Start(b)
	u := g.Do(b, "POST", "/api/users", map[string]any{"email": "ada@example.com", "name": "Ada", "metadata": map[string]string{"plan": "free"}})
	path := "/api/users/" + u.Text("id")
	bare := startFloor(b, "answer", string(g.Do(b, "GET", path, nil).Body))
	var numbers atomic.Int64
	var out strings.Builder
	for _, t := range tasks(path) {
		for _, conns := range []int{1, 16, 64} {
			ours, floor := measure(b, g, bare, t, conns, &numbers)
			line(&out, t, conns, ours, floor)
		}
	}
	g.Kill()
	process(b, &out)
	fmt.Printf("\nconnections, requests and floors (%d rounds of %s each, the median)\n%s", rounds, round, out.String())
}

// line is a row of the table.
func line(out *strings.Builder, t task, conns int, ours, floor figure) {
	fmt.Fprintf(out, "%-15s %3d  %s   floor %s   ratio %.2f", t.name, conns, ours, floor, ours.perSecond/floor.perSecond)
	if strings.HasSuffix(t.goal, fmt.Sprint(" ", conns)) {
		fmt.Fprintf(out, "   (goal %s)", t.goal)
	}
	out.WriteString("\n")
}

// measure measures the gateway and the floor in turn, so that the state of the machine affects
// both.
func measure(b *testing.B, g *gateway.Gateway, bare string, t task, conns int, numbers *atomic.Int64) (ours, floor figure) {
	var all, floors []figure
	var commits *commitFloor
	if t.commits > 0 {
		commits = newCommitFloor(b, t.size)
	}
	for range rounds {
		all = append(all, load(b, conns, numbers, caller(strings.TrimPrefix(g.Base, "http://"), conns, t)))
		if commits == nil {
			floors = append(floors, load(b, conns, numbers, caller(bare, conns, t)))
			continue
		}
		floors = append(floors, load(b, conns, numbers, func(_ int, n int64) error { return commits.write(n, t.commits) }))
	}
	return median(all), median(floors)
}

// caller sends a task's requests, with a connection for each worker.
func caller(address string, conns int, t task) func(worker int, number int64) error {
	clients := make([]*fasthttp.HostClient, conns)
	for i := range clients {
		clients[i] = &fasthttp.HostClient{Addr: address, MaxConns: 1}
	}
	return func(worker int, number int64) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI("http://" + address + t.path)
		req.Header.SetMethod(t.method)
		if body, signature := t.body(number); body != nil {
			req.SetBody(body)
			req.Header.SetContentType("application/json")
			req.Header.Set("Stripe-Signature", signature)
			req.Header.Set("Idempotency-Key", fmt.Sprint(number))
		}
		if err := clients[worker].Do(req, resp); err != nil {
			return err
		}
		if resp.StatusCode() != t.status {
			return fmt.Errorf("%s: %d %s", t.name, resp.StatusCode(), resp.Body())
		}
		return nil
	}
}

// process measures the memory and the start of the process.
func process(b *testing.B, out *strings.Builder) {
	g := gateway.Start(b)
	var took []time.Duration
	for range starts {
		if err := g.Stop(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		g.Restart(b)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	memory := g.Memory(b)
	path, err := gateway.Binary()
	if err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(out, "\nstart to first 200  %s   (goal 60 ms; median of %d)\n", took[len(took)/2].Round(100*time.Microsecond), starts)
	fmt.Fprintf(out, "idle memory         %.1f MB   (goal 40 MB)\n", float64(memory)/(1<<20))
	fmt.Fprintf(out, "stripped binary     %.1f MB   (goal 45 MB)\n", float64(info.Size())/(1<<20))
}
