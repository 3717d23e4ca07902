package mailgunsim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"patchbay/adapters/simulators/mailbox"
)

// Event is an event that Mailgun sends by webhook.
type Event map[string]any

// Signature is the signature of a webhook. It signs a time and a token, not the event.
type Signature struct {
	Timestamp string `json:"timestamp"`
	Token     string `json:"token"`
	Signature string `json:"signature"`
}

// Sign makes a signature at the given time.
func Sign(key string, at time.Time) Signature {
	s := Signature{Timestamp: strconv.FormatInt(at.Unix(), 10), Token: rand.Text() + rand.Text()}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(s.Timestamp + s.Token))
	s.Signature = hex.EncodeToString(mac.Sum(nil))
	return s
}

// Body returns the body of a webhook.
func Body(s Signature, e Event) []byte {
	body, err := json.Marshal(map[string]any{"signature": s, "event-data": e})
	if err != nil {
		panic(err)
	}
	return body
}

// EventOf returns an event about a delivered message, with the fields of more added.
func EventOf(l mailbox.Message, name, recipient string, at time.Time, more ...Event) Event {
	e := Event{
		"event": name, "id": rand.Text(), "timestamp": float64(at.UnixMicro()) / 1e6, "recipient": recipient,
		"user-variables": l.Variables, "message": Event{"headers": Event{"message-id": l.Reference}},
	}
	for _, m := range more {
		for name, value := range m {
			e[name] = value
		}
	}
	return e
}
