package mailgunmail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/tests/contract/webhooktest"
)

var now = time.Unix(1_700_000_000, 0).UTC()

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

func hookOf(t testing.TB, accounts ...provider.Account) provider.MailHook {
	t.Helper()
	hook, err := mailgunmail.NewHook(clock(now), accounts...)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

func none(string) string { return "" }

var told = mailbox.Message{Reference: "ref@mg.example.com", Variables: map[string]string{
	"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_1", "order": "17",
}}

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key-old", "key-new"}}),
		Now:      now, Tolerance: mailgunmail.Tolerance,
		Sign: func(at time.Time) ([]byte, map[string]string) {
			return mailgunsim.Body(mailgunsim.Sign("key-new", at), mailgunsim.EventOf(told, "delivered", "ada@example.com", at)), nil
		},
	})
}

// The simulator signs as Mailgun's own library verifies.
func TestTheSimulatorSignsAsMailgunDoes(t *testing.T) {
	t.Parallel()
	s := mailgunsim.Sign("key", now)
	api := mailgun.NewMailgun("", "")
	api.SetWebhookSigningKey("key")
	fits, err := api.VerifyWebhookSignature(mailgun.Signature{TimeStamp: s.Timestamp, Token: s.Token, Signature: s.Signature})
	if !fits || err != nil {
		t.Errorf("the library verifies it: %t, %v, want true", fits, err)
	}
}

func TestAnEventSpeaksForTheDomainWhoseKeySignedIt(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "first", Secrets: []string{"one"}}, provider.Account{Provider: "second", Secrets: []string{"two", "three"}})
	for key, provider := range map[string]string{"one": "first", "two": "second", "three": "second"} {
		s := mailgunsim.Sign(key, now)
		e := mailgunsim.EventOf(told, "delivered", "ada@example.com", now)
		events, err := hook.Verify(t.Context(), mailgunsim.Body(s, e), none)
		if err != nil || len(events) != 1 || events[0].Provider != provider || events[0].Token != s.Token || events[0].ID != e["id"] {
			t.Errorf("signed with the key %s: %+v, %v, want one event of %s", key, events, err, provider)
		}
	}
	if _, err := hook.Verify(t.Context(), mailgunsim.Body(mailgunsim.Sign("four", now), mailgunsim.Event{"event": "opened"}), none); fault.From(err).Code != "invalid_signature" {
		t.Errorf("signed with nobody's key: error = %v, want invalid_signature", err)
	}
	if _, err := mailgunmail.NewHook(clock(now), provider.Account{Provider: "a", Secrets: []string{"x"}}, provider.Account{Provider: "b", Secrets: []string{"x"}}); fault.From(err).Code != "shared_secret" {
		t.Errorf("a key of two accounts: error = %v, want shared_secret", err)
	}
	if _, err := mailgunmail.NewHook(clock(now), provider.Account{Provider: "a", Secrets: []string{""}}); fault.From(err).Code != "empty_secret" {
		t.Errorf("an empty key: error = %v, want empty_secret", err)
	}
}

func TestASignedBodyThatIsNoEventIsRefused(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key"}})
	for _, data := range []mailgunsim.Event{nil, {}, {"event": 7}} {
		if _, err := hook.Verify(t.Context(), mailgunsim.Body(mailgunsim.Sign("key", now), data), none); fault.From(err).Code != "invalid_payload" {
			t.Errorf("%v: error = %v, want invalid_payload", data, err)
		}
	}
	for _, body := range []string{"", "[]", "null", `{"event-data": {}}`, `{"signature": "x"}`, "timestamp=1&token=2&signature=3"} {
		if _, err := hook.Verify(t.Context(), []byte(body), none); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%q: error = %v, want invalid_signature", body, err)
		}
	}
}

