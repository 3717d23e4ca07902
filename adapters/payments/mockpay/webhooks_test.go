package mockpay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/clock"
	"patchbay/adapters/payments/mockpay"
	"patchbay/core/payment"
	"patchbay/core/worker"
	"patchbay/ports"
	"patchbay/tests/memjournal"
	"patchbay/tests/testlog"
)

func TestEachChangeSendsAnEvent(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		request payment.CreateRequest
		then    func(t *testing.T, e *endpoint, reference string)
		want    []string
	}{
		{"created only", payment.CreateRequest{}, nil, []string{"payment_intent.created"}},
		{
			"paid",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_card_visa"},
			nil,
			[]string{"payment_intent.created", "payment_intent.succeeded"},
		},
		{
			"declined",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_card_chargeDeclined"},
			nil,
			[]string{"payment_intent.created", "payment_intent.payment_failed"},
		},
		{
			"needs the buyer",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_card_authenticationRequired"},
			nil,
			[]string{"payment_intent.created", "payment_intent.requires_action"},
		},
		{
			"authorised, then captured",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_card_visa", CaptureMethod: payment.CaptureManual},
			func(t *testing.T, e *endpoint, reference string) {
				_, err := e.gateway.Capture(t.Context(), payment.CaptureRequest{Key: "k2", Reference: reference})
				must(t, err)
			},
			[]string{"payment_intent.created", "payment_intent.amount_capturable_updated", "payment_intent.succeeded"},
		},
		{
			"canceled",
			payment.CreateRequest{},
			func(t *testing.T, e *endpoint, reference string) {
				_, err := e.gateway.Cancel(t.Context(), payment.CancelRequest{Key: "k2", Reference: reference})
				must(t, err)
			},
			[]string{"payment_intent.created", "payment_intent.canceled"},
		},
		{
			"refunded",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_card_visa"},
			func(t *testing.T, e *endpoint, reference string) {
				_, err := e.gateway.Refund(t.Context(), payment.RefundRequest{Key: "k2", Reference: reference, Amount: 400, Currency: "usd"})
				must(t, err)
			},
			[]string{"payment_intent.created", "payment_intent.succeeded", "charge.refunded", "refund.created"},
		},
		{
			"told twice on request",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_mock_duplicate_webhook"},
			nil,
			[]string{
				"payment_intent.created", "payment_intent.created",
				"payment_intent.succeeded", "payment_intent.succeeded",
			},
		},
		{
			"told backwards on request",
			payment.CreateRequest{Confirm: true, PaymentMethod: "pm_mock_reordered_webhook"},
			nil,
			[]string{"payment_intent.succeeded", "payment_intent.created"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			row.request.Key, row.request.Amount, row.request.Currency = "k1", 1000, "usd"
			i, _ := e.gateway.Create(t.Context(), row.request)
			if row.then != nil {
				row.then(t, e, i.Reference)
			}
			e.turn(t)
			if got := e.types(); !slices.Equal(got, row.want) {
				t.Errorf("told %v, want %v", got, row.want)
			}
			e.turn(t)
			if got := len(e.types()); got != len(row.want) {
				t.Errorf("%d events after another turn, want %d: what is delivered is done", got, len(row.want))
			}
		})
	}
}

// Events are read as Stripe's own are, and so count as Stripe does.
func TestEventAmountsAreInStripesUnits(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	i, err := e.gateway.Create(t.Context(), payment.CreateRequest{
		Key: "k1", Amount: 500, Currency: "isk", PaymentMethod: "pm_card_visa", Confirm: true,
	})
	must(t, err)
	_, err = e.gateway.Refund(t.Context(), payment.RefundRequest{Key: "k2", Reference: i.Reference, Amount: 200, Currency: "isk"})
	must(t, err)
	e.turn(t)
	events, _ := e.seen()
	var succeeded stripe.PaymentIntent
	var refunded stripe.Charge
	must(t, json.Unmarshal(events[1].Data.Raw, &succeeded))
	must(t, json.Unmarshal(events[2].Data.Raw, &refunded))
	if succeeded.Amount != 50_000 || succeeded.AmountReceived != 50_000 || refunded.AmountCaptured != 50_000 || refunded.AmountRefunded != 20_000 {
		t.Errorf("told %d, received %d, captured %d, refunded %d", succeeded.Amount, succeeded.AmountReceived, refunded.AmountCaptured, refunded.AmountRefunded)
	}
}

