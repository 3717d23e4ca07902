package sesmail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/webhook"
)

type more = sessim.Event

// told returns the events of a delivery.
func told(t *testing.T, id string, e any) (*sesmail.Hook, []webhook.Event) {
	t.Helper()
	hook, s := hookOf(t, now)
	text, plain := e.(string)
	if !plain {
		text = string(sessim.Body(e))
	}
	events, err := verify(t, hook, s.topic.Sign(s.topic.Notification(id, text, now), "2"))
	if err != nil {
		t.Fatal(err)
	}
	return hook, events
}

// noticed returns the notification of the only event of a delivery.
func noticed(t *testing.T, e any) (email.Notification, bool) {
	t.Helper()
	hook, events := told(t, "1", e)
	if len(events) != 1 {
		t.Fatalf("%+v, want one event", events)
	}
	n, ok, err := hook.Notification(events[0])
	if err != nil {
		t.Fatal(err)
	}
	return n, ok
}

func TestAnEventBecomesANotification(t *testing.T) {
	t.Parallel()
	failed := func(status, diagnostic string) more {
		return more{"action": "failed", "status": status, "diagnosticCode": diagnostic}
	}
	bounce := func(kind, sub string) more { return more{"bounceType": kind, "bounceSubType": sub, "feedbackId": "f"} }
	for _, c := range []struct {
		name, sent   string
		more, each   more
		event        email.Event
		code, reason string
		cause        email.Cause
	}{
		{"taken", "Send", nil, nil, email.EventProcessed, "", "", ""},
		{"delivered", "Delivery", more{"smtpResponse": "250 2.6.0 ok"}, nil, email.EventDelivered, "", "", ""},
		{"delayed", "DeliveryDelay", more{"delayType": "TransientCommunicationFailure"}, more{"status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 later"}, email.EventDeferred, "4.4.1", "TransientCommunicationFailure smtp; 421 4.4.1 later", ""},
		{"bounced for good", "Bounce", bounce("Permanent", "General"), failed("5.1.1", "smtp; 550 5.1.1 <ada@example.com> unknown"), email.EventBounced, "5.1.1", "Permanent General smtp; 550 5.1.1 <[…]> unknown", ""},
		{"bounced, and the words say more than the status", "Bounce", bounce("Permanent", "General"), failed("5.0.0", "smtp; 550 5.7.1 blocked"), email.EventBounced, "5.7.1", "Permanent General smtp; 550 5.7.1 blocked", ""},
		{"bounced, and neither says much", "Bounce", bounce("Permanent", "General"), failed("5.0.0", "smtp; 550 no"), email.EventBounced, "5.0.0", "Permanent General smtp; 550 no", ""},
		{"bounced, with a reply code alone", "Bounce", bounce("Permanent", "General"), failed("", "smtp; 550 no"), email.EventBounced, "550", "Permanent General smtp; 550 no", ""},
		{"bounced: no such mailbox", "Bounce", bounce("Permanent", "NoEmail"), failed("5.1.1", "no"), email.EventBounced, "5.1.1", "Permanent NoEmail no", email.CauseAddress},
		{"bounced before, and not tried", "Bounce", bounce("Permanent", "Suppressed"), failed("5.1.1", "Amazon SES has suppressed sending"), email.EventRejected, "5.1.1", "Permanent Suppressed Amazon SES has suppressed sending", email.CauseBouncedBefore},
		{"on the list of the account, and not tried", "Bounce", bounce("Permanent", "OnAccountSuppressionList"), failed("", "on the list"), email.EventRejected, "", "Permanent OnAccountSuppressionList on the list", ""},
		{"unsubscribed, and not tried", "Bounce", bounce("Permanent", "UnsubscribedRecipient"), nil, email.EventRejected, "", "Permanent UnsubscribedRecipient", email.CauseUnsubscribedBefore},
		{"bounced for a full mailbox", "Bounce", bounce("Transient", "MailboxFull"), failed("5.2.2", "full"), email.EventBounced, "5.2.2", "Transient MailboxFull full", email.CauseOther},
		{"bounced for now, with an address that there is not", "Bounce", bounce("Transient", "General"), failed("5.1.1", "x"), email.EventBounced, "5.1.1", "Transient General x", email.CauseOther},
		{"bounced, and why is not known", "Bounce", bounce("Undetermined", "Undetermined"), failed("", ""), email.EventBounced, "", "Undetermined Undetermined", email.CauseOther},
		{"an automatic reply", "Bounce", bounce("Transient", "General"), nil, email.EventDeferred, "", "Transient General", ""},
		{"a warning that it is delayed", "Bounce", bounce("Transient", "General"), more{"action": "delayed", "status": "4.4.7"}, email.EventDeferred, "4.4.7", "Transient General", ""},
		{"complained", "Complaint", more{"complaintFeedbackType": "abuse"}, nil, email.EventComplained, "", "", ""},
		{"complained, in no particular way", "Complaint", nil, nil, email.EventComplained, "", "", ""},
		{"said not to be spam", "Complaint", more{"complaintFeedbackType": "not-spam"}, nil, "", "", "", ""},
		{"not authenticated", "Complaint", more{"complaintFeedbackType": "auth-failure"}, nil, "", "", "", ""},
		{"complained before, and not tried", "Complaint", more{"complaintSubType": "OnAccountSuppressionList"}, nil, email.EventRejected, "", "OnAccountSuppressionList", email.CauseComplainedBefore},
		{"rejected for a virus", "Reject", more{"reason": "Bad content"}, nil, email.EventRejected, "", "Bad content", email.CauseOther},
		{"not rendered", "Rendering Failure", more{"errorMessage": "Attribute 'name' is not present in the rendering data.", "templateName": "welcome"}, nil, email.EventRejected, "", "Attribute 'name' is not present in the rendering data.", email.CauseOther},
		{"opened", "Open", more{"ipAddress": "192.0.2.1"}, nil, email.EventOpened, "", "", ""},
		{"clicked", "Click", more{"link": "https://example.com/?token=1"}, nil, email.EventClicked, "", "", ""},
		{"unsubscribed from all", "Subscription", more{"newTopicPreferences": more{"unsubscribeAll": true}}, nil, email.EventUnsubscribed, "", "", ""},
		{"unsubscribed from a topic of SES", "Subscription", more{"newTopicPreferences": more{"unsubscribeAll": false}}, nil, "", "", "", ""},
		{"of a type that is not known", "Teleport", nil, nil, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := now.Add(-time.Minute)
			n, ok := noticed(t, sessim.EventOf(about, c.sent, []string{"ada@example.com"}, at, c.more, c.each))
			want := email.Notification{
				Event: c.event, Tenant: "acme", Message: "msg_1", Attempt: "att_1", Reference: messages, Recipient: "ada@example.com",
				Code: c.code, Reason: c.reason, Cause: c.cause, At: at,
			}
			if ok != (c.event != "") || ok && n != want {
				t.Errorf("got %+v, %t; want %+v", n, ok, want)
			}
		})
	}
}

