package sesmail_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/webhook"
)

// One topic for all tests, because its key takes time to make.
var topicOf = sync.OnceValue(func() *sessim.Topic { return sessim.NewTopic("eu-west-1", now) })

// sns is SNS as a hook under test reaches it. It records the URLs that were fetched.
type sns struct {
	topic *sessim.Topic
	down  error
	mu    sync.Mutex
	urls  []string
}

func (s *sns) fetch(ctx context.Context, url string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = append(s.urls, url)
	if s.down != nil {
		return nil, s.down
	}
	w := httptest.NewRecorder()
	s.topic.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", url, nil))
	if w.Code != 200 {
		return nil, fmt.Errorf("the answer is %d", w.Code)
	}
	return w.Body.Bytes(), nil
}

// hookOf returns a hook for the topic, of an account called ses, and the SNS that it reaches.
func hookOf(t testing.TB, at time.Time) (*sesmail.Hook, *sns) {
	t.Helper()
	s := &sns{topic: topicOf()}
	hook, err := sesmail.NewHookOver(fixed(at), s.fetch, provider.Account{Provider: "ses", Secrets: []string{s.topic.ARN}})
	if err != nil {
		t.Fatal(err)
	}
	return hook, s
}

func getter(header map[string]string) func(string) string {
	return func(name string) string { return header[name] }
}

func none(string) string { return "" }

// about is a message that the provider has accepted.
var about = mailbox.Message{Reference: messages, To: []string{"ada@example.com"}, Variables: map[string]string{
	"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_1", "order": "17",
}}

// delivered is an event that the message was delivered.
func delivered(at time.Time) string {
	return string(sessim.Body(sessim.EventOf(about, "Delivery", []string{"ada@example.com"}, at, sessim.Event{"smtpResponse": "250 ok"})))
}

// verify returns what a hook makes of a delivery, which has the headers of SNS.
func verify(t *testing.T, hook *sesmail.Hook, body []byte) ([]webhook.Event, error) {
	t.Helper()
	return hook.Verify(t.Context(), body, none)
}

// moving is a clock that a test moves on.
type moving struct{ ns atomic.Int64 }

func (c *moving) Now() time.Time      { return time.Unix(0, c.ns.Load()).UTC() }
func (c *moving) add(d time.Duration) { c.ns.Add(int64(d)) }

// hookAt is hookOf with a clock that can be moved on.
func hookAt(t *testing.T, more ...string) (*sesmail.Hook, *sns, *moving) {
	t.Helper()
	s, at := &sns{topic: topicOf()}, new(moving)
	at.ns.Store(now.UnixNano())
	hook, err := sesmail.NewHookOver(at, s.fetch, provider.Account{Provider: "ses", Secrets: append(more, s.topic.ARN)})
	if err != nil {
		t.Fatal(err)
	}
	return hook, s, at
}

// signedEnvelope reads a signed delivery again.
func signedEnvelope(t *testing.T, body []byte) sessim.Envelope {
	t.Helper()
	var e sessim.Envelope
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func signatureIn(t *testing.T, body []byte) string {
	t.Helper()
	return signedEnvelope(t, body)["Signature"]
}
