package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

const (
	hangingFor = 15 * time.Second // before anything is measured: what waits for the one that hangs has filled its places
	measured   = 10 * time.Second
	arriveBy   = 60 * time.Second
)

// BenchmarkHangingProvider measures how long mail and payments of a healthy provider take while
// another one hangs, as a ratio to how long they take while both are healthy. Both gateways have
// the same traffic, which goes to both providers; no breaker opens.
func BenchmarkHangingProvider(b *testing.B) {
	var out strings.Builder
	well, hanging := startHub(b), startHub(b)
	hanging.mailgun.Inject(faultserver.Fault{Standing: true, Mishap: faultserver.Hang()})
	hanging.stripe.Inject(faultserver.Fault{Standing: true, Mishap: faultserver.Hang()})
	a, z := well.measure(b), hanging.measure(b)
	for i, what := range []string{"mail, until it arrives", "payment", "refund"} {
		fmt.Fprintf(&out, "%-24s well %s   another hangs %s   p99 ratio %.2f   (goal 1.50)\n", what, a[i], z[i], float64(z[i].p99)/float64(a[i].p99))
	}
	fmt.Printf("\na healthy provider while another is well, and while it hangs\n%s", out.String())
}

// hub is a gateway with two accounts each for mail and payments. Mail with many tags can only go
// through the second.
type hub struct {
	address            string
	client             *fasthttp.HostClient
	mailgun            *mailgunsim.Sim
	stripe             *stripesim.Sim
	mu                 sync.Mutex
	sent, arrived      map[string]time.Time
	payments, refunded []time.Duration
}

func startHub(b *testing.B) *hub {
	b.Helper()
	h := &hub{
		mailgun: mailgunsim.Start(b, mailgunsim.Options{}), stripe: stripesim.Start(b, stripesim.Options{}),
		sent: map[string]time.Time{}, arrived: map[string]time.Time{},
	}
	sendgrid, stripe := sendgridsim.Start(b, sendgridsim.Options{Check: sendgridapi.Check(b)}), stripesim.Start(b, stripesim.Options{})
	sendgrid.Inject(faultserver.Fault{Standing: true, Match: func(_ *http.Request, body []byte) bool {
		h.arrives(body)
		return false // nothing befalls it
	}})
	g := gateway.Configured(b, fmt.Sprintf(`
payments: {providers: [stripe, stripe-eu]}
mail: {providers: [mailgun, sendgrid], from: shop@example.com}
providers:
  stripe: {type: stripe, secret_key: "${FIRST_KEY}", base_url: %q}
  stripe-eu: {type: stripe, secret_key: "${SECOND_KEY}", base_url: %q}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q}
  sendgrid: {type: sendgrid, api_key: "${SENDGRID_KEY}", base_url: %q}
policies:
  payments: {breaker: {minimum_calls: 10000}}
  mail: {breaker: {minimum_calls: 10000}}
`, h.stripe.URL(), stripe.URL(), h.mailgun.Domain(), h.mailgun.URL(), sendgrid.URL()),
		"FIRST_KEY="+h.stripe.Key(), "SECOND_KEY="+stripe.Key(), "MAILGUN_KEY="+h.mailgun.Key(), "SENDGRID_KEY="+sendgrid.Key())
	g.Restart(b)
	h.address = strings.TrimPrefix(g.Base, "http://")
	h.client = &fasthttp.HostClient{Addr: h.address, MaxConns: 1000}
	return h
}