func TestAnEventBecomesANotification(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key"}})
	type more = mailgunsim.Event
	status := func(more mailgunsim.Event) mailgunsim.Event { return mailgunsim.Event{"delivery-status": more} }
	for _, c := range []struct {
		name, sent   string
		more         []more
		event        email.Event
		code, reason string
		cause        email.Cause
	}{
		{"accepted", "accepted", nil, email.EventProcessed, "", "", ""},
		{"delivered", "delivered", []more{status(more{"code": 250, "message": "OK"})}, email.EventDelivered, "", "", ""},
		{"failed for good", "failed", []more{{"severity": "permanent", "reason": "bounce"}, status(more{"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 <ada@example.com> unknown"})}, email.EventBounced, "5.1.1", "5.1.1 <[…]> unknown", email.CauseAddress},
		{"failed, with a code in words", "failed", []more{{"severity": "permanent"}, status(more{"code": "550", "description": "no such user"})}, email.EventBounced, "550", "no such user", ""},
		{"failed for now", "failed", []more{{"severity": "temporary", "reason": "greylisted"}, status(more{"code": 451})}, email.EventDeferred, "451", "greylisted", ""},
		{"not tried: it bounced before", "failed", []more{{"severity": "permanent", "reason": "suppress-bounce"}, status(more{"code": 605, "message": "Not delivering to previously bounced address"})}, email.EventRejected, "605", "suppress-bounce Not delivering to previously bounced address", email.CauseBouncedBefore},
		{"failed, with its code in the mail that came back", "failed", []more{{"severity": "permanent", "reason": "generic"}, status(more{"code": 550, "bounce-code": "5.1.1"})}, email.EventBounced, "5.1.1", "generic", ""},
		{"blocked by a big provider", "failed", []more{{"severity": "permanent", "reason": "espblock"}, status(more{"code": 550})}, email.EventBounced, "550", "espblock", email.CauseOther},
		{"tried for too long", "failed", []more{{"severity": "permanent", "reason": "old"}, status(more{"code": 452})}, email.EventBounced, "452", "old", email.CauseOther},
		{"not tried: a complaint before", "failed", []more{{"severity": "permanent", "reason": "suppress-complaint"}}, email.EventRejected, "", "suppress-complaint", email.CauseComplainedBefore},
		{"not tried: unsubscribed before", "failed", []more{{"severity": "permanent", "reason": "suppress-unsubscribe"}}, email.EventRejected, "", "suppress-unsubscribe", email.CauseUnsubscribedBefore},
		{"rejected", "rejected", []more{{"reject": more{"reason": "Sandbox", "description": ""}}}, email.EventRejected, "", "Sandbox", email.CauseOther},
		{"complained", "complained", nil, email.EventComplained, "", "", ""},
		{"opened", "opened", []more{{"ip": "192.0.2.1"}}, email.EventOpened, "", "", ""},
		{"clicked", "clicked", []more{{"url": "https://example.com"}}, email.EventClicked, "", "", ""},
		{"unsubscribed", "unsubscribed", nil, email.EventUnsubscribed, "", "", ""},
		{"stored", "stored", nil, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			events, err := hook.Verify(t.Context(), mailgunsim.Body(mailgunsim.Sign("key", now), mailgunsim.EventOf(told, c.sent, "ada@example.com", now, c.more...)), none)
			if err != nil {
				t.Fatal(err)
			}
			n, ok, err := hook.Notification(events[0])
			want := email.Notification{
				Event: c.event, Tenant: "acme", Message: "msg_1", Attempt: "att_1", Reference: "ref@mg.example.com", Recipient: "ada@example.com",
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

// Mailgun writes a list where there are no variables, and may take a text for a number.
func TestANotificationHasTheMarksOfItsMessage(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key"}})
	for name, c := range map[string]struct {
		variables any
		want      string
	}{
		"a list":           {[]string{}, ""},
		"nothing":          {nil, ""},
		"in other letters": {map[string]any{"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_Tenant": "other"}, "acme"},
		"a number":         {map[string]any{"patchbay_message": "msg_1", "patchbay_tenant": 17}, "17"},
	} {
		e := mailgunsim.EventOf(told, "delivered", "ada@example.com", now, mailgunsim.Event{"user-variables": c.variables})
		events, err := hook.Verify(t.Context(), mailgunsim.Body(mailgunsim.Sign("key", now), e), none)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok, err := hook.Notification(events[0]); err != nil || !ok || n.Tenant != c.want {
			t.Errorf("%s: %+v, %t, %v, want the tenant %q", name, n, ok, err, c.want)
		}
	}
}

// Marks that cannot be read are none, in an event that says nothing about a message.
func TestMarksThatCannotBeReadAreNoneInAnEventOfAnUnknownType(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key"}})
	for _, object := range []string{
		`{"event":"stored","user-variables":7}`, `{"event":"stored"}`,
	} {
		if _, ok, err := hook.Notification(webhook.Event{Object: []byte(object)}); ok || err != nil {
			t.Errorf("%s: %t, %v, want nothing, and no error", object, ok, err)
		}
	}
}

// A message that is not kept must not be found in its events.
func TestNothingIsStoredOfAnEventButWhatIsUsed(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "mailgun", Secrets: []string{"key"}})
	type object = mailgunsim.Event
	headers := object{"subject": "canary", "to": "canary@example.com", "message-id": "ref@mg.example.com"}
	for name, c := range map[string]struct {
		data  object
		known bool // whether it can be applied
	}{
		"an unknown type":           {object{"event": "stored", "recipient": "ada@example.com", "storage": object{"url": "canary"}}, true},
		"a form that is not known":  {object{"event": "delivered", "recipient": object{"address": "canary@example.com"}}, false},
		"marks that cannot be read": {object{"event": "opened", "user-variables": object{"order": "canary", "patchbay_tenant": []string{}}, "recipient": 7}, false},
		"a delivery":                {object{"event": "delivered", "recipient": "ada@example.com", "user-variables": object{"order": "canary", "patchbay_message": "msg_1"}}, true},
	} {
		c.data["timestamp"], c.data["id"], c.data["message"] = now.Unix(), "e", object{"headers": headers, "recipients": []string{"canary@example.com"}}
		events, err := hook.Verify(t.Context(), mailgunsim.Body(mailgunsim.Sign("key", now), c.data), none)
		if err != nil || len(events) != 1 || strings.Contains(string(events[0].Object), "canary") {
			t.Errorf("%s: stored %s, %v, want one event without canary", name, events, err)
			continue
		}
		if _, _, err := hook.Notification(events[0]); err == nil != c.known {
			t.Errorf("%s: applied with %v, want it refused: %t", name, err, !c.known)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(mailgunsim.Body(mailgunsim.Sign("other", now), mailgunsim.Event{"event": "opened"}))
	f.Add([]byte(`{"signature": {"timestamp": "1700000000", "token": "x", "signature": ""}}`))
	hook := hookOf(f, provider.Account{Provider: "acme", Secrets: []string{"key"}})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := hook.Verify(t.Context(), body, none); err == nil {
			t.Errorf("accepted %q, want it refused: its key is not known", body)
		}
	})
}
