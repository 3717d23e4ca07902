package sesmail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/mail/sesmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/sessim"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/tests/contract/webhooktest"
)

// One topic for all tests, because its key takes time to make.
var topicOf = sync.OnceValue(func() *sessim.Topic { return sessim.NewTopic("eu-west-1", now) })

// sns is SNS as a hook under test reaches it. It records the URLs that were fetched.
type sns struct {
	topic *sessim.Topic
	down  error
	mu    sync.Mutex
	urls  []string
}

func (s *sns) fetch(ctx context.Context, url string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = append(s.urls, url)
	if s.down != nil {
		return nil, s.down
	}
	w := httptest.NewRecorder()
	s.topic.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", url, nil))
	if w.Code != 200 {
		return nil, fmt.Errorf("the answer is %d", w.Code)
	}
	return w.Body.Bytes(), nil
}

// hookOf returns a hook for the topic, of an account called ses, and the SNS that it reaches.
func hookOf(t testing.TB, at time.Time) (*sesmail.Hook, *sns) {
	t.Helper()
	s := &sns{topic: topicOf()}
	hook, err := sesmail.NewHookOver(fixed(at), s.fetch, provider.Account{Provider: "ses", Secrets: []string{s.topic.ARN}})
	if err != nil {
		t.Fatal(err)
	}
	return hook, s
}

func getter(header map[string]string) func(string) string {
	return func(name string) string { return header[name] }
}

func none(string) string { return "" }

// about is a message that the provider has accepted.
var about = mailbox.Message{Reference: messages, To: []string{"ada@example.com"}, Variables: map[string]string{
	"patchbay_message": "msg_1", "patchbay_tenant": "acme", "patchbay_attempt": "att_1", "order": "17",
}}

// delivered is an event that the message was delivered.
func delivered(at time.Time) string {
	return string(sessim.Body(sessim.EventOf(about, "Delivery", []string{"ada@example.com"}, at, sessim.Event{"smtpResponse": "250 ok"})))
}

// verifierContract runs the suite for what verifies webhooks.
func verifierContract(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	webhooktest.Run(t, webhooktest.Harness{
		Verifier: hook, Now: now, Tolerance: sesmail.Tolerance, CoversBody: false, // a blank after the JSON changes nothing
		Sign: func(at time.Time) ([]byte, map[string]string) {
			e := s.topic.Notification("1", delivered(at), at)
			return s.topic.Sign(e, "2"), s.topic.Headers(e)
		},
	})
}

// verify returns what a hook makes of a delivery, which has the headers of SNS.
func verify(t *testing.T, hook *sesmail.Hook, body []byte) ([]webhook.Event, error) {
	t.Helper()
	return hook.Verify(t.Context(), body, none)
}

func TestBothVersionsOfTheSignature(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		for _, subject := range []bool{true, false} {
			hook, s := hookOf(t, now)
			e := s.topic.Notification("1", delivered(now), now)
			if !subject {
				delete(e, "Subject")
			}
			events, err := verify(t, hook, s.topic.Sign(e, version))
			if err != nil || len(events) != 1 || events[0].Provider != "ses" || events[0].Type != "Delivery" {
				t.Errorf("version %s, with a subject: %t: %+v, %v, want a delivery at ses", version, subject, events, err)
			}
		}
	}
}

