package resendmail_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/mail/resendmail"
	"patchbay/adapters/mail/signed"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/webhooktest"
)

var now = time.Unix(1_700_000_000, 0).UTC()

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

func hookOf(t testing.TB, accounts ...provider.Account) provider.MailHook {
	t.Helper()
	hook, err := resendmail.NewHook(clock(now), accounts...)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// Secrets in the form that Resend shows.
const (
	secretOld   = "whsec_b2xkIHNlY3JldCBvZiB0aGUgdGVzdHM="
	secretNew   = "whsec_bmV3IHNlY3JldCBvZiB0aGUgdGVzdHM="
	secretOther = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlbQ=="
)

// sign returns the headers of a delivery, signed by the library of Standard Webhooks.
func sign(t testing.TB, secret, id string, body []byte, at time.Time) map[string]string {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		t.Fatal(err)
	}
	header := resendsim.Sign(id, body, at)
	header["Svix-Signature"] = signature
	return header
}

func getter(header map[string]string) func(string) string {
	return func(name string) string { return header[name] }
}

// about is a message that the provider has accepted.
var about = mailbox.Message{Reference: "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", Variables: map[string]string{
	"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_1", "order": "17",
}}

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretOld, secretNew}}),
		Now:      now, Tolerance: signed.Tolerance, ByHeaders: true, CoversBody: true,
		Sign: func(at time.Time) ([]byte, map[string]string) {
			body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com"}, at))
			return body, sign(t, secretNew, "msg_2", body, at)
		},
	})
}

// The example of the specification's "Verifying signatures", which the official libraries test too.
func TestTheVectorOfTheSpecificationIsAccepted(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_614_265_330, 0)
	hook, err := resendmail.NewHook(clock(at), provider.Account{Provider: "resend", Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = hook.Verify(t.Context(), []byte(`{"test": 2432232314}`), getter(map[string]string{
		"Svix-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Svix-Timestamp": "1614265330",
		"Svix-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	}))
	if code := fault.From(err).Code; code != "invalid_payload" { // it is signed, and no event
		t.Errorf("got %v, want invalid_payload", err)
	}
}

func TestTheSimulatorSignsAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	body := []byte(`{"type": "email.sent"}`)
	want := sign(t, secretNew, "msg_1", body, now)["Svix-Signature"]
	if got := resendsim.Sign("msg_1", body, now, secretNew)["Svix-Signature"]; got != want {
		t.Errorf("the simulator signs %s, want %s", got, want)
	}
}

func TestADeliverySpeaksForTheAccountWhoseSecretSignedIt(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "first", Secrets: []string{secretOther}}, provider.Account{Provider: "second", Secrets: []string{secretOld, secretNew}})
	body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com"}, now))
	for _, c := range []struct {
		name    string
		secrets []string
		want    string // "" if no signature fits
	}{
		{"of the first", []string{secretOther}, "first"},
		{"by the old secret of the second", []string{secretOld}, "second"},
		{"by the new secret of the second", []string{secretNew}, "second"},
		{"during a rotation, by a secret that is not known and one that is", []string{resendsim.NewSecret(), secretNew}, "second"},
		{"by a secret of nobody", []string{resendsim.NewSecret()}, ""},
	} {
		events, err := hook.Verify(t.Context(), body, getter(resendsim.Sign("msg_2", body, now, c.secrets...)))
		switch {
		case c.want == "" && fault.From(err).Code != "invalid_signature":
			t.Errorf("%s: error %v, want invalid_signature", c.name, err)
		case c.want != "" && (err != nil || len(events) != 1 || events[0].Provider != c.want):
			t.Errorf("%s: %+v, %v, want one event of %s", c.name, events, err, c.want)
		}
	}
}

func TestASecretIsOfResendsFormAndOfOneAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		accounts []provider.Account
		code     string
	}{
		"one of two accounts": {[]provider.Account{{Provider: "a", Secrets: []string{secretOld}}, {Provider: "b", Secrets: []string{secretOld}}}, "shared_secret"},
		"an empty one":        {[]provider.Account{{Provider: "a", Secrets: []string{""}}}, "empty_secret"},
		"one that is no key":  {[]provider.Account{{Provider: "a", Secrets: []string{"whsec_?"}}}, "invalid_secret"},
		"one without a key":   {[]provider.Account{{Provider: "a", Secrets: []string{"whsec_"}}}, "invalid_secret"},
		"one without prefix":  {[]provider.Account{{Provider: "a", Secrets: []string{"b2xkIHNlY3JldA=="}}}, "invalid_secret"},
	} {
		if _, err := resendmail.NewHook(clock(now), c.accounts...); fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// What is signed is the id, the time and the body: none of them can be exchanged.
func TestADeliveryThatWasChangedIsRefused(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com"}, now))
	for name, change := range map[string]func(map[string]string){
		"another id":                  func(h map[string]string) { h["Svix-Id"] = "msg_3" },
		"no id":                       func(h map[string]string) { delete(h, "Svix-Id") },
		"another time":                func(h map[string]string) { h["Svix-Timestamp"] = "1700000001" },
		"no time":                     func(h map[string]string) { h["Svix-Timestamp"] = "now" },
		"a time that is too old":      func(h map[string]string) { h["Svix-Timestamp"] = "1699999699" },
		"no signature":                func(h map[string]string) { h["Svix-Signature"] = "" },
		"a signature of no base64":    func(h map[string]string) { h["Svix-Signature"] = "v1,?" },
		"a signature that is short":   func(h map[string]string) { h["Svix-Signature"] = "v1,AAAA" },
		"a signature of a public key": func(h map[string]string) { h["Svix-Signature"] = "v1a" + h["Svix-Signature"][2:] },
	} {
		header := sign(t, secretNew, "msg_2", body, now)
		change(header)
		if _, err := hook.Verify(t.Context(), body, getter(header)); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%s: error %v, want invalid_signature", name, err)
		}
	}
}

