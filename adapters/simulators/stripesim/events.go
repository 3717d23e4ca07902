package stripesim

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/notify"
	"patchbay/core/payment"
)

// Event is an event of the account, as it is sent by webhook.
type Event struct {
	ID, Type string
	Body     []byte
}

type (
	eventObject struct {
		ID         string       `json:"id"`
		Object     string       `json:"object"`
		APIVersion string       `json:"api_version"`
		Created    int64        `json:"created"`
		Data       eventData    `json:"data"`
		Livemode   bool         `json:"livemode"`
		Pending    int          `json:"pending_webhooks"`
		Request    eventRequest `json:"request"`
		Type       string       `json:"type"`
	}
	eventData struct {
		Object any `json:"object"`
	}
	eventRequest struct {
		ID  *string `json:"id"`
		Key *string `json:"idempotency_key"`
	}
)

// emit adds an event about the intent, or about its charge, in its present state.
func (s *Sim) emit(r *Record, kind, key string) {
	state := r.Intent.State
	s.add(r, Pending{Type: kind, Key: key, State: &state})
}

// emitOf adds an event about another object. at is when it happens, now if it is zero.
func (s *Sim) emitOf(r *Record, kind, key string, object any, at time.Time) {
	s.add(r, Pending{Type: kind, Key: key, Object: mustMarshal(object), At: at})
}

func (s *Sim) add(r *Record, p Pending) {
	if p.At.IsZero() {
		p.At = s.now()
	}
	r.LastSeq++
	p.Seq, p.ID, p.Due = r.LastSeq, s.newID("evt"), p.At
	r.Outbox = append(r.Outbox, p)
}

// arrange repeats and reverses the events after a Seq, as the mishap requires.
func (r *Record) arrange(after int, m *mishap) {
	if !m.twice && !m.backwards {
		return
	}
	from := len(r.Outbox) - (r.LastSeq - after)
	batch := append([]Pending(nil), r.Outbox[from:]...)
	r.Outbox, r.LastSeq = r.Outbox[:from], after
	times := 1
	if m.twice {
		times = 2
	}
	for n := range batch {
		p := batch[n]
		if m.backwards {
			p = batch[len(batch)-1-n]
		}
		for range times {
			r.LastSeq++
			p.Seq = r.LastSeq
			r.Outbox = append(r.Outbox, p)
		}
	}
}

// Event renders an event that is not delivered yet. It is the same each time.
func (s *Sim) Event(r *Record, p *Pending) Event {
	if p.Body != nil {
		return Event{ID: p.ID, Body: p.Body}
	}
	o := eventObject{
		ID: p.ID, Object: "event", APIVersion: Version, Created: p.At.Unix(), Pending: 1, Type: p.Type,
		Request: eventRequest{Key: orNull(p.Key)},
	}
	switch {
	case p.State == nil:
		o.Data.Object = p.Object
	case strings.HasPrefix(p.Type, "charge."):
		o.Data.Object = newChargeObject(&r.Intent, p.State)
	default:
		o.Data.Object = s.intentObject(&r.Intent, p.State, false)
	}
	return Event{ID: p.ID, Type: p.Type, Body: mustMarshal(o)}
}

// Events returns all events so far, oldest first, of an account that keeps its book in memory.
func (s *Sim) Events() []Event {
	events, _ := s.memory.eventsSoFar()
	return events
}

// Notify sends the events of an account that keeps its book in memory to a URL, in order, each until
// it is accepted. It ends with the test.
func (s *Sim) Notify(url, secret string) {
	go s.notify(s.ctx, url, secret)
}

func (s *Sim) notify(ctx context.Context, url, secret string) {
	for n := 0; ctx.Err() == nil; {
		all, changed := s.memory.eventsSoFar()
		var again <-chan time.Time
		if n < len(all) {
			if status, err := s.Send(ctx, all[n], url, secret); err == nil && status < 300 {
				n++
				continue
			}
			again = time.After(50 * time.Millisecond)
		}
		select {
		case <-again:
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// NotifyEach sends the events of an account that keeps its book in memory to a URL until the context
// ends. An event that is not accepted is sent again, less and less often, and does not keep others
// from being sent, as at Stripe.
func (s *Sim) NotifyEach(ctx context.Context, url, secret string, refused notify.Refused) {
	seen := 0
	notify.Each(ctx, func() (further []notify.Event, changed <-chan struct{}) {
		all, changed := s.memory.eventsSoFar()
		for ; seen < len(all); seen++ {
			further = append(further, s.notice(all[seen], url, secret))
		}
		return further, changed
	}, refused)
}

func (s *Sim) notice(e Event, url, secret string) notify.Event {
	return notify.Event{Type: e.Type, ID: e.ID, Request: func(ctx context.Context) (*http.Request, error) {
		return s.Signed(ctx, e, url, secret)
	}}
}

// Send sends one event, signed with the secret, and returns the status of the response.
func (s *Sim) Send(ctx context.Context, e Event, url, secret string) (status int, err error) {
	return notify.Send(ctx, s.notice(e, url, secret))
}

// Signed returns the request that delivers an event. The signature is new for each attempt, as at
// Stripe.
func (s *Sim) Signed(ctx context.Context, e Event, url, secret string) (*http.Request, error) {
	signature := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: e.Body, Secret: secret, Timestamp: s.now()}).Header
	return notify.Post(ctx, url, e.Body, map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature,
	})
}

// Pay confirms an intent as a buyer does in the browser.
func (s *Sim) Pay(t faultserver.T, reference, method string) {
	t.Helper()
	s.touch(t, reference, func(r *Record) {
		r.Intent.State.Method = method
		if f := s.charge(r, "", false); f != nil || r.Intent.State.Status == payment.RequiresAction {
			t.Fatalf("stripesim: %s does not pay", method)
		}
	})
}
