package bench_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"patchbay/tests/gateway"
)

const (
	drained   = 5_000 // messages in the queue
	drainBy   = 2 * time.Minute
	feeders   = 64 // connections over which the provider is fed directly
	batchSize = 10_000
)

// BenchmarkMail measures mail beside the provider that it goes to: a bare handler that accepts every
// message. Its other floor is a bare handler that forwards each request to that provider, and stores
// nothing.
func BenchmarkMail(b *testing.B) {
	var out strings.Builder
	for _, latency := range []string{"0s", "20ms"} {
		provider := startFloor(b, "provider", latency)
		m := mailer{g: startMailer(b, provider), provider: provider, forward: startFloor(b, "forward", provider)}
		fmt.Fprintf(&out, "a provider that takes %s\n", latency)
		m.accept(b, &out)
		m.drain(b, &out)
		m.g.Kill()
	}
	batch(b, &out)
	fmt.Printf("\nmail through one provider (%d rounds of %s each, the median)\n%s", rounds, round, out.String())
}

// mailer is a gateway in front of one mail provider.
type mailer struct {
	g                 *gateway.Gateway
	provider, forward string // addresses
	numbers           atomic.Int64
}

func startMailer(b *testing.B, provider string) *gateway.Gateway {
	b.Helper()
	g := gateway.Configured(b, fmt.Sprintf(`
mail: {providers: [sendgrid], from: shop@example.com}
providers:
  sendgrid: {type: sendgrid, api_key: "${SENDGRID_KEY}", base_url: %q}
`, "http://"+provider), "SENDGRID_KEY=SG.bench")
	g.Restart(b)
	return g
}

// message is a request for one message.
var message = task{name: "email accept", method: "POST", path: "/api/emails", body: text(`{"to":["ada@example.com"],"subject":"Hello %d","text":"Hello"}`), status: 202}

// accept measures the requests while the messages are sent too.
func (m *mailer) accept(b *testing.B, out *strings.Builder) {
	for _, row := range []struct {
		conns int
		goal  float64
	}{{16, 0.2}, {64, 0.3}} {
		var ours, floors []figure
		for range rounds {
			ours = append(ours, load(b, row.conns, &m.numbers, caller(strings.TrimPrefix(m.g.Base, "http://"), row.conns, message)))
			m.awaitIdle(b)
			floors = append(floors, load(b, row.conns, &m.numbers, caller(m.forward, row.conns, message)))
		}
		a, z := median(ours), median(floors)
		fmt.Fprintf(out, "email accept  %3d  %s   forwarded %s   ratio %.2f   (goal %.2f)\n", row.conns, a, z, a.perSecond/z.perSecond, row.goal)
	}
}

// accepted returns how many messages the provider has accepted.
func (m *mailer) accepted(b *testing.B) (n int) {
	b.Helper()
	_, body, err := fasthttp.Get(nil, "http://"+m.provider+"/accepted")
	if err == nil {
		_, err = fmt.Sscan(string(body), &n)
	}
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// awaitIdle waits until the provider gets no more messages.
func (m *mailer) awaitIdle(b *testing.B) {
	b.Helper()
	last, since := -1, time.Now()
	gateway.Eventually(b, drainBy, "the queue is empty", func() bool {
		if now := m.accepted(b); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
}

// drain measures how fast a queue of messages that are all due at once reaches the provider, from the first one
// on, and how fast the provider can be fed. A queue is looked at each second.
func (m *mailer) drain(b *testing.B, out *strings.Builder) {
	m.awaitIdle(b)
	before, due := m.accepted(b), time.Now().Add(10*time.Second)
	later := message
	later.body = text(`{"to":["ada@example.com"],"subject":"Hello %d","text":"Hello","sendAt":"` + due.UTC().Format(time.RFC3339Nano) + `"}`)
	m.each(b, caller(strings.TrimPrefix(m.g.Base, "http://"), feeders, later))
	if time.Now().After(due) {
		b.Fatal("the first message was due before the last one was accepted")
	}
	<-time.After(time.Until(due))
	sent := 0 // when the time below begins
	gateway.Eventually(b, drainBy, "the first message is sent", func() bool { sent = m.accepted(b) - before; return sent > 0 })
	began := time.Now()
	gateway.Eventually(b, drainBy, "the queue is drained", func() bool { return m.accepted(b) >= before+drained })
	ours := float64(drained-sent) / time.Since(began).Seconds()

	start := time.Now()
	direct := message
	direct.path = "/v3/mail/send"
	m.each(b, caller(m.provider, feeders, direct))
	fed := drained / time.Since(start).Seconds()
	fmt.Fprintf(out, "a queue of %d drains %8.0f/s   the provider fed directly %8.0f/s   ratio %.2f   (goal 0.50)\n", drained, ours, fed, ours/fed)
}

// each calls do as many times as the queue has messages.
func (m *mailer) each(b *testing.B, do func(worker int, number int64) error) {
	b.Helper()
	var left atomic.Int64
	var done sync.WaitGroup
	left.Store(drained)
	for w := range feeders {
		done.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(w, m.numbers.Add(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
}

// batch measures a large batch on a gateway that has done nothing else, with its peak memory until
// all of it is sent.
func batch(b *testing.B, out *strings.Builder) {
	m := mailer{provider: startFloor(b, "provider", "0s")}
	m.g = startMailer(b, m.provider)
	templates := m.g.Data("templates")
	sources := map[string]string{"welcome.subject.hbs": "Welcome, {{name}}", "welcome.html.hbs": "<p>Hello {{name}}, your code is {{code}}.</p>"}
	if err := os.MkdirAll(templates, 0o700); err != nil {
		b.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := os.WriteFile(filepath.Join(templates, name), []byte(sources[name]), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	gateway.Eventually(b, 20*time.Second, "the gateway knows the template", func() bool {
		return m.g.Do(b, "POST", "/api/emails", map[string]any{
			"to": []string{"nobody@example.com"}, "templateId": "welcome", "templateData": map[string]any{"name": "N", "code": 1},
		}).Status == http.StatusAccepted
	})
	m.awaitIdle(b)
	before := m.accepted(b)
	var copies []map[string]any
	for i := range batchSize {
		copies = append(copies, map[string]any{
			"to":                    []map[string]string{{"email": fmt.Sprintf("u%d@example.com", i), "name": fmt.Sprint("User ", i)}},
			"dynamic_template_data": map[string]any{"name": fmt.Sprint("U", i), "code": i},
		})
	}
	start := time.Now()
	answer := m.g.Do(b, "POST", "/api/emails/batch", map[string]any{"template_id": "welcome", "personalizations": copies})
	took := time.Since(start)
	if answer.Status != http.StatusAccepted {
		b.Fatal(answer.Status, string(answer.Body))
	}
	atAccept := m.g.PeakMemory(b)
	gateway.Eventually(b, drainBy, "the batch is sent", func() bool { return m.accepted(b) >= before+batchSize })
	fmt.Fprintf(out, "a batch of %d  accepted in %s   (goal 1 s)   peak memory %.0f MB   (goal 150 MB)   sent after %s, peak %.0f MB\n",
		batchSize, took.Round(time.Millisecond), float64(atAccept)/(1<<20), time.Since(start).Round(100*time.Millisecond), float64(m.g.PeakMemory(b))/(1<<20))
}