// Each field that is signed is changed once.
func TestADeliveryThatIsNotRight(t *testing.T) {
	t.Parallel()
	other := sessim.NewTopic("eu-west-1", now)
	for name, change := range map[string]func(e sessim.Envelope){
		"another message":       func(e sessim.Envelope) { e["Message"] = strings.Replace(e["Message"], "ada@", "eve@", 1) },
		"another id":            func(e sessim.Envelope) { e["MessageId"] = "2" },
		"another subject":       func(e sessim.Envelope) { e["Subject"] = "x" },
		"no subject":            func(e sessim.Envelope) { delete(e, "Subject") },
		"another time":          func(e sessim.Envelope) { e["Timestamp"] = "2026-03-01T12:00:01.000Z" },
		"no time":               func(e sessim.Envelope) { delete(e, "Timestamp") },
		"another type":          func(e sessim.Envelope) { e["Type"] = "SubscriptionConfirmation" },
		"another topic":         func(e sessim.Envelope) { e["TopicArn"] += "2" },
		"no topic":              func(e sessim.Envelope) { delete(e, "TopicArn") },
		"another version":       func(e sessim.Envelope) { e["SignatureVersion"] = "1" },
		"a version that is not": func(e sessim.Envelope) { e["SignatureVersion"] = "3" },
		"no signature":          func(e sessim.Envelope) { e["Signature"] = "" },
		"no base64":             func(e sessim.Envelope) { e["Signature"] = "?" },
		"the signature of another key": func(e sessim.Envelope) {
			e["Signature"] = signatureIn(t, other.Sign(e, "2"))
		},
	} {
		hook, s := hookOf(t, now)
		e := signedEnvelope(t, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2"))
		change(e)
		if events, err := verify(t, hook, sessim.Body(e)); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%s: %+v, %v, want invalid_signature", name, events, err)
		}
	}
}

// A certificate counts only if it comes from SNS in the region of the topic.
func TestACertificateFromElsewhereIsNotFetched(t *testing.T) {
	t.Parallel()
	const host, path = "sns.eu-west-1.amazonaws.com", "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	for _, url := range []string{
		"", "x", path, "http://" + host + path, "ftp://" + host + path, "//" + host + path, "https:" + path,
		"https://evil.example" + path,
		"https://" + host + ".evil.example" + path,
		"https://evil.example/" + host + path,
		"https://evil.example?" + host + path,
		"https://evil.example#" + host + path,
		"https://" + host + "@evil.example" + path,
		"https://evil.example@" + host + path,
		"https://user:word@" + host + path,
		"https://" + host + ":443" + path,
		"https://" + host + ":8443" + path,
		"https://" + host + "." + path,
		"https://SNS.eu-west-1.amazonaws.com" + path,
		"https://sns.us-east-1.amazonaws.com" + path,
		"https://snsxeu-west-1.amazonaws.com" + path,
		"https://evil.sns.eu-west-1.amazonaws.com" + path,
		"https://s3.amazonaws.com/evil.pem",
		"https://sns.eu-west-1.amazonaws.com.cn" + path,
		"https://" + host + path + "?Action=Publish",
		"https://" + host + path + "?",
		"https://" + host + path + "#.pem",
		"https://" + host + "/a/../b.pem", "https://" + host + "/a%2fb.pem", "https://" + host + "/a/b.pem", "https://" + host + "/.pem",
		"https://" + host + "/a.txt", "https://" + host + "/fake.pem", "https://" + host + "/SimpleNotificationService-1.pem", "https://" + host + "/x" + path,
		"https://" + host + strings.Replace(path, "abcdef.", "abcdeg.", 1), "https://" + host + strings.Replace(path, "-0", "-00", 1),
		"https://" + host + strings.ToUpper(path), "https://" + host + "/", "https://" + host + "\\@evil.example" + path, " https://" + host + path, "https://" + host + path + "\n",
		"HTTPS://" + host + path,
	} {
		hook, s := hookOf(t, now)
		e := signedEnvelope(t, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2"))
		e["SigningCertURL"] = url
		if _, err := verify(t, hook, sessim.Body(e)); fault.From(err).Code != "invalid_signature" {
			t.Errorf("%q: %v, want invalid_signature", url, err)
		}
		if len(s.urls) != 0 {
			t.Errorf("%q: fetched %v, want nothing", url, s.urls)
		}
	}
}

func TestACertificateIsFetchedOnce(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification(fmt.Sprint(i), delivered(now), now), "2")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(s.urls) != 1 || s.urls[0] != s.topic.CertificateURL() {
		t.Errorf("fetched %v, want %s once", s.urls, s.topic.CertificateURL())
	}
}