func TestDuplicatesHaveOneID(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	e.create(t, "pm_mock_duplicate_webhook")
	e.turn(t)
	got, _ := e.seen()
	if got[0].ID != got[1].ID || got[0].ID == got[2].ID {
		t.Errorf("ids %s, %s, %s: want the first two alike", got[0].ID, got[1].ID, got[2].ID)
	}
}

func TestEventsHaveStripesForm(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	reference := e.create(t, "pm_card_visa")
	_, err := e.gateway.Refund(t.Context(), payment.RefundRequest{Key: "k2", Reference: reference, Amount: 400, Currency: "usd"})
	must(t, err)
	e.turn(t)

	events, _ := e.seen()
	var created, succeeded stripe.PaymentIntent
	var refunded stripe.Charge
	for n, object := range []any{&created, &succeeded, &refunded} {
		must(t, json.Unmarshal(events[n].Data.Raw, object))
		if got := events[n]; got.APIVersion != "2023-10-16" || got.Livemode || got.Created != e.setClock.Now().Unix() {
			t.Errorf("event %+v, want version 2023-10-16, test mode, created now", got)
		}
	}
	if created.Status != stripe.PaymentIntentStatusRequiresConfirmation {
		t.Errorf("created tells %s: want the intent as it was then", created.Status)
	}
	if succeeded.ID != reference || succeeded.Status != stripe.PaymentIntentStatusSucceeded ||
		succeeded.Amount != 1000 || succeeded.AmountReceived != 1000 || succeeded.AmountCapturable != 0 ||
		succeeded.Currency != "usd" || succeeded.Metadata["order"] != "A-1" || succeeded.LatestCharge == nil {
		t.Errorf("succeeded tells %+v", succeeded)
	}
	if refunded.PaymentIntent.ID != reference || refunded.AmountCaptured != 1000 ||
		refunded.AmountRefunded != 400 || refunded.Refunded || !refunded.Captured {
		t.Errorf("refunded tells %+v", refunded)
	}
}

func TestFailedDeliveriesAreRetriedThenDropped(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	e.answer(func() int { return http.StatusInternalServerError })
	_, err := e.gateway.Create(t.Context(), payment.CreateRequest{Key: "k1", Amount: 1000, Currency: "usd"})
	must(t, err)

	e.turn(t)
	for n, wait := range []time.Duration{
		time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	} {
		e.setClock.add(wait - time.Microsecond)
		e.turn(t)
		if got := e.tries(); got != n+1 {
			t.Fatalf("%d tries before %v had passed, want %d", got, wait, n+1)
		}
		e.setClock.add(time.Microsecond)
		e.turn(t)
		if got := e.tries(); got != n+2 {
			t.Fatalf("%d tries after %v, want %d", got, wait, n+2)
		}
	}
	events, bodies := e.seen()
	for _, body := range bodies {
		if !bytes.Equal(body, bodies[0]) {
			t.Errorf("a retry sent %s, first was %s", body, bodies[0])
		}
	}
	if !strings.Contains(e.log.String(), "mock drops a webhook") || !strings.Contains(e.log.String(), events[0].ID) {
		t.Errorf("log %q, want the event that was dropped", e.log.String())
	}
	e.setClock.add(1000 * time.Hour)
	e.turn(t)
	if got := e.tries(); got != 8 {
		t.Errorf("%d tries in the end, want 8", got)
	}
}

