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

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// Tolerance is the largest age of a webhook, and the largest lead of the sender's clock over ours. Each is
// signed anew when it is sent again.
const Tolerance = 5 * time.Minute

// Hook verifies the webhooks of catchers, and reads the events in them. They are signed as Standard
// Webhooks describes.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Hook struct {
	clock    ports.Clock
	accounts []provider.Account
}

// NewHook returns a Hook. It returns Invalid if a secret is empty, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	return &Hook{clock, accounts}, provider.Distinct(accounts...)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	seconds, err := strconv.ParseInt(get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	switch {
	case get(standardwebhooks.HeaderWebhookID) == "" || get(standardwebhooks.HeaderWebhookSignature) == "":
		return badSignature("a header of the signature is missing")
	case err != nil:
		return badSignature("the header with the signature's time is missing, or has no time")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return badSignature("the signature's time is too far from ours")
	}
	return nil
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	headers := http.Header{}
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		headers.Set(name, get(name))
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			signer, err := standardwebhooks.NewWebhookRaw([]byte(secret))
			if err == nil && signer.VerifyIgnoringTimestamp(body, headers) == nil { // the time is checked above, by our clock
				return parse(a.Provider, body)
			}
		}
	}
	return nil, badSignature("no signature fits")
}

func badSignature(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// EventOptions are what a Catcher needs to report events. All of them are required.
type EventOptions struct {
	Endpoint func() string // the URL for webhooks, or "" until it is known
	Secret   string        // signs them
	Clock    ports.Clock
	IDs      ports.IDs
	Log      *slog.Logger
}

// retries are the waits after failed deliveries of an event. After the last one it is dropped.
var retries = []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

const (
	postTimeout = 5 * time.Second
	maxWaiting  = 10_000 // events; further ones are dropped
)

// courier delivers events, one after the other. They are in memory only: what is not delivered when the
// process ends is never reported.
type courier struct {
	EventOptions
	mu      sync.Mutex
	waiting []happening
	runs    bool
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
		err := guard.Do(func() error { return c.post(h) })
		for _, wait := range retries {
			if err == nil {
				break
			}
			time.Sleep(wait)
			err = guard.Do(func() error { return c.post(h) })
		}
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
	ctx, cancel := context.WithTimeout(context.Background(), postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := sign(request.Header, c.Secret, h.ID, body, c.Clock.Now()); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
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