// arrives records when a message with a number in its subject arrived.
func (h *hub) arrives(body []byte) {
	var message struct {
		Subject          string                     `json:"subject"`
		Personalizations []struct{ Subject string } `json:"personalizations"`
	}
	_ = json.Unmarshal(body, &message) // ours
	for _, p := range message.Personalizations {
		message.Subject = max(message.Subject, p.Subject)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, twice := h.arrived[message.Subject]; !twice {
		h.arrived[message.Subject] = time.Now()
	}
}

// measure makes the same traffic all the time: to the first providers, and to the healthy ones,
// which are timed.
func (h *hub) measure(b *testing.B) [3]figure {
	b.Helper()
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { every(20*time.Millisecond, stop, func(n int) { h.mail(b, "to the first", n, 0) }) })
	others.Go(func() { every(100*time.Millisecond, stop, func(n int) { h.pay(b, "stripe", n) }) })
	<-time.After(hangingFor)
	end := make(chan struct{})
	var ours sync.WaitGroup
	ours.Go(func() { every(20*time.Millisecond, end, func(n int) { h.mail(b, "healthy", n, 5) }) })
	ours.Go(func() {
		every(20*time.Millisecond, end, func(n int) {
			start := time.Now()
			id := h.pay(b, "stripe-eu", n)
			paid := time.Now()
			h.ask(b, "/api/payments/"+id+"/refunds", `{}`)
			h.mu.Lock()
			h.payments, h.refunded = append(h.payments, paid.Sub(start)), append(h.refunded, time.Since(paid))
			h.mu.Unlock()
		})
	})
	<-time.After(measured)
	close(end)
	ours.Wait()
	mails := h.mails()
	close(stop)
	others.Wait()
	return [3]figure{figureOf(mails), figureOf(h.payments), figureOf(h.refunded)}
}

// every calls a function at this interval, however long it takes, and waits for all calls.
func every(d time.Duration, stop <-chan struct{}, do func(n int)) {
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-ticker.C:
			all.Go(func() { do(n) })
		}
	}
}

func (h *hub) mail(b *testing.B, what string, n, tags int) {
	subject := fmt.Sprintf("%s %d", what, n)
	var list []string
	for i := range tags {
		list = append(list, fmt.Sprintf("%q", fmt.Sprint("tag", i)))
	}
	if tags > 0 {
		h.mu.Lock()
		h.sent[subject] = time.Now()
		h.mu.Unlock()
	}
	h.ask(b, "/api/emails", fmt.Sprintf(`{"to":["ada@example.com"],"subject":%q,"text":"Hello","tags":[%s]}`, subject, strings.Join(list, ",")))
}

func (h *hub) pay(b *testing.B, account string, n int) (id string) {
	answer := h.ask(b, "/api/payments", fmt.Sprintf(
		`{"amount":1999,"currency":"usd","confirm":true,"metadata":{"order":"%d"},"paymentMethods":{%q:"pm_card_visa"}}`, n, account))
	var p struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(answer, &p) // an absent id fails the next request
	return p.ID
}

func (h *hub) ask(b *testing.B, path, body string) []byte {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + h.address + path)
	req.Header.SetMethod("POST")
	req.Header.SetContentType("application/json")
	req.SetBodyString(body)
	if err := h.client.Do(req, resp); err != nil || resp.StatusCode() >= 300 {
		b.Errorf("%s: got %v %d %s, want status code below 300", path, err, resp.StatusCode(), resp.Body())
	}
	return bytes.Clone(resp.Body())
}

// mails returns how long each message took, and waits a while for those that have not arrived.
func (h *hub) mails() (all []time.Duration) {
	deadline := time.Now().Add(arriveBy)
	for waiting := true; waiting && time.Now().Before(deadline); {
		<-time.After(50 * time.Millisecond)
		h.mu.Lock()
		waiting = false
		for subject := range h.sent {
			waiting = waiting || h.arrived[subject].IsZero()
		}
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for subject, sent := range h.sent {
		at := h.arrived[subject]
		if at.IsZero() {
			at = time.Now() // and not yet
		}
		all = append(all, at.Sub(sent))
	}
	return all
}

// figureOf summarizes the times of calls at a fixed interval.
func figureOf(times []time.Duration) figure {
	if len(times) == 0 {
		return figure{}
	}
	slices.Sort(times)
	return figure{perSecond: float64(len(times)) / measured.Seconds(), p50: times[len(times)/2], p99: times[len(times)*99/100]}
}
