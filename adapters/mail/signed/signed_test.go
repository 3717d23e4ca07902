package signed_test

import (
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/mail/signed"
	"patchbay/core/fault"
)

var (
	at   = time.Unix(1_700_000_000, 0).UTC()
	body = []byte(`{"hello":"world"}`)
)

// sign returns the headers of a delivery, under the names of Svix.
func sign(t *testing.T, key string) map[string]string {
	t.Helper()
	signer, err := standardwebhooks.NewWebhookRaw([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"Svix-Id": "msg_1", "Svix-Timestamp": "1700000000", "Svix-Signature": signature}
}

var svix = signed.Names{ID: "Svix-Id", Time: "Svix-Timestamp", Signature: "Svix-Signature"}

func read(t *testing.T, header map[string]string, now time.Time) (signed.Delivery, error) {
	t.Helper()
	return signed.Read(func(name string) string { return header[name] }, svix, now)
}

func TestADeliveryIsOfTheKeyThatSignedIt(t *testing.T) {
	t.Parallel()
	old, now := sign(t, "old"), sign(t, "new")
	now["Svix-Signature"] = "v2,x  " + old["Svix-Signature"] + "  " + now["Svix-Signature"]
	d, err := read(t, now, at)
	if err != nil || d.ID != "msg_1" || !d.At.Equal(at) {
		t.Fatalf("delivery = %+v, %v, want msg_1 of %s", d, err, at)
	}
	for key, want := range map[string]bool{"old": true, "new": true, "other": false} {
		if got := d.With([]byte(key), body); got != want {
			t.Errorf("signed with %s: %t, want %t", key, got, want)
		}
	}
	if d.With([]byte("new"), append(body, ' ')) {
		t.Error("a changed body is signed with the key, want it not to be")
	}
}

func TestHeadersThatCanHaveNoValidSignatureAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(map[string]string){
		"no id":                    func(h map[string]string) { delete(h, "Svix-Id") },
		"an id that is too long":   func(h map[string]string) { h["Svix-Id"] = strings.Repeat("x", 201) },
		"no time":                  func(h map[string]string) { delete(h, "Svix-Timestamp") },
		"a time in words":          func(h map[string]string) { h["Svix-Timestamp"] = "now" },
		"no signature":             func(h map[string]string) { delete(h, "Svix-Signature") },
		"a signature of version 2": func(h map[string]string) { h["Svix-Signature"] = "v2" + h["Svix-Signature"][2:] },
		"a signature in part":      func(h map[string]string) { h["Svix-Signature"] = h["Svix-Signature"][:20] },
	} {
		header := sign(t, "key")
		change(header)
		if _, err := read(t, header, at); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%s: error = %v, want invalid_signature", name, err)
		}
	}
}

func TestADeliveryIsGoodForFiveMinutes(t *testing.T) {
	t.Parallel()
	for age, good := range map[time.Duration]bool{
		5 * time.Minute: true, 5*time.Minute + 1: false, -5 * time.Minute: true, -5*time.Minute - 1: false,
	} {
		if _, err := read(t, sign(t, "key"), at.Add(age)); err == nil != good {
			t.Errorf("%s old: error = %v, want none: %t", age, err, good)
		}
	}
}