// A delivery about several recipients is one event for each, known by the delivery's id: one that is
// sent again is the same.
func TestADeliveryHasAnEventForEachRecipient(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com", "Eve <eve@example.com>", `"foo..bar"@example.com`}, now))
	for _, at := range []time.Time{now, now.Add(time.Minute)} {
		events, err := hook.Verify(t.Context(), body, getter(sign(t, secretNew, "msg_2", body, at)))
		if err != nil {
			t.Fatal(err)
		}
		var ids, recipients []string
		for _, e := range events {
			n, _, err := hook.Notification(e)
			if err != nil {
				t.Fatal(err)
			}
			ids, recipients = append(ids, e.ID), append(recipients, n.Recipient)
		}
		if !slices.Equal(ids, []string{"msg_2", "msg_2/2", "msg_2/3"}) {
			t.Errorf("ids %v, want msg_2, msg_2/2 and msg_2/3", ids)
		}
		if !slices.Equal(recipients, []string{"ada@example.com", "eve@example.com", `"foo..bar"@example.com`}) {
			t.Errorf("recipients %v, want the addresses alone", recipients)
		}
	}
}

func TestAnEventBecomesANotification(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	type more = resendsim.Event
	bounce := func(kind, sub, message string, diagnostic ...string) more {
		return more{"bounce": more{"type": kind, "subType": sub, "message": message, "diagnosticCode": diagnostic}}
	}
	for _, c := range []struct {
		name, sent   string
		more         more
		event        email.Event
		code, reason string
	}{
		{"taken", "email.sent", nil, email.EventProcessed, "", ""},
		{"delivered", "email.delivered", nil, email.EventDelivered, "", ""},
		{"delayed", "email.delivery_delayed", nil, email.EventDeferred, "", ""},
		{
			"bounced for good", "email.bounced", bounce("Permanent", "General", "The recipient's server refused it.", "smtp; 550 5.1.1 <ada@example.com> unknown"),
			email.EventBounced, "5.1.1", "Permanent General smtp; 550 5.1.1 <[…]> unknown The recipient's server refused it.",
		},
		{
			"bounced for a full mailbox", "email.bounced", bounce("Transient", "MailboxFull", "Answered 452 4.2.2"),
			email.EventBounced, "4.2.2", "Transient MailboxFull Answered 452 4.2.2",
		},
		{"bounced, without a code", "email.bounced", bounce("Undetermined", "Undetermined", "nothing is known"), email.EventBounced, "", "Undetermined Undetermined nothing is known"},
		{"bounced, with a reply code alone", "email.bounced", bounce("Permanent", "General", "it said 550"), email.EventBounced, "550", "Permanent General it said 550"},
		{"bounced before, and not tried", "email.bounced", bounce("Permanent", "Suppressed", "on a list"), email.EventRejected, "", "Permanent Suppressed on a list"},
		{"bounced before, and not tried for this account", "email.bounced", bounce("Permanent", "OnAccountSuppressionList", "on a list"), email.EventRejected, "", "Permanent OnAccountSuppressionList on a list"},
		{"failed", "email.failed", more{"failed": more{"reason": "reached_daily_quota"}}, email.EventRejected, "", "reached_daily_quota"},
		{"suppressed", "email.suppressed", more{"suppressed": more{"type": "OnAccountSuppressionList", "message": "ada@example.com is on the list"}}, email.EventRejected, "", "OnAccountSuppressionList […] is on the list"},
		{"complained", "email.complained", nil, email.EventComplained, "", ""},
		{"opened", "email.opened", nil, email.EventOpened, "", ""},
		{"clicked", "email.clicked", more{"click": more{"link": "https://example.com/?token=1", "ipAddress": "192.0.2.1"}}, email.EventClicked, "", ""},
		{"scheduled", "email.scheduled", nil, "", "", ""},
		{"about a domain", "domain.created", nil, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := resendsim.Body(resendsim.EventOf(about, c.sent, []string{"ada@example.com"}, now, c.more))
			events, err := hook.Verify(t.Context(), body, getter(sign(t, secretNew, "msg_2", body, now)))
			if err != nil || len(events) != 1 {
				t.Fatalf("%+v, %v, want one event", events, err)
			}
			n, ok, err := hook.Notification(events[0])
			want := email.Notification{
				Event: c.event, Tenant: "acme", Message: "msg_1", Attempt: "att_1", Reference: about.Reference, Recipient: "ada@example.com",
				Code: c.code, Reason: c.reason, Cause: n.Cause, At: now, // TestWhyAMessageBounced checks the cause
			}
			if c.event == "" {
				want = email.Notification{Tenant: "acme", Message: "msg_1"} // what it quotes is not kept longer than the message says
			}
			if err != nil || ok != (c.event != "") || n != want {
				t.Errorf("got %+v, %v, %v; want %+v", n, ok, err, want)
			}
		})
	}
}