// While a certificate cannot be had, SNS must send the events again.
func TestACertificateThatCannotBeHad(t *testing.T) {
	t.Parallel()
	hook, s, at := hookAt(t)
	body := s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")
	s.down = errors.New("no route")
	for range 50 { // all of them within the pause
		if _, err := verify(t, hook, body); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "no route") {
			t.Errorf("while SNS is down: %v, want unavailable", err)
		}
	}
	if len(s.urls) != 1 {
		t.Errorf("while SNS is down: %d calls, want 1", len(s.urls))
	}
	s.down = nil
	at.add(10 * time.Second)
	if events, err := verify(t, hook, body); err != nil || len(events) != 1 {
		t.Errorf("later: %+v, %v, want one event", events, err)
	}
	for _, at := range []time.Time{now.AddDate(0, 7, 0), now.AddDate(0, -7, 0)} { // beyond its certificate
		hook, s := hookOf(t, at)
		if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at), at), "2")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("at %s: %v, want unavailable", at, err)
		}
	}
}

// moving is a clock that a test moves on.
type moving struct{ ns atomic.Int64 }

func (c *moving) Now() time.Time      { return time.Unix(0, c.ns.Load()).UTC() }
func (c *moving) add(d time.Duration) { c.ns.Add(int64(d)) }

// hookAt is hookOf with a clock that can be moved on.
func hookAt(t *testing.T, more ...string) (*sesmail.Hook, *sns, *moving) {
	t.Helper()
	s, at := &sns{topic: topicOf()}, new(moving)
	at.ns.Store(now.UnixNano())
	hook, err := sesmail.NewHookOver(at, s.fetch, provider.Account{Provider: "ses", Secrets: append(more, s.topic.ARN)})
	if err != nil {
		t.Fatal(err)
	}
	return hook, s, at
}

// forge lets a stranger, who knows a topic, name 50 certificates that are not there.
func forge(t *testing.T, hook *sesmail.Hook, region, topic string, at time.Time) {
	t.Helper()
	for i := range 50 {
		_, err := verify(t, hook, sessim.Body(sessim.Envelope{
			"Type": "Notification", "TopicArn": topic, "Timestamp": at.Format(time.RFC3339Nano), "SignatureVersion": "2", "Signature": "AAAA",
			"SigningCertURL": fmt.Sprintf("https://sns.%s.amazonaws.com/SimpleNotificationService-%032x.pem", region, i),
		}))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a forged delivery: %v, want unavailable", err)
		}
	}
}

// Whoever knows a topic can name certificates that are not there, but not cause any number of calls.
func TestStrangersCauseFewCalls(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	forge(t, hook, "eu-west-1", s.topic.ARN, now)
	if len(s.urls) != 10 {
		t.Errorf("%d calls, want 10", len(s.urls))
	}
}

func TestForgedDeliveriesDoNotHoldBackGenuineOnes(t *testing.T) {
	t.Parallel()
	genuine := func(t *testing.T, hook *sesmail.Hook, s *sns, at time.Time) {
		t.Helper()
		if events, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at), at), "2")); err != nil || len(events) != 1 {
			t.Errorf("a genuine delivery: %+v, %v, want one event", events, err)
		}
	}
	t.Run("that name what is no certificate of SNS", func(t *testing.T) {
		hook, s, _ := hookAt(t)
		for i := range 50 {
			_, err := verify(t, hook, sessim.Body(sessim.Envelope{
				"Type": "Notification", "TopicArn": s.topic.ARN, "Timestamp": now.Format(time.RFC3339Nano), "SignatureVersion": "1", "Signature": "AAAA",
				"SigningCertURL": fmt.Sprintf("https://sns.eu-west-1.amazonaws.com/x%dfake.pem", i),
			}))
			if fault.From(err).Code != "invalid_signature" {
				t.Fatalf("a forged delivery: %v, want invalid_signature", err)
			}
		}
		genuine(t, hook, s, now)
	})
	t.Run("of a topic in another region", func(t *testing.T) {
		const other = "arn:aws:sns:us-east-1:123456789012:ses-events"
		hook, s, _ := hookAt(t, other)
		forge(t, hook, "us-east-1", other, now)
		genuine(t, hook, s, now)
	})
	t.Run("whose certificate is known", func(t *testing.T) {
		hook, s, _ := hookAt(t)
		genuine(t, hook, s, now)
		forge(t, hook, "eu-west-1", s.topic.ARN, now)
		genuine(t, hook, s, now)
	})
	t.Run("for longer than a minute", func(t *testing.T) {
		hook, s, at := hookAt(t)
		forge(t, hook, "eu-west-1", s.topic.ARN, now)
		at.add(time.Minute)
		genuine(t, hook, s, at.Now())
	})
}

