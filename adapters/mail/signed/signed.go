// Package signed verifies deliveries of webhooks that are signed as Standard Webhooks describes: an HMAC
// with SHA-256 over an id, a time and the body. A delivery that is sent again has the id of the first, and is
// signed anew.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package signed

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/provider"
)

const (
	// Tolerance is the largest age of a delivery, and the largest lead of the sender's clock over ours.
	Tolerance = 5 * time.Minute
	// maxID exceeds the length of any id of a delivery, in bytes.
	maxID = 200
)

// Names are the names of the headers of a delivery.
type Names struct{ ID, Time, Signature string }

// Standard are the names that Standard Webhooks gives the headers.
var Standard = Names{
	ID: standardwebhooks.HeaderWebhookID, Time: standardwebhooks.HeaderWebhookTimestamp, Signature: standardwebhooks.HeaderWebhookSignature,
}

// Delivery is what the headers of a delivery say.
type Delivery struct {
	ID     string
	At     time.Time // when it was signed, in whole seconds
	header http.Header
}

// Read reads the headers of a delivery. Several signatures, of which one must match, are sent while one
// secret replaces another. Invalid, with code invalid_signature: a header is missing or is none, or the time
// is further from now than Tolerance.
func Read(get func(string) string, names Names, now time.Time) (Delivery, error) {
	d := Delivery{ID: get(names.ID), header: http.Header{}}
	if d.ID == "" || len(d.ID) > maxID {
		return d, provider.BadSignature("the header with the delivery's id is missing, or has no id")
	}
	seconds, err := strconv.ParseInt(get(names.Time), 10, 64)
	if err != nil {
		return d, provider.BadSignature("the header with the signature's time is missing, or has no time")
	}
	d.At = time.Unix(seconds, 0).UTC()
	if age := now.Sub(d.At); age > Tolerance || age < -Tolerance {
		return d, provider.BadSignature("the signature's time is too far from ours")
	}
	if !hasSignature(get(names.Signature)) {
		return d, provider.BadSignature("the signature header is missing, or has no signature")
	}
	d.header.Set(Standard.ID, d.ID)
	d.header.Set(Standard.Time, strconv.FormatInt(seconds, 10))
	d.header.Set(Standard.Signature, strings.Join(strings.Fields(get(names.Signature)), " "))
	return d, nil
}

// hasSignature reports whether a header has a signature of version 1.
func hasSignature(header string) bool {
	for one := range strings.FieldsSeq(header) {
		version, text, _ := strings.Cut(one, ",")
		if signature, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil && len(signature) == sha256.Size {
			return true
		}
	}
	return false
}

// With reports whether one of the signatures of a delivery is by this key. The time was checked by Read.
func (d Delivery) With(key, body []byte) bool {
	signer, err := standardwebhooks.NewWebhookRaw(key)
	return err == nil && signer.VerifyIgnoringTimestamp(body, d.header) == nil
}
