package sendgridsim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"patchbay/adapters/simulators/mailbox"
)

// Event is an event that SendGrid sends by webhook.
type Event map[string]any

// Signer holds the private key with which an account signs its webhooks.
type Signer struct{ key *ecdsa.PrivateKey }

// NewSigner generates a key.
func NewSigner() *Signer { return SignerOf(rand.Text() + rand.Text()) }

// SignerOf derives a key from a secret, so that it is the same each time.
func SignerOf(secret string) *Signer {
	sum := sha256.Sum256([]byte(secret))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]) // nearly every number of this size is a key
	if err != nil {
		panic(err)
	}
	return &Signer{key}
}

// PublicKey returns the verification key in the form that SendGrid's settings show.
func (s *Signer) PublicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// Sign returns the signature headers of a body that is signed at the given time.
func (s *Signer) Sign(body []byte, at time.Time) map[string]string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256(append([]byte(timestamp), body...))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err)
	}
	return map[string]string{
		eventwebhook.VerificationHTTPHeader: base64.StdEncoding.EncodeToString(signature),
		eventwebhook.TimestampHTTPHeader:    timestamp,
	}
}

// Batch returns the body of a webhook. SendGrid ends it with CR LF.
func Batch(events ...Event) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(events); err != nil {
		panic(err)
	}
	return append(bytes.TrimSuffix(b.Bytes(), []byte("\n")), "\r\n"...)
}

// EventOf returns an event about a delivered message, with the fields of more added.
func EventOf(l mailbox.Message, name, recipient string, at time.Time, more ...Event) Event {
	e := Event{
		"event": name, "email": recipient, "timestamp": at.Unix(),
		"sg_event_id": rand.Text(), "sg_message_id": l.Reference + ".recvd-5f5fc76c-kmzbl-18-9.0",
	}
	for name, value := range l.Variables {
		e[name] = value
	}
	for _, m := range more {
		for name, value := range m {
			e[name] = value
		}
	}
	return e
}