// A certificate that was had once is fetched again after its end, whatever strangers do, in case SNS has
// a new one in its place. That does not make calls without a bound either.
func TestAKnownCertificateThatHasEnded(t *testing.T) {
	t.Parallel()
	hook, s, at := hookAt(t)
	if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")); err != nil {
		t.Fatal(err)
	}
	at.ns.Store(now.AddDate(0, 7, 0).UnixNano())
	forge(t, hook, "eu-west-1", s.topic.ARN, at.Now())
	s.urls = nil
	for range 50 {
		if _, err := verify(t, hook, s.topic.Sign(s.topic.Notification("1", delivered(at.Now()), at.Now()), "2")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, want unavailable", err)
		}
	}
	if len(s.urls) != 1 || s.urls[0] != s.topic.CertificateURL() {
		t.Errorf("fetched %v, want %s once", s.urls, s.topic.CertificateURL())
	}
}

// A fetch goes on for the others when whoever caused it hangs up.
func TestAFetchDoesNotEndWithTheRequest(t *testing.T) {
	t.Parallel()
	s := &sns{topic: topicOf()}
	ctx, cancel := context.WithCancel(t.Context())
	hook, err := sesmail.NewHookOver(fixed(now), func(ctx context.Context, url string) ([]byte, error) {
		cancel()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return s.fetch(ctx, url)
	}, provider.Account{Provider: "ses", Secrets: []string{s.topic.ARN}})
	if err != nil {
		t.Fatal(err)
	}
	body := s.topic.Sign(s.topic.Notification("1", delivered(now), now), "2")
	if events, err := hook.Verify(ctx, body, none); err != nil || len(events) != 1 {
		t.Errorf("%+v, %v, want one event", events, err)
	}
}

