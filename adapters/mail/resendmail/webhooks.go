package resendmail

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	// Tolerance is the largest age of a delivery, and the largest lead of Resend's clock over ours. Each
	// delivery is signed anew, also one that is sent again.
	Tolerance = 5 * time.Minute
	// maxID exceeds the length of any id of a delivery, in bytes.
	maxID = 200
)

// The headers of a delivery.
const (
	headerID        = "Svix-Id"
	headerTimestamp = "Svix-Timestamp"
	headerSignature = "Svix-Signature"
)

// Hook verifies webhooks in Resend's format, for every account that sends them, and reads the mail
// events in them. They are signed as Standard Webhooks describes, under the header names of Svix: an
// HMAC with SHA-256 over id, time and body. A delivery that is sent again has the id of the first.
//
// Source: https://resend.com/docs/webhooks/verify-webhooks-requests, and
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Hook struct {
	accounts []account
	clock    ports.Clock
}

type account struct {
	provider string
	keys     [][]byte
}

// NewHook returns a Hook. The secrets of an account are its signing secrets as Resend shows them:
// whsec_ and base64. It returns Invalid if one is not of this form, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	h := &Hook{clock: clock}
	if err := provider.Distinct(accounts...); err != nil {
		return h, err
	}
	for _, a := range accounts {
		one := account{provider: a.Provider}
		for _, secret := range a.Secrets {
			key, err := parseSecret(secret)
			if err != nil {
				return h, fault.New(fault.Invalid, "invalid_secret", "a webhook secret of "+a.Provider+" is no signing secret of Resend's")
			}
			one.keys = append(one.keys, key)
		}
		h.accounts = append(h.accounts, one)
	}
	return h, nil
}

var errSecret = fault.New(fault.Invalid, "invalid_secret", "not a signing secret: whsec_ and base64")

// parseSecret returns the key in a signing secret.
func parseSecret(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) == 0 {
		return nil, errSecret
	}
	return key, nil
}

// delivery is what the headers of a delivery say.
type delivery struct {
	id         string
	at         time.Time
	signatures [][]byte
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	_, err := h.delivery(get)
	return err
}

// delivery reads the headers of a delivery. Several signatures, of which one must fit, are sent while
// one secret replaces another.
func (h *Hook) delivery(get func(string) string) (d delivery, err error) {
	if d.id = get(headerID); d.id == "" || len(d.id) > maxID {
		return d, badSignature("the header with the delivery's id is missing, or has no id")
	}
	seconds, err := strconv.ParseInt(get(headerTimestamp), 10, 64)
	if err != nil {
		return d, badSignature("the header with the signature's time is missing, or has no time")
	}
	d.at = time.Unix(seconds, 0).UTC()
	if age := h.clock.Now().Sub(d.at); age > Tolerance || age < -Tolerance {
		return d, badSignature("the signature's time is too far from ours")
	}
	for one := range strings.FieldsSeq(get(headerSignature)) {
		version, text, _ := strings.Cut(one, ",")
		if signature, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil && len(signature) == sha256.Size {
			d.signatures = append(d.signatures, signature)
		}
	}
	if len(d.signatures) == 0 {
		return d, badSignature("the signature header is missing, or has no signature")
	}
	return d, nil
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	d, err := h.delivery(get)
	if err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.keys {
			if d.signedWith(key, body) {
				return parse(a.provider, d, body)
			}
		}
	}
	return nil, badSignature("no signature fits")
}

// signedWith reports whether one of the signatures of a delivery is of this key.
func (d delivery) signedWith(key, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", d.id, d.at.Unix())
	mac.Write(body)
	want, fits := mac.Sum(nil), false
	for _, signature := range d.signatures {
		fits = fits || hmac.Equal(signature, want)
	}
	return fits
}

func badSignature(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }
