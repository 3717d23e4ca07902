package mockpay

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

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
	i, err := decode(c.Record)
	if err != nil {
		return err
	}
	outcomes := map[int]error{}
	now := g.o.Clock.Now()
	for _, w := range i.Outbox {
		if len(outcomes) < postsPerTurn && !w.Due.After(now) {
			outcomes[w.Seq] = g.deliver(ctx, w)
		}
	}
	if err := g.settle(ctx, c, i, outcomes); err != nil {
		// The lease expires, and the events are sent again.
		g.o.Log.WarnContext(ctx, "mock's webhooks are not settled", "intent", c.ID, "error", err)
	}
	return nil
}

// settle stores the results of the deliveries, by Seq, and releases the claim.
func (g *Gateway) settle(ctx context.Context, c ports.Claim, i *intent, outcomes map[int]error) error {
	record := c.Record
	for range saveTries {
		dropped := i.delivered(outcomes, g.o.Clock.Now())
		if record.Owner == c.Owner {
			record.Owner = ""
		}
		i.schedule(&record)
		record.Body = mustMarshal(i)
		err := g.o.Journal.Save(ctx, &record)[0]
		if err == nil {
			g.logDropped(dropped, outcomes)
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if record, i, err = g.load(ctx, c.ID); err != nil {
			return err
		}
	}
	return fault.New(fault.Conflict, "lock_timeout", "too many requests on one intent")
}

func (g *Gateway) logDropped(dropped []webhookEvent, outcomes map[int]error) {
	for _, w := range dropped {
		g.o.Log.Warn("mock drops a webhook", "webhook", w.ID, "failures", w.Failures, "error", outcomes[w.Seq])
	}
}

// delivered removes delivered events from the outbox, and those that failed too often,
// which it returns.
func (i *intent) delivered(outcomes map[int]error, now time.Time) (dropped []webhookEvent) {
	var left []webhookEvent
	for _, w := range i.Outbox {
		err, tried := outcomes[w.Seq]
		switch {
		case !tried:
			left = append(left, w)
		case err == nil:
		case w.Failures == len(retries):
			dropped = append(dropped, w)
		default:
			w.Due = now.Add(retries[w.Failures])
			w.Failures++
			left = append(left, w)
		}
	}
	i.Outbox = left
	return dropped
}

// deliver posts one event. The signature is new for each attempt, as at Stripe.
func (g *Gateway) deliver(ctx context.Context, w webhookEvent) error {
	endpoint := g.o.Endpoint()
	if endpoint == "" {
		return fault.New(fault.Unavailable, "no_endpoint", "the endpoint is not known yet")
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(w.Body))
	if err != nil {
		return err
	}
	now := g.o.Clock.Now()
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", now.Unix(),
		hex.EncodeToString(webhook.ComputeSignature(now, w.Body, g.o.WebhookSecret))))
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
