package sendgridmail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/tests/contract/webhooktest"
)

var now = time.Unix(1_700_000_000, 0).UTC()

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

func hookOf(t testing.TB, at time.Time, accounts ...provider.Account) provider.MailHook {
	t.Helper()
	hook, err := sendgridmail.NewHook(clock(at), accounts...)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// What SendGrid's own library for Go is tested with, sendgrid-go helpers/eventwebhook.
const (
	officialKey       = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
	officialSignature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
	officialTimestamp = "1600112502"
	officialBody      = `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]` + "\r\n"
)

func official(name string) string {
	return map[string]string{
		"X-Twilio-Email-Event-Webhook-Signature": officialSignature, "X-Twilio-Email-Event-Webhook-Timestamp": officialTimestamp,
	}[name]
}

func TestWhatSendGridHasSignedIsAccepted(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, time.Unix(1600112502, 0), provider.Account{Provider: "sendgrid", Secrets: []string{sendgridsim.NewSigner().PublicKey(), officialKey}})
	events, err := hook.Verify(t.Context(), []byte(officialBody), official)
	if err != nil || len(events) != 1 || events[0].Provider != "sendgrid" || events[0].Type != "dropped" {
		t.Fatalf("%+v, %v, want one dropped event of sendgrid", events, err)
	}
	n, ok, err := hook.Notification(events[0])
	want := email.Notification{
		Event: email.EventRejected, Reference: "LRzXl_NHStOGhQ4kofSm_A", Recipient: "hello@world.com",
		Cause: email.CauseBouncedBefore, Reason: "Bounced Address", At: time.Unix(1600112492, 0).UTC(),
	}
	if err != nil || !ok || n != want {
		t.Errorf("got %+v, %t, %v, want %+v", n, ok, err, want)
	}
	if _, err := hook.Verify(t.Context(), []byte(strings.TrimSpace(officialBody)), official); fault.From(err).Code != "invalid_signature" {
		t.Errorf("without the line's end: error = %v, want invalid_signature", err)
	}
}

func TestAKeyIsAnECDSAKeyOfOneAccount(t *testing.T) {
	t.Parallel()
	pkix := func(key any) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(der)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{
		"empty": "", "no base64": "?", "no key": "aGVsbG8=", "of another curve": pkix(&other.PublicKey), "of RSA": pkix(&old.PublicKey),
	} {
		if _, err := sendgridmail.NewHook(clock(now), provider.Account{Provider: "a", Secrets: []string{key}}); fault.From(err).Code != "invalid_key" {
			t.Errorf("%s: error = %v, want invalid_key", name, err)
		}
	}
	shared := []string{officialKey}
	_, err = sendgridmail.NewHook(clock(now), provider.Account{Provider: "a", Secrets: shared}, provider.Account{Provider: "b", Secrets: shared})
	if fault.From(err).Code != "shared_secret" {
		t.Errorf("of two accounts: error = %v, want shared_secret", err)
	}
}

func TestAnEventSpeaksForTheAccountWhoseKeyVerifiedIt(t *testing.T) {
	t.Parallel()
	first, second := sendgridsim.NewSigner(), sendgridsim.NewSigner()
	hook := hookOf(t, now, provider.Account{Provider: "first", Secrets: []string{first.PublicKey()}},
		provider.Account{Provider: "second", Secrets: []string{second.PublicKey()}})
	body := sendgridsim.Batch(sendgridsim.Event{"event": "open"})
	for name, signer := range map[string]*sendgridsim.Signer{"first": first, "second": second} {
		headers := signer.Sign(body, now)
		events, err := hook.Verify(t.Context(), body, func(h string) string { return headers[h] })
		if err != nil || len(events) != 1 || events[0].Provider != name {
			t.Errorf("signed by %s: %+v, %v, want one event of it", name, events, err)
		}
	}
}

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	signer := sendgridsim.NewSigner()
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hookOf(t, now, provider.Account{Provider: "sendgrid", Secrets: []string{signer.PublicKey()}}),
		Now:      now, Tolerance: sendgridmail.Tolerance, ByHeaders: true, CoversBody: true,
		Sign: func(at time.Time) ([]byte, map[string]string) {
			body := sendgridsim.Batch(sendgridsim.Event{"event": "delivered", "email": "ada@example.com"})
			return body, signer.Sign(body, at)
		},
	})
}