func TestWhatTheHeadersTell(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	for name, c := range map[string]struct {
		header map[string]string
		code   string
	}{
		"the topic":     {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN}, ""},
		"no header":     {nil, ""},
		"another topic": {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN + "2"}, "invalid_signature"},
		"raw delivery":  {map[string]string{"X-Amz-Sns-Topic-Arn": s.topic.ARN, "X-Amz-Sns-Rawdelivery": "true"}, "invalid_signature"},
	} {
		if err := hook.CheckHeaders(getter(c.header)); err != nil != (c.code != "") || err != nil && fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestASubscriptionIsConfirmed(t *testing.T) {
	t.Parallel()
	hook, s := hookOf(t, now)
	before := s.topic.Confirmed()
	events, err := verify(t, hook, s.topic.Sign(s.topic.Subscription(now), "1"))
	if err != nil || len(events) != 0 || s.topic.Confirmed() != before+1 {
		t.Errorf("%+v, %v, confirmed %d times, want no event and once", events, err, s.topic.Confirmed()-before)
	}
}

// What is confirmed is the subscription of a topic of ours, at SNS, and after the signature was checked.
func TestASubscriptionThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	const right = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t&TopicArn="
	for name, c := range map[string]struct {
		change func(e sessim.Envelope)
		forged bool
		code   string
	}{
		"not signed":       {nil, true, "invalid_signature"},
		"of another topic": {func(e sessim.Envelope) { e["TopicArn"] += "2" }, false, "invalid_signature"},
		"at another host": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "https://evil.example/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at this machine": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "http://127.0.0.1/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at a host with a user": {func(e sessim.Envelope) {
			e["SubscribeURL"] = "https://sns.eu-west-1.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn=" + e["TopicArn"]
		}, false, "invalid_payload"},
		"at another path": {func(e sessim.Envelope) { e["SubscribeURL"] = strings.Replace(right, "/?", "/a?", 1) + e["TopicArn"] }, false, "invalid_payload"},
		"another action": {func(e sessim.Envelope) {
			e["SubscribeURL"] = strings.Replace(right, "ConfirmSubscription", "DeleteTopic", 1) + e["TopicArn"]
		}, false, "invalid_payload"},
		"another topic in the URL": {func(e sessim.Envelope) { e["SubscribeURL"] = right + "arn:aws:sns:eu-west-1:999999999999:evil" }, false, "invalid_payload"},
		"of a token that is not":   {func(e sessim.Envelope) { e["SubscribeURL"] = right + e["TopicArn"] }, false, "subscription_unconfirmed"},
		"of a type of their own":   {func(e sessim.Envelope) { e["Type"] = "SomethingElse" }, false, "invalid_payload"},
	} {
		hook, s := hookOf(t, now)
		e := s.topic.Subscription(now)
		if c.change != nil {
			c.change(e)
		}
		body := s.topic.Sign(e, "2")
		if c.forged {
			body = sessim.NewTopic("eu-west-1", now).Sign(e, "2")
		}
		_, err := verify(t, hook, body)
		if fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		for _, url := range s.urls {
			if strings.Contains(url, "Action") && c.code != "subscription_unconfirmed" {
				t.Errorf("%s: fetched %s, want nothing but a certificate", name, url)
			}
		}
	}
}

func TestTopicsThatAreNotRight(t *testing.T) {
	t.Parallel()
	const right = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	for name, c := range map[string]struct {
		accounts []provider.Account
		code     string
	}{
		"one of two accounts": {[]provider.Account{{Provider: "a", Secrets: []string{right}}, {Provider: "b", Secrets: []string{right}}}, "shared_secret"},
		"an empty one":        {[]provider.Account{{Provider: "a", Secrets: []string{""}}}, "empty_secret"},
		"what is no topic":    {[]provider.Account{{Provider: "a", Secrets: []string{"ses-events"}}}, "invalid_topic"},
		"one of SQS":          {[]provider.Account{{Provider: "a", Secrets: []string{strings.Replace(right, "sns", "sqs", 1)}}}, "invalid_topic"},
		"a host as a region":  {[]provider.Account{{Provider: "a", Secrets: []string{strings.Replace(right, "eu-west-1", "evil.example", 1)}}}, "invalid_topic"},
	} {
		if _, err := sesmail.NewHook(fixed(now), c.accounts...); fault.From(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func FuzzVerify(f *testing.F) {
	hook, s := hookOf(f, now)
	other := sessim.NewTopic("eu-west-1", now)
	for _, version := range []string{"1", "2"} {
		f.Add(string(other.Sign(s.topic.Notification("1", delivered(now), now), version)))
	}
	f.Add(string(sessim.Body(s.topic.Notification("1", delivered(now), now))))
	f.Add(`{"Type":"SubscriptionConfirmation"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if events, err := hook.Verify(t.Context(), []byte(body), none); err == nil {
			t.Errorf("accepted %q: %+v", body, events)
		}
	})
}

// signedEnvelope reads a signed delivery again.
func signedEnvelope(t *testing.T, body []byte) sessim.Envelope {
	t.Helper()
	var e sessim.Envelope
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func signatureIn(t *testing.T, body []byte) string {
	t.Helper()
	return signedEnvelope(t, body)["Signature"]
}
