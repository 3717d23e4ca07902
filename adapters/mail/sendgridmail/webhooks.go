package sendgridmail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	// Tolerance is the largest age of a delivery. SendGrid retries for 24 hours with the
	// signature of the first attempt. An event that arrives again within that time is a
	// duplicate.
	Tolerance = 25 * time.Hour
	// Ahead is how far SendGrid's clock may be ahead of ours.
	Ahead = 5 * time.Minute
)

// Hook verifies webhooks in SendGrid's format, for every account that sends them, and reads
// the mail events in them.
//
// Source: SendGrid's reference, "Event Webhook" and "Event Webhook Security Features".
type Hook struct {
	accounts []account
	clock    ports.Clock
}

type account struct {
	provider string
	keys     []*ecdsa.PublicKey
}

// NewHook returns a Hook. The secrets of an account are its public keys as SendGrid shows
// them: base64 of a PKIX public key. It returns Invalid if a key is not an ECDSA key on
// P-256, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	h := &Hook{clock: clock}
	for _, a := range accounts {
		one := account{provider: a.Provider}
		for _, text := range a.Secrets {
			key, err := parseKey(text)
			if err != nil {
				return nil, fault.New(fault.Invalid, "invalid_key", "a webhook key of "+a.Provider+" is no public key of SendGrid's")
			}
			one.keys = append(one.keys, key)
		}
		h.accounts = append(h.accounts, one)
	}
	return h, provider.Distinct(accounts...)
}

var errKey = fault.New(fault.Invalid, "invalid_key", "not a public key of ECDSA on P-256")

// parseKey checks the type of a key before it calls the library, which panics at a key of
// another type.
func parseKey(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errKey
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if key, ok := parsed.(*ecdsa.PublicKey); err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errKey
	}
	return eventwebhook.ConvertPublicKeyBase64ToECDSA(text)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	der, err := base64.StdEncoding.DecodeString(get(eventwebhook.VerificationHTTPHeader))
	if err != nil || !isSignature(der) {
		return provider.BadSignature("the signature header is missing, or has no signature")
	}
	seconds, err := strconv.ParseInt(get(eventwebhook.TimestampHTTPHeader), 10, 64)
	if err != nil {
		return provider.BadSignature("the header with the signature's time is missing, or has no time")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Ahead {
		return provider.BadSignature("the signature's time is too far from ours")
	}
	return nil
}

func isSignature(der []byte) bool {
	var rs eventwebhook.RS
	rest, err := asn1.Unmarshal(der, &rs)
	return err == nil && len(rest) == 0
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.keys {
			fits, err := eventwebhook.VerifySignature(key, body, get(eventwebhook.VerificationHTTPHeader), get(eventwebhook.TimestampHTTPHeader))
			if fits && err == nil {
				return parse(a.provider, body)
			}
		}
	}
	return nil, provider.BadSignature("no signature matches")
}

// parse returns the events in a body, each once. An event of an unknown form is returned,
// too, so that it does not hold back the others.
func parse(provider string, body []byte) ([]webhook.Event, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
		return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not a list of events")
	}
	events := make([]webhook.Event, 0, len(all))
	seen := make(map[string]bool, len(all))
	for _, raw := range all {
		o, _ := read(raw) // an event that cannot be read has no type, and is refused when it is applied
		id := o.id(raw)
		if seen[id] {
			continue
		}
		seen[id] = true
		events = append(events, webhook.Event{
			Provider: provider, ID: id, Type: o.Event, Created: time.Unix(o.Timestamp, 0).UTC(), Object: o.kept(),
		})
	}
	return events, nil
}

// id returns the id of an event, derived from its content. SendGrid's own sg_event_id
// has been seen to change when an event is sent again.
func (o object) id(raw []byte) string {
	told := []any{o.Event, strings.ToLower(o.Email), o.Timestamp, o.MessageID, o.Message, o.Attempt, string(o.Try), o.URL}
	if o.Event == "" {
		told = []any{string(raw)}
	}
	text, _ := json.Marshal(told) // strings and a number
	sum := sha256.Sum256(text)
	return "sg_" + hex.EncodeToString(sum[:16])
}