// read verifies a batch, and returns its events.
func read(t *testing.T, body []byte) (provider.MailHook, []webhook.Event) {
	t.Helper()
	signer := sendgridsim.NewSigner()
	hook := hookOf(t, now, provider.Account{Provider: "sendgrid", Secrets: []string{signer.PublicKey()}})
	headers := signer.Sign(body, now)
	events, err := hook.Verify(t.Context(), body, func(h string) string { return headers[h] })
	if err != nil {
		t.Fatal(err)
	}
	return hook, events
}

var told = mailbox.Message{Reference: "ref", Variables: map[string]string{
	"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_1", "order": "17",
}}

// The same news has the same id, whatever SendGrid calls it when it is sent again.
func TestAnEventThatIsSentAgainHasTheSameID(t *testing.T) {
	t.Parallel()
	one := func(more sendgridsim.Event) sendgridsim.Event {
		return sendgridsim.EventOf(told, "click", "ada@example.com", now, sendgridsim.Event{"url": "https://example.com/a"}, more)
	}
	for _, c := range []struct {
		name   string
		second sendgridsim.Event
		events int
	}{
		{"as it was, under another sg_event_id", sendgridsim.Event{}, 1},
		{"the address in capitals", sendgridsim.Event{"email": "Ada@Example.com"}, 1},
		{"of another recipient", sendgridsim.Event{"email": "eve@example.com"}, 2},
		{"a second later", sendgridsim.Event{"timestamp": now.Unix() + 1}, 2},
		{"of another kind", sendgridsim.Event{"event": "open"}, 2},
		{"of another link", sendgridsim.Event{"url": "https://example.com/b"}, 2},
		{"of another message", sendgridsim.Event{"patchbay_message": "msg_2"}, 2},
		{"of another copy", sendgridsim.Event{"patchbay_attempt": "att_2"}, 2},
		{"of another try", sendgridsim.Event{"attempt": "2"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, events := read(t, sendgridsim.Batch(one(nil), one(c.second))); len(events) != c.events {
				t.Errorf("%d events, want %d", len(events), c.events)
			}
		})
	}
}

// Each event of a batch stands for itself: what is new, and what is no event, holds nobody back.
func TestAnEventThatCannotBeReadHoldsBackNoOther(t *testing.T) {
	t.Parallel()
	body := sendgridsim.Batch(sendgridsim.EventOf(told, "delivered", "ada@example.com", now), sendgridsim.EventOf(told, "teleported", "ada@example.com", now))
	body = []byte(strings.Replace(string(body), "[", `[null, 1, "x", {}, {"event": 7}, {"event": "open", "timestamp": "soon"}, {"event": "open", "timestamp": 99999999999999}, {"event": "open", "event": "open"}, `, 1))
	hook, events := read(t, body)
	var got []string
	for _, e := range events {
		n, ok, err := hook.Notification(e)
		got = append(got, fmt.Sprintf("%s/%v/%v", n.Event, ok, err != nil))
	}
	want := "/false/true /false/true /false/true /false/true /false/true /false/true /false/true /false/true delivered/true/false /false/false"
	if strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, wrong := range []string{"", "{}", "null", `"x"`, "[1"} {
		signer := sendgridsim.NewSigner()
		headers := signer.Sign([]byte(wrong), now)
		hook := hookOf(t, now, provider.Account{Provider: "sendgrid", Secrets: []string{signer.PublicKey()}})
		if _, err := hook.Verify(t.Context(), []byte(wrong), func(h string) string { return headers[h] }); fault.From(err).Code != "invalid_payload" {
			t.Errorf("%q: error = %v, want invalid_payload", wrong, err)
		}
	}
	if _, events := read(t, []byte("[]")); len(events) != 0 {
		t.Errorf("an empty list: %+v, want no event", events)
	}
}

