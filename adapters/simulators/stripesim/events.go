package stripesim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

// Event is an event of the account, as it is sent by webhook.
type Event struct {
	ID, Type string
	Body     []byte
}

// tell creates an event with the current state of an object.
func (s *Sim) tell(kind string, about object, key string) {
	e := Event{ID: newID("evt"), Type: kind}
	body, err := json.Marshal(object{
		"id": e.ID, "object": "event", "api_version": Version, "created": s.now().Unix(), "data": object{"object": about},
		"livemode": false, "pending_webhooks": 1, "request": object{"id": newID("req"), "idempotency_key": orNull(key)}, "type": kind,
	})
	if err != nil {
		panic(err)
	}
	e.Body = body
	s.events = append(s.events, e)
	close(s.news)
	s.news = make(chan struct{})
}

// Events returns all events so far, oldest first.
func (s *Sim) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Notify sends the account's events to a URL, in order, each until it is accepted. It ends with the
// test.
func (s *Sim) Notify(url, secret string) {
	go func() {
		for n := 0; s.ctx.Err() == nil; {
			s.mu.Lock()
			all, news := s.events, s.news
			s.mu.Unlock()
			var again <-chan time.Time
			if n < len(all) {
				if status, err := s.Send(s.ctx, all[n], url, secret); err == nil && status < 300 {
					n++
					continue
				}
				again = time.After(50 * time.Millisecond)
			}
			select {
			case <-again:
			case <-news:
			case <-s.ctx.Done():
			}
		}
	}()
}

// Send sends one event, signed with the secret, and returns the status of the response.
func (s *Sim) Send(ctx context.Context, e Event, url, secret string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Stripe-Signature", webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload: e.Body, Secret: secret, Timestamp: s.now(),
	}).Header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Pay confirms an intent as a buyer does in the browser.
func (s *Sim) Pay(t faultserver.T, reference, method string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(reference)
	if i == nil {
		t.Fatalf("stripesim: there is no %s", reference)
	}
	i.method = method
	if f := s.charge(i, ""); f != nil || i.status == payment.RequiresAction {
		t.Fatalf("stripesim: %s does not pay", method)
	}
}
