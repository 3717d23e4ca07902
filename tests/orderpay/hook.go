package orderpay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// The headers of a webhook.
const (
	headerKey       = "Webhook-Key"  // the id of the key
	headerTime      = "Webhook-Time" // in seconds
	headerSignature = "Webhook-Signature"
)

const (
	tolerance  = 5 * time.Minute
	keyTimeout = 2 * time.Second // of fetching a key
)

// Event is an event of the account, as it is sent by webhook.
type Event struct {
	ID, Type string
	Body     []byte
}

// signer signs events with a key whose public half the provider publishes.
type signer struct {
	id  string
	key ed25519.PrivateKey
}

func newSigner() signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{id: newID("key"), key: key}
}

func (s signer) published() string {
	return base64.StdEncoding.EncodeToString(s.key.Public().(ed25519.PublicKey))
}

func signed(at string, body []byte) []byte { return append([]byte(at+"."), body...) }

// tell creates an event about an object.
func (s *Sim) tell(kind string, about map[string]any) {
	e := Event{ID: newID("evt"), Type: kind}
	about["id"], about["type"] = e.ID, kind
	body, err := json.Marshal(about)
	if err != nil {
		panic(err)
	}
	e.Body = body
	s.events = append(s.events, e)
}

// Events returns all events after the first n, oldest first.
func (s *Sim) Events(n int) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return append([]Event(nil), s.events[n:]...)
}

// Signed returns the headers of an event that is sent at a time.
func (s *Sim) Signed(e Event, at time.Time) map[string]string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	signature := ed25519.Sign(s.signer.key, signed(seconds, e.Body))
	return map[string]string{headerKey: s.signer.id, headerTime: seconds, headerSignature: base64.StdEncoding.EncodeToString(signature)}
}

// Hook verifies the events of an account with the key that the provider publishes, and reads them.
type Hook struct {
	provider string
	keys     *httpclient.Client
	clock    ports.Clock

	mu    sync.Mutex
	known map[string]ed25519.PublicKey
}

var (
	_ ports.Verifier      = (*Hook)(nil)
	_ ports.PaymentReader = (*Hook)(nil)
	_ ports.Acknowledger  = (*Hook)(nil)
)

// NewHook returns a Hook for the account with this configured name.
func NewHook(provider string, clock ports.Clock, o httpclient.Options) (*Hook, error) {
	o.Attempts = 1
	keys, err := httpclient.New(o)
	return &Hook{provider: provider, keys: keys, clock: clock, known: map[string]ed25519.PublicKey{}}, err
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	seconds, err := strconv.ParseInt(get(headerTime), 10, 64)
	if err != nil || get(headerKey) == "" || get(headerSignature) == "" {
		return unsigned("a header is missing")
	}
	if d := h.clock.Now().Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return unsigned("the signature's time is too far from ours")
	}
	return nil
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(ctx context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	key, err := h.key(ctx, get(headerKey))
	if err != nil {
		return nil, err
	}
	signature, err := base64.StdEncoding.DecodeString(get(headerSignature))
	if err != nil || !ed25519.Verify(key, signed(get(headerTime), body), signature) {
		return nil, unsigned("the signature does not fit")
	}
	var e struct{ ID, Type string }
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&e); err != nil || e.ID == "" {
		return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	return []webhook.Event{{Provider: h.provider, ID: e.ID, Type: e.Type, Object: body}}, nil
}

// Acknowledge implements ports.Acknowledger.
func (h *Hook) Acknowledge() ports.Acknowledgement {
	return ports.Acknowledgement{Status: http.StatusAccepted, ContentType: "text/plain", Body: "[accepted]"}
}

// key returns a key of the provider, and fetches one that is not known yet.
func (h *Hook) key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	h.mu.Lock()
	key, ok := h.known[id]
	h.mu.Unlock()
	if ok {
		return key, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	var published struct{ Key string }
	err := h.keys.Do(ctx, httpclient.Request{Method: http.MethodGet, Path: "/v1/keys/" + id, Out: &published})
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Unauthorized):
		return nil, unsigned("the provider has no such key")
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, "orderpay.key", err)
	}
	raw, err := base64.StdEncoding.DecodeString(published.Key)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fault.New(fault.Unavailable, "key_unreadable", "the provider's key cannot be read")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[id] = raw
	return raw, nil
}

func unsigned(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// Payment implements ports.PaymentReader. An event about a capture or a refund names only that.
func (h *Hook) Payment(e webhook.Event) (payment.Intent, bool, error) {
	var about struct {
		Order   *orderView
		Capture *captureView
		Refund  *refundView
	}
	if err := json.Unmarshal(e.Object, &about); err != nil {
		return payment.Intent{}, false, fault.New(fault.Invalid, "invalid_payload", "the event's object cannot be read")
	}
	switch {
	case about.Order != nil:
		return intentOf(*about.Order), true, nil
	case about.Capture != nil:
		return payment.Intent{Object: about.Capture.ID}, true, nil
	case about.Refund != nil:
		return payment.Intent{Object: about.Refund.ID}, true, nil
	}
	return payment.Intent{}, false, nil
}