// A delivery about several recipients is one event for each, and the same news twice is still one,
// whatever id SNS gives to it.
func TestADeliveryHasAnEventForEachRecipient(t *testing.T) {
	t.Parallel()
	e := sessim.EventOf(about, "Bounce", []string{"ada@example.com", "Eve <eve@example.com>", `"foo..bar"@example.com`}, now, more{"bounceType": "Permanent", "bounceSubType": "General"}, more{"status": "5.1.1", "action": "failed"})
	hook, events := told(t, "1", e)
	_, again := told(t, "2", e)
	_, later := told(t, "3", sessim.EventOf(about, "Bounce", []string{"ada@example.com"}, now.Add(time.Second), more{"bounceType": "Permanent", "bounceSubType": "General"}))
	want := []string{"ada@example.com", "eve@example.com", `"foo..bar"@example.com`}
	if len(events) != len(want) || len(again) != len(want) {
		t.Fatalf("%d and %d events, want %d", len(events), len(again), len(want))
	}
	ids := map[string]bool{later[0].ID: true}
	for i, event := range events {
		n, _, err := hook.Notification(event)
		if err != nil || n.Recipient != want[i] || n.Code != "5.1.1" {
			t.Errorf("%+v, %v, want %s with 5.1.1", n, err, want[i])
		}
		if event.ID != again[i].ID || ids[event.ID] {
			t.Errorf("the ids are %s and %s, want the same twice, and no other's", event.ID, again[i].ID)
		}
		ids[event.ID] = true
	}
}

// What the server said of one recipient is not shown with another.
func TestWordsAboutOneRecipientStayThere(t *testing.T) {
	t.Parallel()
	e := sessim.EventOf(about, "Bounce", []string{"ada@example.com"}, now, more{"bounceType": "Permanent", "bounceSubType": "General"}, more{"diagnosticCode": "private"})
	bounce, _ := e["bounce"].(sessim.Event)
	list, _ := bounce["bouncedRecipients"].([]sessim.Event)
	bounce["bouncedRecipients"] = append(list, sessim.Event{"emailAddress": "eve@example.com"})
	hook, events := told(t, "1", e)
	n, _, err := hook.Notification(events[1])
	if err != nil || n.Recipient != "eve@example.com" || strings.Contains(n.Reason, "private") {
		t.Errorf("%+v, %v, want eve without the words about ada", n, err)
	}
}

// SES does not say who opened a message with several recipients.
func TestAnOpenOfAMessageToSeveralNamesNobody(t *testing.T) {
	t.Parallel()
	m := about
	m.To = []string{"ada@example.com", "eve@example.com"}
	if n, ok := noticed(t, sessim.EventOf(m, "Open", nil, now, nil)); !ok || n.Event != email.EventOpened || n.Recipient != "" {
		t.Errorf("%+v, %t, want opened by nobody in particular", n, ok)
	}
}