// Resend's reference has a list of tags, and its examples have an object.
func TestANotificationHasTheMarksOfItsMessage(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	type more = resendsim.Event
	for name, c := range map[string]struct {
		tags any
		want string // the tenant and the message
	}{
		"an object":         {more{"patchbay_message": "msg_1", "patchbay_tenant": "acme"}, "acme msg_1"},
		"a list":            {[]more{{"name": "patchbay_message", "value": "msg_1"}, {"name": "patchbay_tenant", "value": "acme"}}, "acme msg_1"},
		"in hexadecimal":    {more{"patchbay_message_hex": "6d73675f312e30", "patchbay_tenant_hex": "61636d652e6575"}, "acme.eu msg_1.0"},
		"no tags":           {nil, " "},
		"tags of others":    {more{"category": "welcome"}, " "},
		"an empty list":     {[]more{}, " "},
		"in other letters":  {more{"patchbay_tenant": "acme", "Patchbay_Tenant": "other"}, "acme "},
		"a hex that is bad": {more{"patchbay_tenant": "acme", "patchbay_tenant_hex": "?"}, "acme "},
	} {
		body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com"}, now, more{"tags": c.tags}))
		events, err := hook.Verify(t.Context(), body, getter(sign(t, secretNew, "msg_2", body, now)))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok, err := hook.Notification(events[0]); err != nil || !ok || n.Tenant+" "+n.Message != c.want {
			t.Errorf("%s: %+v, %v, %v; want the marks %q", name, n, ok, err, c.want)
		}
	}
}