func TestEventsWaitForTheEndpointToBeKnown(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := e.url
	e.url = ""
	e.create(t, "pm_card_visa")
	e.turn(t)
	e.url = url
	e.setClock.add(time.Second)
	e.turn(t)
	if got := len(e.types()); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

// The worker holds the record while the endpoint, told of the payment, refunds
// it: the worker's save meets a record that has changed.
func TestAChangeDuringDeliveryIsNotLost(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	reference := e.create(t, "pm_card_visa")
	e.answer(func() int {
		_, err := e.gateway.Refund(t.Context(), payment.RefundRequest{Key: "k2", Reference: reference, Amount: 400, Currency: "usd"})
		if err != nil {
			return http.StatusInternalServerError
		}
		claims, err := e.journal.Claim(t.Context(), mockpay.WebhookQueue, "other", mockpay.WebhookLease, 1)
		if err != nil || len(claims) != 0 {
			t.Errorf("another worker claimed %+v, %v, while the first holds the lease", claims, err)
		}
		return http.StatusOK
	})
	e.turn(t)
	e.turn(t)
	want := []string{"payment_intent.created", "payment_intent.succeeded", "charge.refunded", "refund.created"}
	if got := e.types(); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if got := book(t, e.gateway)[0].Refunded; got != 400 {
		t.Errorf("refunded %d, want 400", got)
	}
}

func TestAWorkerDelivers(t *testing.T) {
	t.Parallel()
	told := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("Stripe-Signature")
	}))
	t.Cleanup(server.Close)
	var deliveries worker.Worker
	journal := memjournal.New(clock.System{})
	g := open(t, mockpay.Options{
		Journal: journal, Endpoint: func() string { return server.URL }, WebhookSecret: secret,
		HTTPClient: server.Client(), Wake: deliveries.Nudge,
	})
	deliveries = worker.Worker{
		Journal: journal, Queue: mockpay.WebhookQueue, Owner: "test", Lease: mockpay.WebhookLease,
		Idle: time.Hour, Limit: 4, Handle: g.HandleWebhook, Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { deliveries.Run(ctx) })
	_, err := g.Create(t.Context(), paid("k", "pm_card_visa"))
	must(t, err)
	for range 2 {
		select {
		case signature := <-told:
			if signature == "" {
				t.Error("an event without a signature")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the worker told nothing")
		}
	}
	stop()
	running.Wait()
	page, err := journal.List(t.Context(), "provider:mock", "mock_intent", ports.Filter{}, "", 10)
	must(t, err)
	if len(page.Records) != 1 || page.Records[0].Queue != "" || page.Records[0].Owner != "" {
		t.Errorf("records %+v, want one that waits for nothing", page.Records)
	}
}

func TestWakeIsCalledForNewEvents(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	e.create(t, "pm_card_visa")
	if got := e.woken.Load(); got != 1 {
		t.Errorf("woken %d times, want 1", got)
	}
}

// endpoint is a gateway's own webhook endpoint, and the mock that calls it. A
// test drives it turn by turn, on a clock of its own.
type endpoint struct {
	gateway  *mockpay.Gateway
	journal  *memjournal.Journal
	setClock *setClock
	log      testlog.Buffer
	url      string
	woken    atomic.Int64

	mu     sync.Mutex
	status func() int
	bodies [][]byte
	got    []stripe.Event
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{setClock: &setClock{now: time.Now().UTC().Truncate(time.Second)}}
	server := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(server.Close)
	e.url = server.URL
	e.journal = memjournal.New(e.setClock)
	e.gateway = open(t, mockpay.Options{
		Journal: e.journal, Clock: e.setClock,
		Endpoint: func() string { return e.url }, WebhookSecret: secret,
		HTTPClient: server.Client(), Wake: func() { e.woken.Add(1) },
		Log: slog.New(slog.NewTextHandler(&e.log, nil)),
	})
	return e
}

// serve accepts what Stripe's own library accepts.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	signature := r.Header.Get("Stripe-Signature")
	event, err := webhook.ConstructEventWithTolerance(body, signature, secret, 1000*time.Hour)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.bodies = append(e.bodies, body)
	e.got = append(e.got, event)
	if e.status != nil {
		w.WriteHeader(e.status())
	}
}

// answer sets what is answered from now on.
func (e *endpoint) answer(status func() int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// turn delivers what is due, once.
func (e *endpoint) turn(t *testing.T) {
	t.Helper()
	claims, err := e.journal.Claim(t.Context(), mockpay.WebhookQueue, "worker", mockpay.WebhookLease, 10)
	must(t, err)
	for _, c := range claims {
		e.gateway.HandleWebhook(t.Context(), c)
	}
}

// create makes a payment of 1000 usd, which must succeed.
func (e *endpoint) create(t *testing.T, method string) string {
	t.Helper()
	i, err := e.gateway.Create(t.Context(), payment.CreateRequest{
		Key: "k1", Amount: 1000, Currency: "usd", PaymentMethod: method, Confirm: true,
		Metadata: map[string]string{"order": "A-1"},
	})
	must(t, err)
	return i.Reference
}

// seen is what was accepted, as events and as raw bodies.
func (e *endpoint) seen() ([]stripe.Event, [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got), slices.Clone(e.bodies)
}

func (e *endpoint) tries() int {
	events, _ := e.seen()
	return len(events)
}

func (e *endpoint) types() []string {
	events, _ := e.seen()
	types := make([]string, len(events))
	for n, event := range events {
		types[n] = string(event.Type)
	}
	return types
}

// clock stands still until it is told otherwise.
type setClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *setClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *setClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
