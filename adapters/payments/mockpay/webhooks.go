package mockpay

import (
	"context"
	"fmt"
	"io"
	"time"

	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/fault"
	"patchbay/ports"
)

// The queue of intents with undelivered events.
const (
	WebhookQueue = "mock_webhooks"
	// WebhookLease is longer than HandleWebhook takes.
	WebhookLease = time.Minute
)

const (
	saveTries    = 100 // attempts to save the outcome of deliveries while others change the intent
	postTimeout  = 5 * time.Second
	postsPerTurn = 8 // for one intent: together well within the lease
)

// retries are the waits after failed deliveries. After the last one the event is dropped,
// and the change can only be seen by Retrieve.
var retries = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute,
	time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// HandleWebhook delivers the due events of one intent. It is the handler of a worker on
// WebhookQueue.
func (g *Gateway) HandleWebhook(ctx context.Context, c ports.Claim) error {
	r, err := decode(c.Record, nil)
	if err != nil {
		return err
	}
	outcomes := map[int]error{}
	now := g.o.Clock.Now()
	for n := range r.Outbox {
		if p := &r.Outbox[n]; len(outcomes) < postsPerTurn && !p.Due.After(now) {
			outcomes[p.Seq] = g.deliver(ctx, g.sim.Event(r, p))
		}
	}
	if err := g.saveDeliveries(ctx, c, r, outcomes); err != nil {
		// The lease expires, and the events are sent again.
		g.o.Log.WarnContext(ctx, "mock's webhooks are not settled", "intent", c.ID, "error", err)
	}
	return nil
}

// saveDeliveries stores the results of the deliveries, by Seq, and releases the claim.
func (g *Gateway) saveDeliveries(ctx context.Context, c ports.Claim, r *stripesim.Record, outcomes map[int]error) error {
	quiet := g.book
	quiet.wake = nil // the worker itself looks for what is due next
	for range saveTries {
		dropped := delivered(r, outcomes, g.o.Clock.Now())
		if kept := r.Handle.(ports.Record); kept.Owner == c.Owner {
			kept.Owner = ""
			r.Handle = kept
		}
		err := quiet.Save(ctx, r)
		if err == nil {
			for _, p := range dropped {
				g.o.Log.Warn("mock drops a webhook", "webhook", p.ID, "failures", p.Failures, "error", outcomes[p.Seq])
			}
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if r, err = g.book.Get(ctx, c.ID); err != nil {
			return err
		}
	}
	return fault.New(fault.Conflict, "lock_timeout", "too many requests on one intent")
}

// delivered removes delivered events from the outbox, and those that failed too often,
// which it returns.
func delivered(r *stripesim.Record, outcomes map[int]error, now time.Time) (dropped []stripesim.Pending) {
	var left []stripesim.Pending
	for _, p := range r.Outbox {
		err, tried := outcomes[p.Seq]
		switch {
		case !tried:
			left = append(left, p)
		case err == nil:
		case p.Failures == len(retries):
			dropped = append(dropped, p)
		default:
			p.Due = now.Add(retries[p.Failures])
			p.Failures++
			left = append(left, p)
		}
	}
	r.Outbox = left
	return dropped
}

// deliver posts one event.
func (g *Gateway) deliver(ctx context.Context, e stripesim.Event) error {
	endpoint := g.o.Endpoint()
	if endpoint == "" {
		return fault.New(fault.Unavailable, "no_endpoint", "the endpoint is not known yet")
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := g.sim.Signed(ctx, e, endpoint, g.o.WebhookSecret)
	if err != nil {
		return err
	}
	response, err := g.o.HTTPClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the endpoint answered %s", response.Status)
	}
	// Only the status counts; the body is read so that the connection can be reused.
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	return nil
}
