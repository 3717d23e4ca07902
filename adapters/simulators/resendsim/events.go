package resendsim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"patchbay/adapters/simulators/mailbox"
)

// Event is an event that Resend sends by webhook.
type Event map[string]any

// NewSecret returns a signing secret.
func NewSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text()))
}

// IsSecret reports whether a text is a signing secret.
func IsSecret(text string) bool {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return ok && err == nil && len(key) > 0
}

// Sign returns the headers of a delivery with this id, signed at the given time. It has a signature by
// each of the secrets, as during a rotation.
func Sign(id string, body []byte, at time.Time, secrets ...string) map[string]string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			panic(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return map[string]string{"Svix-Id": id, "Svix-Timestamp": timestamp, "Svix-Signature": strings.Join(signatures, " ")}
}

// Body returns the body of a webhook.
func Body(e Event) []byte {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return body
}

// EventOf returns an event about a delivered message for some of its recipients, with the fields of
// more added to its data.
func EventOf(l mailbox.Message, name string, recipients []string, at time.Time, more ...Event) Event {
	data := Event{
		"email_id": l.Reference, "from": l.Header("From"), "to": recipients, "subject": l.Header("Subject"),
		"created_at": at.UTC().Format(time.RFC3339Nano), "tags": l.Variables,
	}
	for _, m := range more {
		for name, value := range m {
			data[name] = value
		}
	}
	return Event{"type": name, "created_at": at.UTC().Format(time.RFC3339Nano), "data": data}
}