// An event of an unknown type says nothing about a message, but it may quote one.
func TestAnUnknownTypeNamesItsMessage(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	for text, want := range map[string]string{
		`{"type":"email.scheduled","data":{"to":["a@b.c"],"tags":{"patchbay_message":"msg_1","patchbay_tenant":"acme"}}}`: "acme msg_1",
		`{"type":"email.scheduled","data":{"tags":7}}`:                                                                    " ", `{"type":"domain.created","data":"x"}`: " ",
	} {
		events, err := hook.Verify(t.Context(), []byte(text), getter(sign(t, secretNew, "msg_2", []byte(text), now)))
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: %+v, %v, want one event", text, events, err)
		}
		n, ok, err := hook.Notification(events[0])
		if ok || err != nil || n.Tenant+" "+n.Message != want {
			t.Errorf("%s: %+v, %t, %v, want nothing but the marks %q", text, n, ok, err, want)
		}
	}
}

// A message that is not kept must not be found in its events.
func TestNothingIsStoredOfAnEventButWhatIsUsed(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	for name, body := range map[string]string{
		"an unknown type":          `{"type":"email.scheduled","data":{"subject":"canary","to":["canary@example.com"],"tags":{"patchbay_message":"msg_1","order":"canary"}}}`,
		"a form that is not known": `{"type":"email.bounced","data":{"subject":"canary","to":"canary@example.com","tags":{"order":"canary"}}}`,
		"about no message":         `{"type":"contact.created","data":{"email":"canary@example.com","first_name":"canary"}}`,
		"a delivery":               `{"type":"email.delivered","data":{"subject":"canary","from":"canary@example.com","to":["ada@example.com"],"tags":{"order":"canary"}}}`,
	} {
		events, err := hook.Verify(t.Context(), []byte(body), getter(sign(t, secretNew, "msg_2", []byte(body), now)))
		if err != nil || len(events) != 1 || strings.Contains(string(events[0].Object), "canary") {
			t.Errorf("%s: stored %s, %v, want one event without canary", name, events, err)
		}
	}
}

func TestASignedBodyThatIsNoEventIsRefused(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	for _, body := range []string{"", "[]", "null", "{}", `{"type": 7}`, "x=1"} {
		_, err := hook.Verify(t.Context(), []byte(body), getter(sign(t, secretNew, "msg_2", []byte(body), now)))
		if fault.From(err).Code != "invalid_payload" {
			t.Errorf("%q: %v, want invalid_payload", body, err)
		}
	}
	// One of an unknown form is taken, and refused when it is applied.
	body := []byte(`{"type": "email.bounced", "data": {"to": "ada@example.com"}}`)
	events, err := hook.Verify(t.Context(), body, getter(sign(t, secretNew, "msg_2", body, now)))
	if err != nil || len(events) != 1 {
		t.Fatalf("%+v, %v, want one event", events, err)
	}
	if _, _, err := hook.Notification(events[0]); fault.From(err).Code != "invalid_payload" {
		t.Errorf("got %v, want invalid_payload", err)
	}
}

func FuzzVerify(f *testing.F) {
	body := resendsim.Body(resendsim.EventOf(about, "email.delivered", []string{"ada@example.com"}, now))
	f.Add(body, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	f.Add([]byte(`{}`), "v1, v2,x")
	hook := hookOf(f, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		header := getter(map[string]string{"Svix-Id": "msg_1", "Svix-Timestamp": "1700000000", "Svix-Signature": signature})
		if _, err := hook.Verify(t.Context(), body, header); err == nil {
			t.Errorf("accepted %q with %q, want it refused: its key is not known", body, signature)
		}
	})
}

func TestABounceHasTheCauseThatResendNames(t *testing.T) {
	t.Parallel()
	hook := hookOf(t, provider.Account{Provider: "resend", Secrets: []string{secretNew}})
	for kind, want := range map[string]email.Cause{
		"NoEmail": email.CauseAddress, "Suppressed": email.CauseBouncedBefore, "MailboxFull": email.CauseOther, "ContentRejected": email.CauseOther,
		"General": "", "OnAccountSuppressionList": "", "Undetermined": "",
	} {
		body := resendsim.Body(resendsim.EventOf(about, "email.bounced", []string{"ada@example.com"}, now, resendsim.Event{"bounce": resendsim.Event{"type": "Permanent", "subType": kind, "message": "it said no"}}))
		events, err := hook.Verify(t.Context(), body, getter(sign(t, secretNew, "msg_2", body, now)))
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v, %v, want one event", events, err)
		}
		if n, _, err := hook.Notification(events[0]); err != nil || n.Cause != want {
			t.Errorf("cause of %s = %q, %v; want %q", kind, n.Cause, err, want)
		}
	}
}