func TestAnEventBecomesANotification(t *testing.T) {
	t.Parallel()
	type more = sendgridsim.Event
	for _, c := range []struct {
		name         string
		more         more
		event        email.Event
		code, reason string
		cause        email.Cause
	}{
		{"processed", nil, email.EventProcessed, "", "", ""},
		{"deferred", more{"response": "451 4.7.1 <ada@example.com>: try again", "attempt": "3"}, email.EventDeferred, "", "451 4.7.1 <[…]>: try again", ""},
		{"delivered", more{"response": "250 OK"}, email.EventDelivered, "", "", ""},
		{"bounce", more{"reason": "550 5.1.1 ada@example.com unknown", "status": "5.1.1", "type": "bounce"}, email.EventBounced, "5.1.1", "550 5.1.1 […] unknown", ""},
		{"bounce", more{"status": "5.0.0", "type": "bounce", "bounce_classification": "Invalid Address"}, email.EventBounced, "5.0.0", "", email.CauseAddress},
		{"bounce", more{"status": "5.2.2", "type": "bounce", "bounce_classification": "Mailbox Unavailable"}, email.EventBounced, "5.2.2", "", email.CauseOther},
		{"bounce", more{"status": "5.7.1", "type": "bounce", "bounce_classification": "Reputation"}, email.EventBounced, "5.7.1", "", email.CauseOther},
		{"bounce", more{"status": "5.1.1", "type": "bounce", "bounce_classification": "Unclassified"}, email.EventBounced, "5.1.1", "", ""},
		{"bounce", more{"status": "5.1.1", "type": "blocked", "bounce_classification": "Invalid Address"}, email.EventBounced, "5.1.1", "", email.CauseOther},
		{"dropped", more{"reason": "Spam Reporting Address"}, email.EventRejected, "", "Spam Reporting Address", email.CauseComplainedBefore},
		{"dropped", more{"reason": "Unsubscribed Address"}, email.EventRejected, "", "Unsubscribed Address", email.CauseUnsubscribedBefore},
		{"dropped", more{"reason": "Invalid"}, email.EventRejected, "", "Invalid", email.CauseAddress},
		{"dropped", more{"reason": "Spam Content"}, email.EventRejected, "", "Spam Content", email.CauseOther},
		{"dropped", more{"reason": "Bounced Address", "status": "5.0.0"}, email.EventRejected, "5.0.0", "Bounced Address", email.CauseBouncedBefore},
		{"spamreport", more{"Patchbay_message": "msg_2", "PATCHBAY_TENANT": "other", "Patchbay_attempt": "", "Event": "open"}, email.EventComplained, "", "", ""},
		{"open", more{"ip": "192.0.2.1", "useragent": "x"}, email.EventOpened, "", "", ""},
		{"click", more{"url": "https://example.com"}, email.EventClicked, "", "", ""},
		{"unsubscribe", nil, email.EventUnsubscribed, "", "", ""},
		{"group_unsubscribe", more{"asm_group_id": 1}, email.EventUnsubscribed, "", "", ""},
		{"group_resubscribe", more{"asm_group_id": 1}, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hook, events := read(t, sendgridsim.Batch(sendgridsim.EventOf(told, c.name, "ada@example.com", now, c.more)))
			n, ok, err := hook.Notification(events[0])
			want := email.Notification{
				Event: c.event, Tenant: "acme", Message: "msg_1", Attempt: "att_1", Reference: "ref", Recipient: "ada@example.com",
				Code: c.code, Cause: c.cause, Reason: c.reason, At: now,
			}
			if c.event == "" {
				want = email.Notification{Tenant: "acme", Message: "msg_1", Recipient: "ada@example.com"} // what it quotes is not kept longer than the message says
			}
			if err != nil || ok != (c.event != "") || n != want {
				t.Errorf("got %+v, %t, %v, want %+v", n, ok, err, want)
			}
		})
	}
}

// A message that is not kept must not be found in its events.
func TestNothingIsStoredOfAnEventButWhatIsUsed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"an unknown type":          `[{"event":"teleported","email":"ada@example.com","timestamp":1700000000,"patchbay_message":"msg_1","order":"canary","subject":"canary"}]`,
		"a form that is not known": `[{"event":"open","email":["canary@example.com"],"timestamp":1700000000,"order":"canary"}]`,
		"no object":                `["canary"]`,
		"a click":                  `[{"event":"click","email":"ada@example.com","timestamp":1700000000,"url":"https://example.com/canary","useragent":"canary","order":"canary"}]`,
	} {
		_, events := read(t, []byte(body))
		if len(events) != 1 || strings.Contains(string(events[0].Object), "canary") {
			t.Errorf("%s: stored %s, want one event without canary", name, events)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(officialBody), officialSignature, officialTimestamp)
	f.Add([]byte("[]"), "MAYCAQECAQE=", "1600112502")
	f.Add([]byte("[]"), "MAA=", "1e9")
	hook := hookOf(f, time.Unix(1600112502, 0), provider.Account{Provider: "acme", Secrets: []string{sendgridsim.NewSigner().PublicKey()}})
	f.Fuzz(func(t *testing.T, body []byte, signature, timestamp string) {
		get := func(name string) string {
			if strings.HasSuffix(name, "Signature") {
				return signature
			}
			return timestamp
		}
		if _, err := hook.Verify(t.Context(), body, get); err == nil {
			t.Errorf("accepted %q of %q for %q, want it refused: its key is not known", signature, timestamp, body)
		}
	})
}
