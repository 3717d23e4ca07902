package orderpay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/clock"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/ids"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/adapters/resilience"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/ports"
	"patchbay/tests/defaultpolicy"
	"patchbay/tests/memjournal"
	"patchbay/tests/orderpay"
)

const (
	atStripe, atOrders = "stripe", "orders"
	tenant             = "default"
	whsec              = "whsec_town"
	lookupLag          = 90 * time.Second
)

// town is a gateway with an account at Stripe and one at the provider of orders, on virtual time.
type town struct {
	t       *testing.T
	journal *memjournal.Journal
	stripe  *stripesim.Sim
	orders  *orderpay.Sim
	calm    atomic.Bool // nothing fails any more
	dark    atomic.Bool // the provider of orders cannot be reached
	process atomic.Pointer[process]

	mu     sync.Mutex
	luck   *rand.Rand
	counts map[string]int
}

// process is one life of the gateway.
type process struct {
	*payments.Service
	town *town
	dead atomic.Bool
	hook *orderpay.Hook
	said provider.PaymentHook
	stop context.CancelFunc
	done chan struct{}
}

func newTown(t *testing.T, seed uint64) *town {
	return &town{
		t: t, journal: memjournal.New(clock.System{}), stripe: stripesim.New(stripesim.Options{}),
		orders: orderpay.New(orderpay.Options{Lag: lookupLag, Takes: 4 * time.Minute}),
		luck:   rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{},
	}
}

func (w *town) chance(percent int) bool { return w.n(100) < percent }

func (w *town) n(limit int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.luck.IntN(limit)
}

func (w *town) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

// boot starts a process in place of the one before, which is killed: nothing that it does from now
// on reaches the store or a provider.
func (w *town) boot() {
	if old := w.process.Load(); old != nil {
		old.kill()
		w.count("kills")
	}
	p := &process{town: w, done: make(chan struct{})}
	policy := defaultpolicy.Provider()
	policy.Attempts = 2
	within := func(g ports.PaymentGateway, err error) ports.PaymentGateway {
		if err != nil {
			w.t.Fatal(err)
		}
		return resilience.NewGateway(g, resilience.Options{Policy: policy})
	}
	line := func(name string, to http.Handler) httpclient.Options {
		return httpclient.Options{BaseURL: "http://" + name + ".example", Timeout: 5 * time.Second, Wire: &wire{p, name, to}}
	}
	g, err := stripepay.New(stripepay.Options{Name: atStripe, SecretKey: w.stripe.Key(), HTTP: line(atStripe, w.stripe)})
	first := within(g, err)
	o, err := orderpay.NewGateway(orderpay.GatewayOptions{Name: atOrders, Key: w.orders.Key(), Lag: lookupLag, HTTP: line(atOrders, w.orders)})
	second := within(o, err)
	if p.said, err = stripepay.NewHook(clock.System{}, provider.Account{Provider: atStripe, Secrets: []string{whsec}}); err != nil {
		w.t.Fatal(err)
	}
	if p.hook, err = orderpay.NewHook(atOrders, clock.System{}, line(atOrders, w.orders)); err != nil {
		w.t.Fatal(err)
	}
	id := ids.UUIDs{}
	p.Service = payments.New(payments.Options{
		Journal: mortal{w.journal, p}, Gateways: []ports.PaymentGateway{first, second}, Events: p, Clock: clock.System{}, IDs: id,
		Secret: []byte("town"), Owner: id.New("owner"), Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(w.t.Context())
	p.stop = stop
	go func() { defer close(p.done); p.Run(ctx) }()
	w.process.Store(p)
}

func (p *process) kill() {
	p.dead.Store(true)
	p.stop()
}

// Payment implements ports.PaymentReader.
func (p *process) Payment(e webhook.Event) (payment.Intent, bool, error) {
	if e.Provider == atStripe {
		return p.said.Payment(e)
	}
	return p.hook.Payment(e)
}

// mortal is the journal of a process. It fails once the process is dead.
type mortal struct {
	ports.Journal
	p *process
}

var errDead = fault.New(fault.Unavailable, "dead", "the process is dead")

func (m mortal) Save(ctx context.Context, records ...*ports.Record) []error {
	if m.p.dead.Load() {
		errs := make([]error, len(records))
		for i := range errs {
			errs[i] = errDead
		}
		return errs
	}
	return m.Journal.Save(ctx, records...)
}

func (m mortal) Get(ctx context.Context, of, kind, id string) (ports.Record, error) {
	if m.p.dead.Load() {
		return ports.Record{}, errDead
	}
	return m.Journal.Get(ctx, of, kind, id)
}

func (m mortal) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	if m.p.dead.Load() {
		return ports.Record{}, errDead
	}
	return m.Journal.Find(ctx, kind, by, value)
}

func (m mortal) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	if m.p.dead.Load() {
		return nil, errDead
	}
	return m.Journal.Claim(ctx, queue, owner, lease, n, except...)
}