// A message that is not kept must not be found in its events.
func TestNothingIsStoredOfAnEventButWhatIsUsed(t *testing.T) {
	t.Parallel()
	m := about
	m.To = []string{"ada@example.com", "eve@example.com"}
	for name, text := range map[string]string{
		"an unknown type":          `{"eventType":"Seen","mail":{"destination":["eve@example.com"],"tags":{"order":["17"]},"commonHeaders":{"subject":"Order 17"}}}`,
		"a form that is not known": `{"eventType":"Bounce","mail":{"destination":"eve@example.com","commonHeaders":{"subject":"Order 17"}}}`,
	} {
		_, events := told(t, "1", text)
		for _, private := range []string{"eve@", "Order 17", `"order"`} {
			if strings.Contains(string(events[0].Object), private) {
				t.Errorf("%s: stored %s, want it without %s", name, events[0].Object, private)
			}
		}
	}
	_, events := told(t, "1", sessim.EventOf(m, "Delivery", []string{"ada@example.com"}, now, more{"smtpResponse": "250 ok", "remoteMtaIp": "192.0.2.1"}))
	for _, private := range []string{"eve@", "Order 17", "192.0.2.1", `"order"`} {
		if strings.Contains(string(events[0].Object), private) {
			t.Errorf("stored %s, want it without %s", events[0].Object, private)
		}
	}
}

func TestANotificationHasTheMarksOfItsMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variables map[string]string
		want      string // the tenant and the message
	}{
		"as they are":    {map[string]string{"patchbay_message": "msg_1", "patchbay_tenant": "acme"}, "acme msg_1"},
		"in hexadecimal": {map[string]string{"patchbay_message_hex": "6d73675f312e30", "patchbay_tenant_hex": "61636d652e6575"}, "acme.eu msg_1.0"},
		"none":           {nil, " "},
	} {
		m := mailbox.Message{Reference: messages, To: about.To, Variables: c.variables}
		if n, ok := noticed(t, sessim.EventOf(m, "Send", nil, now, nil)); !ok || n.Tenant+" "+n.Message != c.want {
			t.Errorf("%s: %+v, %t; want the marks %q", name, n, ok, c.want)
		}
	}
}

// An identity publishes events of another form, without tags.
func TestAnEventOfAnIdentityIsRead(t *testing.T) {
	t.Parallel()
	e := sessim.EventOf(about, "Delivery", []string{"ada@example.com"}, now, nil)
	e["notificationType"] = e["eventType"]
	delete(e, "eventType")
	if n, ok := noticed(t, e); !ok || n.Event != email.EventDelivered || n.Reference != messages {
		t.Errorf("%+v, %t, want delivered", n, ok)
	}
}

// An event of an unknown type says nothing about a message, but it quotes its subject.
func TestAnUnknownTypeNamesItsMessage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"eventType":"Seen","mail":{"messageId":"1","tags":{"patchbay_message":["msg_1"],"patchbay_tenant":["acme"]},"commonHeaders":{"subject":"s"}}}`: "acme msg_1",
		`{"eventType":"Seen","mail":{"tags":7}}`: " ", `{"eventType":"Seen"}`: " ",
	} {
		hook, events := told(t, "4", text)
		if len(events) != 1 {
			t.Fatalf("%s: %+v, want one event", text, events)
		}
		n, ok, err := hook.Notification(events[0])
		if ok || err != nil || n.Tenant+" "+n.Message != want {
			t.Errorf("%s: %+v, %t, %v, want nothing but the marks %q", text, n, ok, err, want)
		}
	}
}

func TestASignedBodyThatIsNoEventIsRefused(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	for text, code := range map[string]string{
		"Successfully validated SNS topic for Amazon SES event publishing.": "", "": "invalid_payload", "[]": "invalid_payload", "null": "invalid_payload",
		"{}": "invalid_payload", `{"eventType":7}`: "invalid_payload", "hello": "invalid_payload",
	} {
		events, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", text, now), "2"))
		if len(events) != 0 || err != nil != (code != "") || err != nil && fault.From(err).Code != code {
			t.Errorf("%q: %+v, %v, want %q", text, events, err, code)
		}
	}
	// One of an unknown form is taken, and refused when it is applied.
	_, events := told(t, "4", `{"eventType":"Bounce","mail":"?"}`)
	if len(events) != 1 || events[0].ID != "4" || !json.Valid(events[0].Object) {
		t.Fatalf("%+v, want one event", events)
	}
	if _, _, err := hook.Notification(events[0]); fault.From(err).Code != "invalid_payload" {
		t.Errorf("got %v, want invalid_payload", err)
	}
}
