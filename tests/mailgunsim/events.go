package mailgunsim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"patchbay/tests/mailsim"
)

// Event is what Mailgun tells by a webhook.
type Event map[string]any

// Signature goes with an event. It is one of a time and a token, and not of the event.
type Signature struct {
	Timestamp string `json:"timestamp"`
	Token     string `json:"token"`
	Signature string `json:"signature"`
}

// Sign signs a delivery at a moment.
func Sign(key string, at time.Time) Signature {
	s := Signature{Timestamp: strconv.FormatInt(at.Unix(), 10), Token: rand.Text() + rand.Text()}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(s.Timestamp + s.Token))
	s.Signature = hex.EncodeToString(mac.Sum(nil))
	return s
}

// Body is that of a webhook.
func Body(s Signature, e Event) []byte {
	body, err := json.Marshal(map[string]any{"signature": s, "event-data": e})
	if err != nil {
		panic(err)
	}
	return body
}

// EventOf is one about a letter that the domain has taken, with what is beside the usual.
func EventOf(l mailsim.Letter, name, recipient string, at time.Time, more ...Event) Event {
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
