package catchermail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/ports"
)

// EventOptions are what a Catcher needs to report events. All of them are required, but for HTTPClient.
type EventOptions struct {
	Endpoint func() string // the URL for webhooks, or "" until it is known
	Secret   string        // signs them
	Clock    ports.Clock
	IDs      ports.IDs
	Log      *slog.Logger
	// HTTPClient sends the webhooks. If nil, a client is created that uses no proxy, follows no redirect and
	// gives up after five seconds: the endpoint is this gateway.
	HTTPClient *http.Client
}

// waits are those after failed deliveries of an event. After the last one it is dropped.
var waits = []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

const (
	postTimeout = 5 * time.Second
	maxWaiting  = 10_000 // events; further ones are dropped
)

// courier delivers events, one after the other. They are in memory only: what is not delivered when the
// process ends is never reported.
type courier struct {
	EventOptions
	retries retrypolicy.RetryPolicy[any]
	mu      sync.Mutex
	waiting []happening
	runs    bool
}

func newCourier(o EventOptions) *courier {
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{
			Transport: &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute}, Timeout: postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &courier{EventOptions: o, retries: retrypolicy.NewBuilder[any]().
		WithMaxRetries(len(waits)).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration { return waits[e.Attempts()-1] }).
		ReturnLastFailure().Build()}
}

// add delivers events after those that wait already.
func (c *courier) add(events ...happening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := maxWaiting - len(c.waiting); len(events) > n {
		for _, h := range events[n:] {
			c.dropped(h, errFull)
		}
		events = events[:n]
	}
	if c.waiting = append(c.waiting, events...); !c.runs && len(events) > 0 {
		c.runs = true
		guard.Go(c.Log, "events of the catcher", c.run)
	}
}

// next takes the event that has waited the longest. Without one, the courier has ended.
func (c *courier) next() (h happening, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.waiting, c.runs = nil, false
		return h, false
	}
	h, c.waiting = c.waiting[0], c.waiting[1:]
	return h, true
}

func (c *courier) run() {
	for h, ok := c.next(); ok; h, ok = c.next() {
		err := failsafe.With(c.retries).Run(func() error {
			return guard.Do(func() error { return c.post(h) })
		})
		if err != nil {
			c.dropped(h, err)
		}
	}
}

var errFull = fault.New(fault.Overloaded, "events_waiting", "too many events wait to be sent")

func (c *courier) dropped(h happening, err error) {
	c.Log.Warn("catcher drops an event", "email", h.Message, "webhook", h.ID, "type", string(h.Event), "error", err)
}

// post delivers one event.
func (c *courier) post(h happening) error {
	endpoint := c.Endpoint()
	if endpoint == "" {
		return fault.New(fault.Unavailable, "no_endpoint", "the endpoint is not known yet")
	}
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := sign(request.Header, c.Secret, h.ID, body, c.Clock.Now()); err != nil {
		return err
	}
	response, err := c.HTTPClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the endpoint answered %s", response.Status)
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // read so that the connection can be used again
	return nil
}

// sign sets the headers of a webhook.
func sign(header http.Header, secret, id string, body []byte, at time.Time) error {
	signer, err := standardwebhooks.NewWebhookRaw([]byte(secret))
	if err != nil {
		return err
	}
	signature, err := signer.Sign(id, at, body)
	header.Set("Content-Type", "application/json")
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return err
}