// wire carries the requests of a process to a provider, and fails at random.
type wire struct {
	p    *process
	name string
	to   http.Handler
}

var errReset = errors.New("connection reset by peer")

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	ctx, town := req.Context(), w.p.town
	if err := sleep(ctx, time.Duration(5+town.n(300))*time.Millisecond); err != nil {
		return nil, err
	}
	if w.name == atOrders && town.dark.Load() || w.p.dead.Load() {
		return nil, errors.New("connection refused")
	}
	befalls := w.fate(req)
	if befalls != nil {
		town.count("faults")
	}
	if befalls == nil {
		befalls = &fate{does: true}
	}
	if befalls.refused {
		return nil, errors.New("connection refused")
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	answer := httptest.NewRecorder()
	if befalls.does {
		in := req.Clone(context.WithoutCancel(ctx))
		in.Body, in.Header = io.NopCloser(bytes.NewReader(body)), http.Header{}
		for name, values := range req.Header { // as a server sees it
			in.Header[http.CanonicalHeaderKey(name)] = values
		}
		w.to.ServeHTTP(answer, in)
	}
	if err := sleep(ctx, time.Duration(5+town.n(300))*time.Millisecond); err != nil {
		return nil, err
	}
	switch {
	case befalls.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case befalls.resets, w.p.dead.Load():
		return nil, errReset
	case befalls.status != 0:
		answer = httptest.NewRecorder()
		answer.Header().Set("Content-Type", befalls.as)
		answer.WriteHeader(befalls.status)
		answer.WriteString(befalls.body)
	}
	resp := answer.Result()
	resp.Request = req
	return resp, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fate is what befalls a request.
type fate struct {
	refused, does, hangs, resets bool
	status                       int
	as, body                     string
}

const (
	html   = "text/html"
	asJSON = "application/json"
)

// fate draws what befalls a request, nil for nothing.
func (w *wire) fate(req *http.Request) *fate {
	town := w.p.town
	if town.calm.Load() || !town.chance(30) {
		return nil
	}
	limited, broken := `{"name":"rate_limited"}`, `{"name":"internal"}`
	if w.name == atStripe {
		limited = `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests."}}`
		broken = `{"error":{"type":"api_error","message":"An unknown error occurred."}}`
	}
	all := []fate{
		{refused: true},
		{hangs: true},
		{does: true, hangs: true},
		{resets: true},
		{does: true, resets: true},
		{status: 500, as: asJSON, body: broken},
		{does: true, status: 500, as: asJSON, body: broken},
		{status: 429, as: asJSON, body: limited},
		{status: 503, as: html, body: "<html>"},
		{does: true, status: 502, as: html, body: "<html>"},
		{does: true, status: 403, as: html, body: "<html>"},
		{does: true, status: 200, as: asJSON, body: `{"id":`},
	}
	return &all[town.n(len(all))]
}

// tell delivers the events of both providers: some are lost, some come twice, all of them late.
func (w *town) tell(ctx context.Context) {
	told := map[string]int{}
	for sleep(ctx, 2*time.Second) == nil {
		for _, e := range w.orders.Events(told[atOrders]) {
			told[atOrders]++
			w.deliver(ctx, func(ctx context.Context, p *process) ([]webhook.Event, error) {
				header := w.orders.Signed(e, time.Now())
				return p.hook.Verify(ctx, e.Body, func(name string) string { return header[name] })
			})
		}
		for _, e := range w.stripe.Events()[told[atStripe]:] {
			told[atStripe]++
			w.deliver(ctx, func(ctx context.Context, p *process) ([]webhook.Event, error) {
				header := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: e.Body, Secret: whsec, Timestamp: time.Now()}).Header
				return p.said.Verify(ctx, e.Body, func(string) string { return header })
			})
		}
	}
}

// deliver delivers one event, and again while it is refused, as its provider does.
func (w *town) deliver(ctx context.Context, verify func(context.Context, *process) ([]webhook.Event, error)) {
	if w.chance(20) {
		w.count("events lost")
		return
	}
	times := 1
	if w.chance(15) {
		times = 2
	}
	for range times {
		go func() {
			wait := time.Duration(w.n(120)) * time.Second
			for range 6 {
				if sleep(ctx, wait) != nil {
					return
				}
				wait = 2*wait + 10*time.Second
				p := w.process.Load()
				events, err := verify(ctx, p)
				for _, e := range events {
					_, err = p.ApplyWebhook(ctx, e)
				}
				if err == nil {
					w.count("events applied")
					return
				}
			}
		}()
	}
}
